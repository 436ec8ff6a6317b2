"""The other modes: ping is best effort and says so, a majority of Nodes needs nobody, one Node is alone."""

import ipaddress

import pytest

from ha_monitor.core import events as ev
from ha_monitor.core.quorum import NO_TARGET, PROMISES, Targets, protection_now
from ha_monitor.model import ClusterConfig, Protection, Quorum
from ha_monitor.timebase import MS, SECOND
from tests.core.pairs import PairWorld, ping_pair
from tests.core.world import World, pair, vip, voter, www

KERNEL = (Protection.KERNEL_LEASE, "")


def nodes(count):
    names = [f"n{n}" for n in range(1, count + 1)]
    voters = tuple(voter(i, name, lan=f"192.0.2.{11 + i}") for i, name in enumerate(names))
    return ClusterConfig("web", voters, None, (with_prefer(*names),), digest="d")


def with_prefer(*names):
    group = www(vip())
    return type(group)(group.name, names, group.resources)


class Nodes(World):
    """No Witness: every voter is a Node with services."""


@pytest.fixture
def ping():
    """A pair in mode ping, pub2 the Owner."""
    world = PairWorld(ping_pair())
    world.run(4)
    assert world.owners() == ["pub2"]
    return world


# ping


def test_who_reaches_the_target_takes_over_from_a_dead_owner(ping):
    ping.power_off("pub2")
    ping.run(1.9)
    assert ping.owners() == []
    ping.run(1)
    assert ping.owners() == ["pub3"]


def test_who_reaches_no_target_takes_nothing_over(ping):
    ping.reaching = set()
    ping.power_off("pub2")
    ping.run(30)
    assert ping.owners() == []


def test_an_owner_that_is_cut_off_from_everything_gives_up_before_the_other_begins(ping):
    ping.separate("pub2", "pub3")
    ping.reaching = {"pub3"}
    ping.run(10)  # check_single_owner looked at every step
    assert ping.owners() == ["pub3"]


def test_the_owner_serves_on_when_only_the_other_is_cut_off(ping):
    ping.separate("pub2", "pub3")
    ping.reaching = {"pub2"}
    ping.run(10)
    assert ping.owners() == ["pub2"]


def test_the_death_of_the_other_one_is_no_gap_for_the_owner(ping):
    before = len(ping["pub2"].of(type(None))) + sum("closed here" in line for line in ping["pub2"].lines())
    ping.power_off("pub3")
    ping.run(10)
    assert ping.owners() == ["pub2"]
    assert sum("closed here" in line for line in ping["pub2"].lines()) == before


def test_both_serve_when_both_reach_the_target_and_not_each_other(ping):
    """What this mode cannot do. After healing the higher Epoch stays, without a gap of its own."""
    ping.may_double = True
    ping.separate("pub2", "pub3")
    ping.run(5)
    assert ping.owners() == ["pub2", "pub3"]
    ping.cut.clear()
    ping.run(1)
    assert ping.owners() == ["pub3"]
    ping.may_double = False
    closed = sum("closed here" in line for line in ping["pub3"].lines())
    ping.run(5)
    assert ping.owners() == ["pub3"]
    assert sum("closed here" in line for line in ping["pub3"].lines()) == closed


def test_the_owner_hands_over_to_the_one_that_reaches_the_target(ping):
    ping.reaching = {"pub3"}
    ping.run(9)
    assert ping.owners() == ["pub3"]


def test_nothing_moves_when_the_target_itself_is_dead(ping):
    ping.reaching = set()
    ping.run(30)
    assert ping.owners() == ["pub2"]
    assert ping["pub3"].group.eligible_reason == NO_TARGET


def test_a_pair_starts_without_any_target_as_long_as_both_are_here():
    world = PairWorld(ping_pair())
    world.reaching = set()
    world.run(20)
    assert world.owners() == ["pub2"]


def test_a_worker_that_restarts_moves_nothing(ping):
    moves = ping["pub3"].group.moves_1h
    ping.reaching = set()
    ping.run(2)
    ping.reaching = {"pub2", "pub3"}
    ping.run(2)
    assert ping.owners() == ["pub2"]
    assert ping["pub3"].group.moves_1h == moves


