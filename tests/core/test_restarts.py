"""A core that restarts, stands still or cannot write: what it takes up again, and what it says of others."""

from dataclasses import replace

import pytest

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.core.voter import VoterSeat
from ha_monitor.model import Cause, Run, TransitionKind
from ha_monitor.timebase import SECOND
from tests.core.world import VIP, World, causes, command, pair, vip, www


@pytest.fixture
def world():
    world = World()
    world.run(4)
    assert world.owners() == ["pub2"]
    return world


def test_a_node_that_reset_and_has_its_group_again_does_not_call_that_planned(world):
    member = world["pub2"]
    member.open.clear()
    member.start(VoterSeat(0, member.incarnation + 7, world.now_ns + SECOND, 5, 10 * SECOND))
    world.run(1)
    told = world.transitions[-1]
    assert (told.cause, told.node_from, told.node_to) == (Cause.LEASE_LOST, "pub2", "pub2")
    assert told.kind is TransitionKind.FAILURE


def test_what_runs_here_is_no_stray_while_its_lease_is_being_taken_up_again():
    world = World(pair(www(vip(), command("db"))))
    world.run(4)
    member = world["pub2"]
    world.order("pub2", ev.StopOrdered(hands_over=False))
    world.separate("pub2", "pub3")
    world.separate("pub2", "mon")
    member.is_up = True
    member.start(member.seat)
    world.run(0.5)
    world.cut.clear()
    world.run(2)
    assert member.of(ac.StopResource) == []
    assert world.owners() == ["pub2"]


def test_a_core_that_stood_still_renews_at_once_and_does_not_say_that_it_hears_nobody(world):
    member = world["pub2"]
    member.is_up = False
    world.run(0.7)
    member.is_up = True
    said = len(member.of(ac.SendHeartbeat))
    member.step(ev.DeadlinePassed())
    heartbeats = [action.heartbeat for action in member.of(ac.SendHeartbeat)[said:]]
    assert {h.hears_incarnation for h in heartbeats} == {world["pub3"].incarnation, world["mon"].incarnation}
    assert all(heard.is_heard for h in heartbeats for heard in h.report.heard)
    end_ns = member.core.tenures["www"].seeker.end_ns
    world.run(0.01)
    assert member.core.tenures["www"].seeker.end_ns > end_ns


def test_a_core_that_stood_still_long_enough_to_call_others_silent_does_not_do_so(world):
    member = world["pub2"]
    member.is_up = False
    world.run(0.55)
    member.is_up = True
    member.step(ev.DeadlinePassed())
    assert {node.state for node in member.core.view(world.now_ns).nodes} == {"online"}


def test_a_restarted_core_adopts_what_its_voter_still_grants_and_the_address_stays_open(world):
    member = world["pub2"]
    world.order("pub2", ev.StopOrdered(hands_over=False))
    assert not member.is_up
    closed_before = len(member.of(ac.CloseAddresses))
    world.run(0.3)
    world.start_again("pub2", seat=member.seat)
    world.run(5)
    assert world.owners() == ["pub2"]
    assert len(member.of(ac.CloseAddresses)) == closed_before
    assert causes(world) == [Cause.CLUSTER_STARTED]


def test_a_core_restarted_on_a_machine_that_slept_closes_at_the_first_word_of_a_higher_epoch(world):
    """For its voter, and for its kernel, the Lease is not over yet."""
    world.order("pub2", ev.StopOrdered(hands_over=False))
    member = world["pub2"]
    world.run(4)
    assert world["pub3"].open
    memory = member.seat.memory("www")
    slept = replace(memory.accepted, expires_ns=world.now_ns + SECOND)
    member.seat._groups["www"] = replace(memory, accepted=slept)
    member.open = {VIP: "www"}
    world.check_single_owner = lambda: None
    world.start_again("pub2", seat=member.seat)
    world.run(0.25)
    assert any("taking up" in line for line in member.lines())
    assert not member.open
    assert world["pub3"].open


def test_a_restarted_core_that_could_not_renew_closes_what_the_former_one_left_at_the_end_of_its_lease(world):
    """Where the kernel enforces no Lease nobody else does."""
    world.order("pub2", ev.StopOrdered(hands_over=False))
    member = world["pub2"]
    began_ns, closed_before = world.now_ns, len(member.of(ac.CloseAddresses))
    world.separate("pub2", "pub3")
    world.separate("pub2", "mon")
    world.start_again("pub2", seat=member.seat)
    world.run(0.5)
    assert member.open, "it is being taken up"
    world.run(1)
    assert not member.open
    closed = [at_ns for at_ns, action in member.actions if isinstance(action, ac.CloseAddresses)]
    assert len(closed) == closed_before + 1
    assert closed[-1] <= began_ns + SECOND


