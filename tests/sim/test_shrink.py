"""A seed that breaks is shrunk to the few faults that it takes, and those break it again."""

from collections import Counter
from dataclasses import dataclass, field

import pytest

from ha_monitor.sim.checks import LivenessBroken, SafetyBroken
from ha_monitor.sim.cluster_swarm import SwarmWorld
from ha_monitor.sim.faults import Fault, kept
from ha_monitor.sim.shrink import shrink
from ha_monitor.sim.swarm import play_world
from ha_monitor.sim.told_plants import CLUSTER_PLANTS

ALL = tuple(Fault(number, number, "fault", 0, 0, (0.0, 0.0)) for number in range(40))


@dataclass
class Toy:
    """Breaks when all of some faults happen."""

    needs: set
    only: tuple | None = None
    breaks: type = SafetyBroken
    seed: int = 0
    events: int = 0
    counts: Counter = field(default_factory=Counter)
    windows: list = field(default_factory=list)
    now_ns: int = 0
    trace: None = None
    lines: list = field(default_factory=list)

    def __post_init__(self):
        self.faults = kept(ALL, self.only)

    def play(self):
        here = {fault.number for fault in self.faults}
        self.lines.extend(str(number) for number in sorted(here))
        if self.needs <= here:
            raise self.breaks("broken")
        if len(here) < 30:
            raise LivenessBroken("something else")


@pytest.mark.parametrize("needs", [{3}, {0, 39}, {5, 6, 7, 30}, set()])
def test_what_remains_is_exactly_what_it_takes(needs):
    shrunk = shrink(lambda only: Toy(needs, only))
    assert set(shrunk.only) == needs
    assert set(shrunk.lines) == {str(number) for number in needs}
    assert shrunk.of == 40


def test_another_kind_of_violation_is_not_taken_for_the_same():
    shrunk = shrink(lambda only: Toy({1, 2}, only))
    assert "something else" not in shrunk.broken


def test_number_of_plays_is_bounded():
    assert shrink(lambda only: Toy(set(range(40)), only), plays_max=10).plays <= 10


def test_seed_that_holds_cannot_be_shrunk():
    with pytest.raises(AssertionError, match="breaks nothing"):
        shrink(lambda only: SwarmWorld(0, only=()))


def test_real_seed_is_shrunk_and_the_rest_breaks_it_again():
    plant = CLUSTER_PLANTS["goodbye-before-close"]
    shrunk = shrink(lambda only: SwarmWorld(0, plant, only))
    assert 0 < len(shrunk.only) < shrunk.of
    assert play_world(SwarmWorld(0, plant, shrunk.only)).broken == shrunk.broken
    assert any("crash" in line for line in shrunk.lines)
