"""Mode `ping` in the simulated world: two Owners while nobody can tell, one again at the first packet."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from ha_monitor.model import Ballot, Quorum
from ha_monitor.sim.cast import LINKS, pair
from ha_monitor.sim.checks import SafetyBroken, check_single_answer
from ha_monitor.sim.cluster_world import ClusterWorld
from ha_monitor.sim.pinging import TARGET
from ha_monitor.timebase import SECOND


@pytest.fixture
def world():
    config = replace(pair(), witness=None, quorum=Quorum.PING, ping=(ip_address("192.0.2.1"),))
    world = ClusterWorld(config)
    world.begin()
    world.run(5 * SECOND)
    world.check_everyone_served()
    return world


def separate(world):
    world.network.cut |= {(*ends, link) for ends in ((0, 1), (1, 0)) for link in LINKS}


def everybody(world):
    return sorted({host for hosts in world.answering().values() for host in hosts})


def test_both_own_while_they_reach_the_target_and_not_each_other_and_one_is_left_out(world):
    separate(world)
    world.run(10 * SECOND)
    assert everybody(world) == ["pub2", "pub3"]
    check_single_answer(world.leases.without_woken(world.answering()))
    world.network.cut.clear()
    world.run(world.config.timing.interval_ns + SECOND // 10)
    assert len(everybody(world)) == 1
    assert not any(host.woken for host in world.nodes)


def test_who_reaches_no_target_does_not_win_alone(world):
    separate(world)
    world.network.cut.add((1, TARGET, LINKS[0]))
    world.run(10 * SECOND)
    assert everybody(world) == ["pub2"]


def test_checker_sees_who_wins_alone_although_the_other_one_is_heard(world):
    with pytest.raises(SafetyBroken, match="won it alone and hears pub2"):
        world.pinging.won_alone(world["pub3"], "www", Ballot(9, 1, 1))


def test_checker_sees_who_wins_alone_without_a_target(world):
    separate(world)
    world.network.cut.add((1, TARGET, LINKS[0]))
    world.run(10 * SECOND)
    with pytest.raises(SafetyBroken, match="won it alone and reaches no target"):
        world.pinging.won_alone(world["pub3"], "www", Ballot(9, 1, 1))
