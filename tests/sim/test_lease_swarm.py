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

SEEDS = 200

# How many seeds, from 0 on, each planted bug needs at most: room for about three finds.
SEEDS_NEEDED = {
    "accepts-added-up": 50,
    "adopted-from-held": 12,
    "always-open": 6,
    "asks-only-once": 30,
    "ballot-again-after-restart": 20,
    "ballot-used-on": 120,
    "clock-before-packet": 60,
    "fence-as-vote": 10,
    "goodbye-before-close": 50,
    "goodbye-for-the-slow": 25,
    "late-accept-extends": 80,
    "lease-from-arrival": 20,
    "life-ignored-and-ballot-above": 450,
    "life-ignored-and-unmarked": 350,
    "no-abstention": 60,
    "no-drift-margin": 50,
    "no-floors": 50,
    "not-open-proposed-and-unmarked": 10,
    "own-vote-unasked": 10,
    "release-clears-any": 20,
    "timeout-computed-then-written": 6,
}


def test_no_seed_makes_two_owners_or_leaves_none():
    outcome = run_swarm(LeaseWorld, range(SEEDS))
    assert outcome.broken == ""
    assert outcome.seeds == SEEDS
    assert outcome.events > 1000 * SEEDS


@pytest.mark.parametrize("name", LEASE_PLANTS)
def test_planted_bug_is_found_and_the_seed_is_named(name):
    plant = lease_plant(name)
    outcome = run_swarm(lambda seed: LeaseWorld(seed, plant), range(SEEDS_NEEDED[name]))
    assert outcome.broken.startswith(f"seed {outcome.seeds - 1}, event ")


def test_every_planted_bug_has_its_bound():
    assert set(SEEDS_NEEDED) == set(LEASE_PLANTS)


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