def test_a_node_that_boots_alone_waits_for_the_other_before_it_starts():
    world = PairWorld(ping_pair())
    world["pub3"].is_up = False
    world.run(4.5)
    assert world.owners() == []
    world.run(2)
    assert world.owners() == ["pub2"]


def test_ping_is_always_best_effort_and_the_cluster_never_plainly_ok(ping):
    view = ping["pub2"].core.view(ping.now_ns)
    assert view.protection == Protection.BEST_EFFORT
    assert view.state == "degraded"
    assert "both Nodes serve" in view.state_reason
    assert (view.ping_reached, view.ping_targets) == (1, 1)


def test_an_answer_counts_for_three_quarters_of_a_lease():
    targets = Targets(1, 1, SECOND)
    assert targets.are_reached(SECOND, SECOND + 749 * MS)
    assert not targets.are_reached(SECOND, SECOND + 750 * MS)
    assert not Targets().are_reached(SECOND, 0)


# majority


@pytest.mark.parametrize(("count", "may_die"), [(3, 1), (4, 1), (5, 2), (7, 3)])
def test_a_majority_of_nodes_goes_on_and_a_minority_does_not(count, may_die):
    world = Nodes(nodes(count))
    world.run(8)
    assert world.owners() == ["n1"]
    for dead in range(1, may_die + 1):
        world.power_off(f"n{dead}")
    world.run(8)
    assert world.owners() == [f"n{may_die + 1}"]
    world.power_off(f"n{may_die + 1}")
    world.run(8)
    assert world.owners() == []


def test_no_vote_is_given_in_a_majority():
    world = Nodes(nodes(3))
    world.run(4)
    world["n3"].step(ev.StopOrdered(True))
    world.run(4)
    assert not any(m.core.situation.votes.standing.given for m in world.members)
    assert not any(m.core.situation.votes.standing.kept for m in world.members)


# single


def test_one_node_serves_alone_and_nothing_is_at_risk():
    world = Nodes(nodes(1))
    world.run(4)
    assert world.owners() == ["n1"]
    view = world["n1"].core.view(world.now_ns)
    assert (view.state, view.quorum, view.protection) == ("ok", "single", Protection.KERNEL_LEASE)
    assert view.protection_detail == "one Node, nobody takes over"


# the fact


@pytest.mark.parametrize(
    ("mode", "kernel", "broken", "level"),
    [
        (Quorum.WITNESS, KERNEL, "", Protection.KERNEL_LEASE),
        (Quorum.MAJORITY, (Protection.USER_SPACE_LEASE, "no nftables"), "", Protection.USER_SPACE_LEASE),
        (Quorum.FENCING, KERNEL, "", Protection.FENCING),
        (Quorum.FENCING, (Protection.USER_SPACE_LEASE, "no nftables"), "", Protection.FENCING),
        (Quorum.FENCING, KERNEL, "off line", Protection.KERNEL_LEASE),
        (Quorum.FENCING, (Protection.USER_SPACE_LEASE, ""), "off line", Protection.USER_SPACE_LEASE),
        (Quorum.PING, KERNEL, "", Protection.BEST_EFFORT),
        (Quorum.SINGLE, KERNEL, "", Protection.KERNEL_LEASE),
    ],
)
def test_protection_is_what_the_mode_and_the_kernel_give(mode, kernel, broken, level):
    told_level, told = protection_now(mode, kernel, broken)
    assert told_level == level
    assert PROMISES[mode] in told or told.endswith(broken)
    if mode is not Quorum.FENCING:
        assert kernel[1] in told


def test_each_mode_promises_something_of_its_own():
    assert set(PROMISES) == set(Quorum)
    assert len(set(PROMISES.values())) == len(PROMISES)


def test_a_mode_is_derived_where_none_is_named():
    assert pair().quorum is Quorum.WITNESS
    assert nodes(3).quorum is Quorum.MAJORITY
    assert nodes(1).quorum is Quorum.SINGLE
    assert ipaddress.ip_address("192.0.2.1") in ping_pair().ping
