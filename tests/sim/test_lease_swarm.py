"""The Lease under every fault: no seed breaks it, and every planted bug is found within a bounded number."""

import itertools

import pytest

from ha_monitor.sim.checks import (
    EpochCheck,
    LivenessBroken,
    SafetyBroken,
    check_owner_everywhere,
    check_single_answer,
    check_single_lease,
)
from ha_monitor.sim.lease_world import FAULTS, LeaseWorld
from ha_monitor.sim.plants import LEASE_PLANTS, lease_plant
from ha_monitor.sim.swarm import run_swarm
from tests.sim.finds import Find

SEEDS = 200

# How many seeds, from 0 on, each planted bug needs at most (room for about three finds), and who finds it.
FINDS = {
    "accepts-added-up": Find(50, "hold the Lease at the same instant"),
    "adopted-from-held": Find(12, "hold the Lease at the same instant"),
    "always-open": Find(6, "hold the Lease at the same instant"),
    "asks-only-once": Find(30, "hosts answer although all is quiet"),
    "ballot-again-after-restart": Find(20, "was won after"),
    "ballot-used-on": Find(120, "hold the Lease at the same instant"),
    "clock-before-packet": Find(60, "answer at the same instant"),
    "fence-as-vote": Find(10, "was won after"),
    "goodbye-before-close": Find(50, "answer at the same instant"),
    "goodbye-for-the-slow": Find(25, "hold the Lease at the same instant"),
    "late-accept-extends": Find(80, "hold the Lease at the same instant"),
    "lease-from-arrival": Find(20, "hold the Lease at the same instant"),
    "life-ignored-and-ballot-above": Find(450, "hold the Lease at the same instant"),
    "life-ignored-and-unmarked": Find(350, "hold the Lease at the same instant"),
    "no-abstention": Find(60, "hold the Lease at the same instant"),
    "no-drift-margin": Find(50, "hold the Lease at the same instant"),
    "no-floors": Find(50, "was won after"),
    "not-open-proposed-and-unmarked": Find(10, "hold the Lease at the same instant"),
    "own-vote-unasked": Find(10, "hold the Lease at the same instant"),
    "release-clears-any": Find(20, "hold the Lease at the same instant"),
    "timeout-computed-then-written": Find(6, "answer at the same instant"),
}


def test_no_seed_makes_two_owners_or_leaves_none():
    outcome = run_swarm(LeaseWorld, range(SEEDS))
    assert outcome.broken == ""
    assert outcome.seeds == SEEDS
    assert outcome.events > 1000 * SEEDS


@pytest.mark.parametrize("name", LEASE_PLANTS)
def test_planted_bug_is_found_and_the_seed_is_named(name):
    plant = lease_plant(name)
    outcome = run_swarm(lambda seed: LeaseWorld(seed, plant), range(FINDS[name].seeds_max))
    assert outcome.broken.startswith(f"seed {outcome.seeds - 1}, event ")
    assert FINDS[name].sentence in outcome.broken


def test_every_planted_bug_has_its_bound():
    assert set(FINDS) == set(LEASE_PLANTS)


def test_same_seed_lives_the_same_life():
    def live(seed):
        lines = []
        world = LeaseWorld(seed)
        world.trace = lines.append
        world.play()
        return lines

    assert live(4) == live(4) != live(5)


def test_worlds_of_the_swarm_know_every_fault():
    known = ((fault.kind for fault in LeaseWorld(seed).faults) for seed in range(30))
    assert set(itertools.chain.from_iterable(known)) == {*FAULTS, "weather", "stumble", "replay"}


@pytest.mark.parametrize("check", [check_single_answer, check_single_lease])
def test_checker_names_who_is_double(check):
    check({"www": ["a"], "db": []})
    with pytest.raises(SafetyBroken, match=r"www: .*a and b"):
        check({"www": ["a", "b"]})


def test_checker_sees_an_epoch_that_does_not_rise():
    check = EpochCheck()
    check.won("www", (5, 0, 1))
    check.won("db", (4, 0, 1))
    with pytest.raises(SafetyBroken, match="www"):
        check.won("www", (5, 0, 1))


@pytest.mark.parametrize("hosts", [[], ["a", "b"]])
def test_quiet_world_needs_exactly_one_owner(hosts):
    with pytest.raises(LivenessBroken, match=f"{len(hosts)} hosts answer"):
        check_owner_everywhere({"www": hosts})
