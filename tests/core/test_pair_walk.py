"""Random walks over a pair in mode fencing: never two Owners, and one again when all is mended."""

import random
from dataclasses import replace

import pytest

from ha_monitor.core import events as ev
from ha_monitor.core.quorum import Votes
from ha_monitor.model import Group
from ha_monitor.timebase import MS, SECOND
from tests.core.pairs import FENCING, PairWorld, fencing_pair
from tests.core.world import VIP, vip, www

NAMES = ("pub2", "pub3")
FTP = Group("ftp", ("pub3", "pub2"), (vip("192.0.2.101/24"),))
BLOWS = (
    "cut",
    "cut",
    "one-way",
    "link",
    "heal",
    "heal",
    "off",
    "boot",
    "boot",
    "core",
    "stop",
    "break",
    "mend",
)
BLOWS += ("order", "standby")
STEPS = 12
SEEDS = (26, 31)


def walk(seed):
    """Play one; the world is asked after each step that nobody serves twice."""
    drawn = random.Random(seed)
    groups = (www(),) if drawn.random() < 0.5 else (www(), FTP)
    delay_ns = drawn.choice([0, 2 * SECOND])
    world = PairWorld(fencing_pair(*groups, fencing=replace(FENCING, delay_ns=delay_ns)))
    world.fence_ns = drawn.choice([50 * MS, 300 * MS, 3 * SECOND])
    for _ in range(STEPS):
        world.run(drawn.choice([0.05, 0.3, 1, 2.5, 6]))
        strike(world, drawn.choice(BLOWS), drawn.choice(NAMES), drawn)
    mend(world)
    return world, groups


def strike(world, blow, name, drawn):  # noqa: C901  a table of small cases
    member, other = world[name], NAMES[1 - NAMES.index(name)]
    ends = NAMES.index(name), NAMES.index(other)
    match blow, member.is_up:
        case "cut", _:
            world.separate(*NAMES)
        case "one-way", _:
            world.cut.add((*ends, None))
        case "link", _:
            world.separate(*NAMES, link=drawn.choice(["lan", "direct"]))
        case "heal", _:
            world.cut.clear()
        case "off", True:
            world.power_off(name)
        case "boot", False:
            world.boot(name)
        case "core", True:
            member.open.clear()  # the guard closes what a dead core left open
            world.restart_core(name)
        case "stop", True:
            member.step(ev.StopOrdered(True))
        case (("break" | "mend"), _):
            world.fence_works = blow == "mend"
        case "order", True:
            member.step(ev.FenceOrdered(1, other, "why", "anna"))
        case "standby", True:
            member.step(ev.StandbyOrdered(drawn.random() < 0.5, "anna"))


def mend(world):
    """Whole Links, working devices, both Nodes on: twice, since the first time one may still be fenced."""
    world.cut.clear()
    world.fence_works = True
    for seconds in (35, 15):
        for name in NAMES:
            if not world[name].is_up:
                world.boot(name)
            world[name].step(ev.StandbyOrdered(False, "anna"))
        world.run(seconds)


@pytest.mark.parametrize("seed", SEEDS)
def test_never_two_owners_and_one_again_in_the_end(seed):
    world, groups = walk(seed)
    for group in groups:
        assert len(world.owners(group.resources[0].name)) == 1


def test_a_vote_that_is_given_without_a_fence_is_found(monkeypatch):
    monkeypatch.setattr(Votes, "_given", lambda self, at_ns: frozenset(self._peers))
    with pytest.raises(AssertionError, match="is open on"):
        walk_many(20)


def walk_many(seeds):
    for seed in range(seeds):
        walk(seed)


def test_two_who_fence_each_other_at_once_serve_nobody_twice():
    world = PairWorld(fencing_pair(fencing=replace(FENCING, delay_ns=0)))
    world.run(4)
    world.separate(*NAMES)
    world.run(10)
    assert len(world.owners(VIP)) <= 1
