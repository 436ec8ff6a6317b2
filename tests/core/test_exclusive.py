"""Exclusive groups in a pair and a Witness: data that bears one writer is never written by two."""

from __future__ import annotations

import pytest

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.core.voter import VoterSeat
from ha_monitor.messages import Accept, Prepare, Promise, Propose, Release
from ha_monitor.model import Ballot, GroupState, ResourceState
from ha_monitor.timebase import MS, SECOND
from tests.core.world import VIP, World, command, pair, vip, www

STOP_WITHIN = 3 * SECOND
RUNNING = ResourceState.RUNNING


def exclusive_world():
    group = www(command("fs"), command("db"), vip(), exclusive=True, stop_within_ns=STOP_WITHIN)
    world = World(pair(group))
    world.run(2)
    return world


def writers(world):
    return [m.core.situation.me.name for m in world.members if m.services.get("db") is RUNNING]


def run_with_one_writer(world, seconds):
    for _ in range(int(seconds * 100)):
        world.run(0.01)
        assert len(writers(world)) <= 1


def first_start_on(world, name, resource="db"):
    return next(
        at for at, a in world[name].actions if isinstance(a, ac.StartResource) and a.resource == resource
    )


@pytest.fixture
def world():
    return exclusive_world()


def test_nothing_starts_before_the_guard_watches(world):
    actions = [a for _, a in world["pub2"].actions]
    asked = next(i for i, a in enumerate(actions) if isinstance(a, ac.GuardGroup) and a.is_new)
    started = next(i for i, a in enumerate(actions) if isinstance(a, ac.StartResource))
    assert asked < started
    assert writers(world) == ["pub2"]
    assert world.owners() == ["pub2"]


def test_the_guard_is_told_of_every_renewal(world):
    before = world["pub2"].watched["www"]
    world.run(1)
    assert world["pub2"].watched["www"] >= before + 900 * MS


def test_a_taker_waits_for_the_lease_and_stop_within_when_the_owner_vanishes(world):
    gone_ns = world.now_ns
    world.power_off("pub2")
    world["pub2"].services.clear()  # its programs went with its power
    run_with_one_writer(world, 6)
    assert writers(world) == ["pub3"]
    waited_ns = first_start_on(world, "pub3") - gone_ns
    lease_ns = world.config.timing.lease_ns
    assert lease_ns - 100 * MS + STOP_WITHIN <= waited_ns <= lease_ns + STOP_WITHIN + SECOND


def test_a_dead_core_whose_guard_ended_the_group_is_not_waited_for_less(world):
    world["pub2"].is_up = False  # the guard lives, ends the group, and cannot speak to voters
    run_with_one_writer(world, 6)
    assert writers(world) == ["pub3"]


def test_an_owner_that_lost_the_majority_releases_once_its_guard_has_ended_the_group(world):
    cut_ns = world.now_ns
    world.separate("pub2", "pub3")
    world.separate("pub2", "mon")
    run_with_one_writer(world, 1.5)
    assert writers(world) == []
    assert world["pub2"].core.tenures["www"].runner.state is GroupState.STOPPED
    world.cut.clear()
    run_with_one_writer(world, 2)
    starts = [at for m in world.members for at, a in m.actions if isinstance(a, ac.StartResource)]
    assert max(starts) < cut_ns + world.config.timing.lease_ns + STOP_WITHIN, "the release ended the hold"
    assert len(writers(world)) == 1


def test_without_a_lease_only_the_guard_stops(world):
    before = len(world["pub2"].of(ac.StopResource))
    world.separate("pub2", "pub3")
    world.separate("pub2", "mon")
    run_with_one_writer(world, 3)
    assert len(world["pub2"].of(ac.StopResource)) == before
    assert world["pub2"].of(ac.EndGroup)


def test_a_switchover_releases_only_after_the_proof(world):
    world.order("pub2", ev.SwitchOrdered(1, "www", "pub3", "root"))
    ordered_ns = world.now_ns
    run_with_one_writer(world, 1)
    assert writers(world) == ["pub3"]
    assert first_start_on(world, "pub3") < ordered_ns + 500 * MS
    assert world["pub2"].of(ac.EndGroup)


def test_a_group_that_the_guard_cannot_end_is_blocked_and_never_released(world):
    world["pub2"].guard_fails.add("www")
    world.order("pub2", ev.SwitchOrdered(1, "www", "pub3", "root"))
    run_with_one_writer(world, 8)
    assert world["pub2"].core.tenures["www"].runner.state is GroupState.BLOCKED
    assert not world["pub3"].of(ac.StartResource)