def test_a_bid_that_failed_leaves_no_address_on_its_device(world):
    world.separate("pub2", "pub3")
    world.separate("pub2", "mon")
    member = world["pub3"]
    while not member.of(ac.AddAddresses):
        world.run(0.001)
    world.cut.clear()
    world.separate("pub3", "mon")
    world.separate("pub3", "pub2")
    world.run(3)
    assert world.owners() == ["pub2"]
    world.cut.clear()
    world.run(1)
    assert world.owners() == ["pub2"]
    kinds = [type(a) for _, a in member.actions if isinstance(a, ac.AddAddresses | ac.CloseAddresses)]
    assert kinds[-1] is ac.CloseAddresses


def test_a_restarted_core_that_came_too_late_tells_the_next_time_that_it_gets_the_group(world):
    world.order("pub2", ev.StopOrdered(hands_over=False))
    seat = world["pub2"].seat
    world["pub2"].open.clear()  # by the kernel, when its window ends
    for peer in ("pub3", "mon"):
        world.separate("pub2", peer)
    world.start_again("pub2", seat=seat)  # it prepares, and nobody hears it
    world.run(4)
    assert world.owners() == ["pub3"]
    world.cut.clear()
    world.run(2)
    world.order("pub3", ev.SwitchOrdered(1, "www", "pub2", "alice"))
    world.run(2)
    assert world.owners() == ["pub2"]
    assert causes(world)[-1] is Cause.SWITCHOVER_ORDERED


def test_a_restarted_core_that_wins_only_after_its_lease_had_ended_tells_so(world):
    world.order("pub2", ev.StopOrdered(hands_over=False))
    seat = world["pub2"].seat
    world["pub2"].open.clear()  # by the kernel, when its window ends
    for peer in ("pub3", "mon"):
        world.separate("pub2", peer)
    world.separate("pub3", "mon")
    world.start_again("pub2", seat=seat)
    world.run(4)
    assert world.owners() == []
    world.cut.clear()
    world.separate("pub2", "pub3")
    world.separate("pub3", "mon")
    world.run(4)
    assert world.owners() == ["pub2"]
    assert causes(world)[-1] is Cause.LEASE_LOST


def test_a_restarted_core_keeps_the_group_while_it_has_not_looked_at_the_service_yet():
    world = World(pair(www(vip(), command("nginx", Run.EVERYWHERE))))
    world.run(4)
    member = world["pub2"]
    world.order("pub2", ev.StopOrdered(hands_over=False))
    member.report = lambda *_, **__: None  # no probe comes back
    world.start_again("pub2", seat=member.seat)
    world.run(3)
    assert world.owners() == ["pub2"]


def test_a_stalled_node_accuses_nobody_and_closes_what_its_lease_no_longer_covers(world):
    member = world["pub2"]
    member.is_up = False
    world.run(3)
    member.open.clear()  # the kernel's window ran out
    member.is_up = True
    member.actions.clear()
    world.run(0.05)
    assert any("stalled for" in line for line in member.lines())
    assert not any("SUSPECT" in line or "LOST" in line for line in member.lines())
    assert member.of(ac.CloseAddresses)
    world.run(2)
    assert world.owners() == ["pub3"]


def test_voter_state_that_could_not_be_written_is_written_before_the_next_answer(world):
    world.run(1)
    member = world["pub3"]
    now = world.now_ns
    refused = member.core.step(ev.VoterStateSaved(False), now)
    assert not [
        a for a in refused if isinstance(a, ac.SaveVoterState)
    ]  # else it would be refused without end
    following = member.core.step(ev.DeadlinePassed(), now)
    assert isinstance(following[0], ac.SaveVoterState)
    lines = [a.line for a in (*refused, *following) if isinstance(a, ac.Log)]
    assert lines == ["the voter's state cannot be written: after a restart it abstains"]


def test_voter_state_that_changes_in_the_step_of_a_refusal_is_not_refused_without_end(world):
    """A full tmpfs, and a beat that is due while it refuses: the core once did nothing else any more."""
    world.run(1)
    member, now = world["pub3"], world.now_ns
    member.core.step(ev.VoterStateSaved(False), now)
    member.seat.note_met(0)
    assert member.seat.is_dirty
    written = member.core.step(ev.VoterStateSaved(False), now)
    assert any(isinstance(action, ac.SaveVoterState) for action in written)
    for _ in range(3):
        refused = member.core.step(ev.VoterStateSaved(False), now)
        assert not any(isinstance(action, ac.SaveVoterState) for action in refused)
