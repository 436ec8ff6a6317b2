"""Simulated fence devices: what counts as off is off, and the checker sees what is not."""

from dataclasses import replace

import pytest

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.core.voter import FENCED, Absence
from ha_monitor.model import FenceDevice, FenceStep, Fencing, Quorum
from ha_monitor.sim.cast import pair
from ha_monitor.sim.checks import SafetyBroken
from ha_monitor.sim.cluster_world import ClusterWorld
from ha_monitor.sim.fencing import DeviceWeather
from ha_monitor.timebase import SECOND

FIRST, SECOND_LEVEL = (FenceStep("board"),), (FenceStep("strip-a", "1"), FenceStep("strip-b", "1"))
DEVICES = tuple(FenceDevice(name, "/fence", timeout_ns=SECOND) for name in ("board", "strip-a", "strip-b"))


class FencingWorld(ClusterWorld):
    """A pair with devices; remembers what pub2's worker told of its fence."""

    def __init__(self, *levels):
        fencing = Fencing(DEVICES, {"pub2": levels, "pub3": levels}, 0)
        super().__init__(replace(pair(), witness=None, quorum=Quorum.FENCING, fencing=fencing))
        self.begin()
        self.told = []
        self["pub2"].order = lambda event: (
            self.told.append(event) if isinstance(event, ev.FenceEnded) else None
        )

    def fence(self, only_ask=False, **weather):
        self["pub2"].fencer.weather = DeviceWeather(**weather)
        self.told.clear()
        self["pub2"].fencer.order(ac.FenceNode("pub3", 1, only_ask, "why"))
        self.run(5 * SECOND)
        return self.told[0]


@pytest.mark.parametrize("level", [FIRST, SECOND_LEVEL])
def test_a_level_that_works_powers_off_and_is_confirmed(level):
    world = FencingWorld(level)
    boots = world["pub3"].boots
    assert world.fence().is_off
    assert world["pub3"].boots > boots
    assert world.counts["fences"] == 1


@pytest.mark.parametrize("weather", [{"fails": 1.0}, {"lies": 1.0}])
def test_a_level_that_did_not_power_off_is_not_confirmed_whatever_the_device_says(weather):
    world = FencingWorld(FIRST, SECOND_LEVEL)
    told = world.fence(**weather)
    assert not told.is_off
    assert world["pub3"].is_on
    assert world.counts["fences"] == 0


def test_a_device_that_hangs_is_given_up_at_its_limit():
    world = FencingWorld(FIRST)
    began_ns = world.now_ns
    assert not world.fence(hangs=1.0).is_off
    assert world.now_ns >= began_ns + SECOND


def test_asking_alone_powers_nothing_off_and_tells_the_truth():
    world = FencingWorld(FIRST)
    assert not world.fence(only_ask=True).is_off
    assert world["pub3"].is_on
    world["pub3"].power_off()
    assert world.fence(only_ask=True).is_off


def test_an_order_beside_one_that_runs_is_refused_at_once():
    world = FencingWorld(FIRST)
    order = ac.FenceNode("pub3", 1, False, "why")
    assert world["pub2"].fencer.order(order) == []
    (answer,) = world["pub2"].fencer.order(order)
    assert not answer.is_off


def test_a_worker_that_dies_tells_nothing_any_more():
    world = FencingWorld(FIRST)
    world["pub2"].fencer.order(ac.FenceNode("pub3", 1, False, "why"))
    world["pub2"].fencer.worker_dies()
    world.run(SECOND)
    assert world.told == []


def test_checker_sees_a_fence_of_a_life_that_goes_on_and_accepts_one_that_is_over():
    world = FencingWorld(FIRST)
    seat = world["pub2"].process.core.situation.seat
    life = world["pub3"].process.core.situation.incarnation
    seat.note_absent(1, Absence(life + 1, FENCED))
    world.fences.stepped(world["pub2"].process)
    seat.note_absent(1, Absence(life, FENCED))
    with pytest.raises(SafetyBroken, match="counts pub3 as fenced, which runs"):
        world.fences.stepped(world["pub2"].process)
