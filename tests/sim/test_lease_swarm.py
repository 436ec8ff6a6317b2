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
    "accepts-added-up": 60,
    "adopted-from-held": 20,
    "always-open": 10,
    "asks-only-once": 20,
    "ballot-again-after-restart": 40,
    "ballot-used-on": 400,
    "clock-before-packet": 200,
    "fence-as-vote": 20,
    "goodbye-before-close": 150,
    "goodbye-for-the-slow": 20,
    "late-accept-extends": 150,
    "lease-from-arrival": 60,
    "life-ignored-and-ballot-above": 400,
    "life-ignored-and-unmarked": 150,
    "no-abstention": 60,
    "no-drift-margin": 400,
    "no-floors": 40,
    "not-open-proposed-and-unmarked": 20,
    "own-vote-unasked": 20,
    "release-clears-any": 20,
    "timeout-computed-then-written": 40,
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
    command = f"ha-monitor simulate --world lease --seed {outcome.seeds - 1} --plant {name}"
    assert outcome.broken.endswith(command)


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
    known = (LeaseWorld(seed).climate.faults for seed in range(30))
    assert set(itertools.chain.from_iterable(known)) == set(FAULTS)


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
