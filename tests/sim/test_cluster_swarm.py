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
from ha_monitor.sim.swarm import run_swarm
from ha_monitor.sim.told_plants import CLUSTER_PLANTS
from ha_monitor.timebase import SECOND
from tests.sim.finds import Find

SEEDS = 25

# How many seeds, from 0 on, each planted bug needs at most (room for about three finds), and who finds it.
FINDS = {
    "abstains-for-good": Find(6, "hosts answer although all is quiet"),
    "always-open": Find(4, "hold the Lease at the same instant"),
    "counts-the-former-owner": Find(12, "tells of 2 Owners of"),
    "deaf-to-higher-epochs": Find(20, "answer at the same instant"),
    "deaf-when-woken": Find(40, "woke and answers beside"),
    "exclusive-held-too-short": Find(6, "run what bears one writer"),
    "failed-fence-confirmed": Find(4, "as fenced, which runs"),
    "goodbye-before-close": Find(6, "answer at the same instant"),
    "goodbye-for-the-slow": Find(12, "hold the Lease at the same instant"),
    "guard-ends-nothing": Find(10, "run what bears one writer"),
    "kernel-never-opens": Find(4, "hosts answer although all is quiet"),
    "no-abstention": Find(80, "run what bears one writer"),
    "opens-when-armed": Find(4, "without its Lease"),
    "own-vote-unasked": Find(10, "which is no majority"),
    "ping-unanswered": Find(60, "won it alone and reaches no target"),
    "ping-while-heard": Find(6, "won it alone and hears"),
    "release-clears-any": Find(60, "hold the Lease at the same instant"),
    "reporter-speaks-on": Find(10, "speaks for the cluster without the reporter's Lease"),
    "restarts-as-it-was": Find(4, "has not taken up the changed configuration"),
    "shouting": Find(4, "packets in a beat"),
    "starts-when-armed": Find(4, "without its group's Lease"),
    "starts-without-order": Find(15, "is up"),
    "stops-without-order": Find(10, "is still up"),
    "tells-closed": Find(12, "is closed while its kernel answers for it"),
    "tells-the-next-epoch": Find(4, "tells of an Owner that there was not"),
    "tells-the-preferred": Find(12, "which it does not"),
    "timeout-written-late": Find(6, "answer at the same instant"),
    "writes-without-end": Find(4, "does not come to rest"),
}


def test_no_seed_makes_two_owners_or_leaves_none():
    outcome = run_swarm(SwarmWorld, range(SEEDS))
    assert outcome.broken == ""
    assert outcome.seeds == SEEDS
    assert outcome.events > 3000 * SEEDS


@pytest.mark.parametrize("name", CLUSTER_PLANTS)
def test_planted_bug_is_found_and_the_seed_is_named(name):
    find = FINDS[name]
    outcome = run_swarm(lambda seed: SwarmWorld(seed, CLUSTER_PLANTS[name]), range(find.seeds_max))
    assert outcome.broken.startswith(f"seed {outcome.seeds - 1}, event ")
    assert find.sentence in outcome.broken


def test_every_planted_bug_has_its_bound():
    assert set(FINDS) == set(CLUSTER_PLANTS)


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
