"""The whole core on the real wire under every fault: no seed breaks it, planted bugs are found."""

import contextlib
import itertools

import pytest

from ha_monitor.core import actions as ac
from ha_monitor.model import NO_BALLOT, Quorum
from ha_monitor.sim.cast import pair, queue
from ha_monitor.sim.checks import SafetyBroken
from ha_monitor.sim.cluster_swarm import EFFECTS, SwarmWorld
from ha_monitor.sim.cluster_world import ClusterWorld
from ha_monitor.sim.mode_plants import CLUSTER_PLANTS
from ha_monitor.sim.swarm import run_swarm
from ha_monitor.timebase import SECOND

SEEDS = 25

# How many seeds, from 0 on, each planted bug needs at most: room for about three finds.
SEEDS_NEEDED = {
    "abstains-for-good": 6,
    "always-open": 4,
    "deaf-to-higher-epochs": 20,
    "deaf-when-woken": 40,
    "exclusive-held-too-short": 6,
    "failed-fence-confirmed": 4,
    "goodbye-before-close": 6,
    "goodbye-for-the-slow": 12,
    "guard-ends-nothing": 10,
    "kernel-never-opens": 4,
    "no-abstention": 80,
    "own-vote-unasked": 10,
    "ping-unanswered": 60,
    "release-clears-any": 60,
    "reporter-speaks-on": 10,
    "shouting": 4,
    "starts-without-order": 15,
    "stops-without-order": 10,
    "timeout-written-late": 6,
    "writes-without-end": 4,
}


def test_no_seed_makes_two_owners_or_leaves_none():
    outcome = run_swarm(SwarmWorld, range(SEEDS))
    assert outcome.broken == ""
    assert outcome.seeds == SEEDS
    assert outcome.events > 3000 * SEEDS


@pytest.mark.parametrize("name", CLUSTER_PLANTS)
def test_planted_bug_is_found_and_the_seed_is_named(name):
    outcome = run_swarm(lambda seed: SwarmWorld(seed, CLUSTER_PLANTS[name]), range(SEEDS_NEEDED[name]))
    assert outcome.broken.startswith(f"seed {outcome.seeds - 1}, event ")


def test_every_planted_bug_has_its_bound():
    assert set(SEEDS_NEEDED) == set(CLUSTER_PLANTS)


def test_same_seed_lives_the_same_life():
    def live(seed):
        lines = []
        world = SwarmWorld(seed, CLUSTER_PLANTS["goodbye-before-close"])
        world.trace = lines.append
        with contextlib.suppress(SafetyBroken):
            world.play()
        return lines

    assert live(0) == live(0) != live(1)


def test_worlds_of_the_swarm_know_every_fault():
    known = ((fault.kind for fault in SwarmWorld(seed).faults) for seed in range(200))
    assert set(itertools.chain.from_iterable(known)) == set(EFFECTS)


def test_worlds_of_the_swarm_have_every_shape():
    shapes = [SwarmWorld(seed).shape for seed in range(200)]
    assert {shape.nodes for shape in shapes} == {1, 2, 3, 5}
    assert {len(shape.groups) for shape in shapes} >= {1, 2, 3, 4, 8}
    assert {shape.has_witness for shape in shapes if shape.nodes == 3} == {True, False}
    assert {len({group.prefer[0] for group in shape.groups}) > 1 for shape in shapes} == {True, False}


def test_worlds_of_the_swarm_have_every_quorum_mode_and_fence_devices_beside_a_witness_too():
    shapes = [SwarmWorld(seed).shape for seed in range(200)]
    assert {shape.config().quorum for shape in shapes} == set(Quorum)
    assert any(shape.fencing for shape in shapes if shape.has_witness)
    assert all(shape.fencing for shape in shapes if shape.quorum == "fencing")
    assert {shape.has_data for shape in shapes if shape.quorum == "fencing"} == {True, False}


def test_wall_clocks_of_hosts_differ_from_the_beginning():
    differences = [
        max(host.wall_ns() for host in world.hosts) - min(host.wall_ns() for host in world.hosts)
        for world in map(SwarmWorld, range(40))
    ]
    assert 0 in differences
    assert any(0 < ns < SECOND for ns in differences)
    assert any(ns > SECOND for ns in differences)


def test_two_that_are_both_strangers_to_each_other_do_not_storm():
    """Late packets of old lives once made both only greet, 100 000 packets a second."""
    world = SwarmWorld(2, CLUSTER_PLANTS["no-abstention"])
    world.play()
    assert world.events < 50_000


def test_checkers_see_a_service_that_starts_without_the_lease_or_before_its_address():
    world = ClusterWorld(pair(queue()))
    world.begin()
    action = ac.StartResource("queue", "worker", 1, NO_BALLOT)
    with pytest.raises(SafetyBroken, match="without its group's Lease"):
        world.check_decided(world["pub2"], [action])
    with pytest.raises(SafetyBroken, match="before"):
        world.check_order(world["pub2"], action)