def test_a_failed_stop_is_finished_by_the_guard_and_the_group_moves(world):
    world["pub2"].stop_fails.add("db")
    world.order("pub2", ev.SwitchOrdered(1, "www", "pub3", "root"))
    run_with_one_writer(world, 2)
    assert writers(world) == ["pub3"]


def test_without_its_guard_a_node_lets_go_but_releases_nothing(world):
    world["pub2"].has_guard = False
    gone_ns = world.now_ns
    world.order("pub2", ev.StopOrdered(hands_over=True))
    run_with_one_writer(world, 6)
    assert not world["pub2"].is_up
    assert writers(world) == ["pub3"]
    assert first_start_on(world, "pub3") >= gone_ns + STOP_WITHIN


def test_without_its_guard_a_lease_that_was_lost_meanwhile_is_not_released_either(world):
    pub2 = world["pub2"]
    pub2.guard_fails.add("www")
    world.order("pub2", ev.SwitchOrdered(1, "www", "pub3", "root"))
    world.run(0.2)
    world.separate("pub2", "pub3")
    world.separate("pub2", "mon")
    world.run(1.5)
    assert pub2.services["db"] is ResourceState.STOPPED, "by the worker; the guard has proved nothing"
    world.order("pub2", ev.GroupEnded("www", False, "the guard is gone", is_guard_gone=True))
    world.run(0.5)
    said = [m for a in pub2.of(ac.SendHeartbeat) for m in a.heartbeat.messages]
    assert not [m for m in said if isinstance(m, Release) and m.group == "www"]


def test_a_confirmed_fence_ends_the_hold(world):
    life = world["pub2"].incarnation
    world.power_off("pub2")
    world["pub2"].services.clear()
    fenced_ns = world.now_ns
    world["pub3"].core.fences.end_life(0, life, fenced_ns)
    run_with_one_writer(world, 1)
    assert writers(world) == ["pub3"]
    assert first_start_on(world, "pub3") < fenced_ns + 500 * MS


def test_a_fence_of_an_earlier_life_ends_nothing(world):
    world["pub3"].core.fences.end_life(0, world["pub2"].incarnation - 1, world.now_ns)
    run_with_one_writer(world, 1)
    assert writers(world) == ["pub2"]
    assert not world["pub3"].of(ac.StartResource)


def test_what_the_guard_ended_unasked_is_started_again_under_the_lease_that_still_holds(world):
    world["pub2"].end("www")
    run_with_one_writer(world, 1)
    assert writers(world) == ["pub2"]
    assert len([a for a in world["pub2"].of(ac.StartResource) if a.resource == "db"]) == 2


def test_a_stray_is_ended_by_the_guard(world):
    asked = len(world["pub3"].of(ac.EndGroup))
    world["pub3"].services["db"] = RUNNING
    world["pub3"].report("www", "db")
    world.run(1)
    assert len(world["pub3"].of(ac.EndGroup)) == asked + 1
    assert writers(world) == ["pub2"]


def test_a_restarted_core_takes_the_group_up_without_touching_it(world):
    starts = len(world["pub2"].of(ac.StartResource))
    world.order("pub2", ev.StopOrdered(hands_over=False))
    world.start_again("pub2", seat=world["pub2"].seat)
    run_with_one_writer(world, 2)
    assert len(world["pub2"].of(ac.StartResource)) == starts
    assert world.owners(VIP) == ["pub2"]


def test_voters_hold_it_for_the_lease_and_stop_within():
    config = pair(www(command("db"), exclusive=True, stop_within_ns=STOP_WITHIN))
    seat = VoterSeat(2, 7, 0, 1, config.longest_hold_ns)
    ballot = Ballot(10, 0, 99)
    assert isinstance(seat.answer(0, Prepare("www", ballot), 1), Promise)
    hold_ns = config.hold_ns(config.groups[0])
    assert isinstance(seat.answer(0, Propose("www", ballot, 1, 7, hold_ns), 1), Accept)
    assert seat.held("www", config.timing.lease_ns + STOP_WITHIN)
    assert not seat.held("www", config.timing.lease_ns + STOP_WITHIN + 1)
    assert seat.answer(0, Propose("www", ballot, 2, 7, hold_ns + 1), 2) is None, "longer than configured"


def test_a_group_that_is_not_exclusive_asks_nothing_of_the_guard():
    world = World(pair(www(command("db"), vip())))
    world.run(2)
    world.order("pub2", ev.SwitchOrdered(1, "www", "pub3", "root"))
    world.run(2)
    assert not [m for m in world.members if m.of(ac.GuardGroup) or m.of(ac.EndGroup)]
