"""The whole core among its like: what an operator would tell, in a small world without faults of its own."""

from dataclasses import replace

import pytest

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.core.voter import VoterSeat
from ha_monitor.messages import Accept, MaintenanceNote, Prepare, Propose
from ha_monitor.model import Ballot, Cause, Failback, FailbackKind, ResourceState, Run, TransitionKind
from ha_monitor.timebase import MS, SECOND
from tests.core.world import VIP, World, command, pair, vip, with_failback, www


@pytest.fixture
def world():
    world = World()
    world.run(4)
    assert world.owners() == ["pub2"]
    return world


def causes(world):
    return [t.cause for t in world.transitions]


def test_first_start_goes_to_the_preferred_node_and_says_so(world):
    told = world.transitions[0]
    assert (told.cause, told.node_from, told.node_to) == (Cause.CLUSTER_STARTED, "", "pub2")
    assert told.sentence == "pub2 started www: nobody owned it"


def test_the_grace_of_a_first_start_begins_when_voters_no_longer_abstain():
    world = World(pair(www(vip(), command("nginx", Run.EVERYWHERE))))
    world["pub2"].services["nginx"] = ResourceState.STARTING
    world.forget()
    for member in world.members:
        until_ns = world.now_ns + 5 * SECOND
        member.start(VoterSeat(member.index, member.incarnation + 7, until_ns, 5, 10 * SECOND))
    member = world["pub2"]
    world.run(6.5)
    assert world.owners() == []
    member.services["nginx"] = ResourceState.RUNNING
    member.report("www", "nginx")
    world.run(0.5)
    assert world.owners() == ["pub2"]


def test_a_preferred_node_that_was_never_heard_is_waited_for_although_it_counts_as_lost():
    world = World()
    world["pub2"].is_up = False
    world.run(2.9)
    assert world["pub3"].core.view(world.now_ns).nodes[0].state == "lost"
    assert world.owners() == []
    world.run(0.3)
    assert world.owners() == ["pub3"]


def test_a_node_that_reset_and_has_its_group_again_does_not_call_that_planned(world):
    member = world["pub2"]
    member.open.clear()
    member.start(VoterSeat(0, member.incarnation + 7, world.now_ns + SECOND, 5, 10 * SECOND))
    world.run(1)
    told = world.transitions[-1]
    assert (told.cause, told.node_from, told.node_to) == (Cause.LEASE_LOST, "pub2", "pub2")
    assert told.kind is TransitionKind.FAILURE


def test_when_all_voters_stop_abstaining_the_preferred_node_asks_first():
    world = World()
    until_ns = world.now_ns + 5 * SECOND

    def start(name):
        member = world[name]
        member.is_up = True
        member.start(VoterSeat(member.index, member.incarnation + 7, until_ns, 5, 10 * SECOND))

    start("pub2")
    start("mon")
    world["pub3"].is_up = False
    world.run(2)
    start("pub3")  # it was told of a shorter wait, so its slack for the clocks' rates is shorter too
    world.run(4)
    assert world.owners() == ["pub2"]


def test_a_healthy_pair_is_ok_for_every_voter(world):
    for member in world.members:
        view = member.core.view(world.now_ns)
        assert (view.state, view.state_reason) == ("ok", "")
        assert view.groups[0].owner == "pub2"
        assert view.groups[0].candidates == ("pub3",)
        assert {link.state for link in view.links} == {"up"}
        assert max(link.loss_pct for link in view.links) == 0


def test_power_off_is_taken_over_when_the_lease_is_over_and_not_before(world):
    world.power_off("pub2")
    world.run(0.85)
    assert world.owners() == []
    world.run(0.25)
    assert world.owners() == ["pub3"]
    told = world.transitions[-1]
    assert (told.cause, told.kind) == (Cause.NODE_SILENT, TransitionKind.FAILURE)
    assert told.sentence.startswith("pub3 took over www: pub2 was heard on no Link for ")
    assert dict(told.phases_ns)["total"] < 1_100 * MS


def test_a_node_that_returns_takes_nothing_back_by_default(world):
    world.power_off("pub2")
    world.run(3)
    world.start_again("pub2")
    world.run(20)
    assert world.owners() == ["pub3"]
    assert not world["pub3"].group.failback_pending


def test_failback_after_waits_until_the_preferred_node_was_ready_that_long():
    group = with_failback(www(), Failback(FailbackKind.AFTER, after_ns=5 * SECOND))
    world = World(pair(group))
    world.run(4)
    world.power_off("pub2")
    world.run(3)
    world.start_again("pub2")
    world.run(4.5)
    assert world.owners() == ["pub3"]
    assert world["pub3"].group.failback_pending
    world.run(1.5)
    assert world.owners() == ["pub2"]
    assert (causes(world)[-1], world.transitions[-1].kind) == (Cause.FAILBACK, TransitionKind.FAILBACK)


def test_failback_between_waits_for_the_window_that_the_shell_reports():
    group = with_failback(www(), Failback(FailbackKind.BETWEEN, window=(120, 300)))
    world = World(pair(group))
    world.run(4)
    world.power_off("pub2")
    world.run(3)
    world.start_again("pub2")
    world.run(10)
    assert world.owners() == ["pub3"]
    world.order("pub3", ev.FailbackWindowChanged("www", True))
    world.run(2)
    assert world.owners() == ["pub2"]


def test_what_an_operator_switched_does_not_go_back_by_itself():
    group = with_failback(www(), Failback(FailbackKind.AFTER, after_ns=5 * SECOND))
    world = World(pair(group))
    world.run(4)
    world.order("pub2", ev.SwitchOrdered(1, "www", "pub3", "alice"))
    world.run(30)
    assert world.owners() == ["pub3"]
    assert world["pub3"].group.explain[-1].startswith("An operator put it on pub3")


def test_losing_the_witness_moves_nothing(world):
    world.power_off("mon")
    world.run(30)
    assert world.owners() == ["pub2"]
    assert causes(world) == [Cause.CLUSTER_STARTED]
    assert world["pub2"].core.view(world.now_ns).state == "degraded"


def test_nodes_that_do_not_hear_each_other_leave_the_group_where_the_witness_renews_it(world):
    world.separate("pub2", "pub3")
    world.run(10)
    assert world.owners() == ["pub2"]
    assert world["pub3"].group.owner == "pub2"
    world.cut.clear()
    world.run(2)
    assert causes(world) == [Cause.CLUSTER_STARTED]


def test_an_owner_cut_from_everybody_closes_before_the_other_opens(world):
    world.separate("pub2", "pub3")
    world.separate("pub2", "mon")
    world.run(3)
    assert world.owners() == ["pub3"]
    assert any("closed here (lease-lost)" in line for line in world["pub2"].lines())
    world["pub3"].actions.clear()
    world.cut.clear()
    world.run(1)
    assert world.owners() == ["pub3"]
    assert world["pub3"].of(ac.Announce)  # whoever was cut off may have a stale neighbour entry


def test_switch_moves_the_group_with_its_cause_and_within_milliseconds(world):
    world.order("mon", ev.SwitchOrdered(1, "www", "pub3", "alice"))
    world.run(0.05)
    assert world.owners() == ["pub3"]
    assert (causes(world)[-1], world.transitions[-1].kind) == (
        Cause.SWITCHOVER_ORDERED,
        TransitionKind.OPERATOR,
    )
    assert dict(world.transitions[-1].phases_ns)["total"] < 20 * MS


def test_a_switch_ordered_at_the_witness_without_a_target_moves_the_group_once(world):
    world.order("mon", ev.SwitchOrdered(1, "www", "", "alice"))
    world.run(5)  # longer than the request rides on heartbeats
    assert world.owners() == ["pub3"]
    assert causes(world) == [Cause.CLUSTER_STARTED, Cause.SWITCHOVER_ORDERED]


def test_a_switch_ordered_at_the_witness_is_refused_while_only_the_owner_is_able(world):
    world.power_off("pub3")
    world.run(3)
    world.order("mon", ev.SwitchOrdered(1, "www", "", "alice"))
    refused = ac.OrderAnswered(1, False, "no other Node can take www now")
    assert world["mon"].of(ac.OrderAnswered)[-1] == refused


@pytest.mark.parametrize(
    ("group", "target", "reason"),
    [
        ("db", "", "no group 'db' is configured"),
        ("www", "pub2", "group www is on pub2 already"),
        ("www", "mon", "mon cannot take www now: no such Node"),
    ],
)
def test_a_switch_that_cannot_be_is_refused_with_the_reason(world, group, target, reason):
    world.order("pub2", ev.SwitchOrdered(1, group, target, "alice"))
    assert world["pub2"].of(ac.OrderAnswered)[-1] == ac.OrderAnswered(1, False, reason)
    world.run(1)
    assert world.owners() == ["pub2"]


def test_what_a_lost_race_left_in_the_own_voter_does_not_hold_up_a_switch():
    world = World()
    seat, now_ns, ballot = world["pub3"].seat, world.now_ns, Ballot(50, 1, 77)
    seat.answer(1, Prepare("www", ballot), now_ns)
    granted = seat.answer(1, Propose("www", ballot, now_ns, seat.incarnation, SECOND), now_ns)
    assert isinstance(granted, Accept)
    world.run(0.7)
    assert world.owners() == ["pub2"]
    world.order("pub2", ev.SwitchOrdered(1, "www", "pub3", "alice"))
    world.run(0.05)
    assert world.owners() == ["pub3"]


def test_standby_hands_over_and_online_does_not_pull_back(world):
    world.order("pub2", ev.StandbyOrdered(True, "alice"))
    world.run(1)
    assert world.owners() == ["pub3"]
    assert world["pub3"].group.candidates == ()
    world.order("pub2", ev.StandbyOrdered(False, "alice"))
    world.run(5)
    assert world.owners() == ["pub3"]
    assert world["pub3"].group.candidates == ("pub2",)


def test_standby_of_the_last_node_keeps_serving(world):
    world.power_off("pub3")
    world.run(3)
    world.order("pub2", ev.StandbyOrdered(True, "alice"))
    world.run(3)
    assert world.owners() == ["pub2"]


def test_a_stopped_daemon_hands_over_says_goodbye_and_exits(world):
    world.order("pub2", ev.StopOrdered(hands_over=True))
    world.run(0.1)
    assert not world["pub2"].is_up
    assert world.owners() == ["pub3"]
    assert causes(world)[-1] is Cause.DAEMON_STOPPED
    assert world["pub3"].core.view(world.now_ns).nodes[0].state == "stopped"


def test_when_a_network_heals_the_preferred_node_is_heard_before_anybody_asks(world):
    for one, other in (("pub2", "pub3"), ("pub2", "mon"), ("pub3", "mon")):
        world.separate(one, other)
    world.run(3.05)
    assert world.owners() == []
    world.cut.clear()
    world.run(0.5)
    assert world.owners() == ["pub2"]


def test_a_node_that_was_cut_off_does_not_go_on_speaking_for_the_cluster(world):
    assert world["pub2"].core.view(world.now_ns).reporter == "pub2"
    world.separate("pub2", "pub3")
    world.separate("pub2", "mon")
    world.run(3)
    assert world["pub3"].core.view(world.now_ns).reporter == "pub3"
    assert world["pub2"].core.view(world.now_ns).reporter == ""


def test_an_owner_that_is_heard_although_it_hears_nobody_is_not_called_silent(world):
    world.cut |= {(1, 0, None), (2, 0, None)}
    world.run(4)
    assert world.owners() == ["pub3"]
    assert causes(world)[-1] is Cause.LEASE_LOST


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


def test_a_core_whose_guard_died_hands_over_and_calls_that_a_failure(world):
    world.order("pub2", ev.StopOrdered(True, Cause.DAEMON_DIED.value))
    world.run(0.1)
    assert world.owners() == ["pub3"]
    assert causes(world)[-1] is Cause.DAEMON_DIED


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


def test_a_named_successor_that_is_a_little_late_still_gets_the_group(world):
    world["pub3"].core.situation.accuse_from_ns = world.now_ns + 300 * MS
    world.order("pub2", ev.SwitchOrdered(1, "www", "pub3", "alice"))
    world.run(1)
    assert world.owners() == ["pub3"]
    assert causes(world)[-1] is Cause.SWITCHOVER_ORDERED


def test_a_named_successor_that_dies_is_not_waited_for_as_long_as_a_lease(world):
    world.order("pub2", ev.SwitchOrdered(1, "www", "pub3", "alice"))
    world.power_off("pub3")
    world.run(0.8)
    assert world.owners() == ["pub2"]


def test_maintenance_moves_nothing_and_ends_by_itself(world):
    world.order("mon", ev.MaintenanceOrdered(MaintenanceNote(0, 5 * SECOND, "kernel", "alice")))
    world.run(0.5)
    assert all(m.core.view(world.now_ns).maintenance.is_on for m in world.members)
    world.power_off("pub2")
    world.run(3)
    assert world.owners() == []
    world.run(2)
    assert world.owners() == ["pub3"]


def test_lost_carrier_hands_over_within_a_beat_across_the_other_link(world):
    world.separate("pub2", "pub3", "lan")
    world.separate("pub2", "mon")
    world.order("pub2", ev.CarrierChanged("lan", (VIP,), False))
    world.run(0.1)
    assert world.owners() == ["pub3"]
    assert causes(world)[-1] is Cause.CARRIER_LOST


def test_carriers_lost_on_both_nodes_in_one_moment_move_nothing(world):
    for name in ("pub3", "pub2"):
        world.order(name, ev.CarrierChanged("lan", (VIP,), False))
        world.run(0.02)
    world.run(2)
    assert world.owners() == ["pub2"]
    assert Cause.CARRIER_LOST not in causes(world)


def test_a_loose_plug_is_waited_for_once(world):
    for has_carrier in (False, True, False):
        world.order("pub2", ev.CarrierChanged("lan", (VIP,), has_carrier))
        world.run(0.03)
    assert world.owners() == ["pub3"]


def test_an_owner_that_alone_hears_nobody_on_the_service_link_hands_over(world):
    world.separate("pub2", "pub3", "lan")
    world.separate("pub2", "mon")
    world.run(1)
    assert world.owners() == ["pub3"]
    assert causes(world)[-1] is Cause.LINK_ISOLATED


def test_a_dead_switch_that_isolates_everybody_moves_nothing(world):
    for one, other in (("pub2", "pub3"), ("pub2", "mon"), ("pub3", "mon")):
        world.separate(one, other, "lan")
    world.run(10)
    assert world.owners() == ["pub2"]


def test_an_address_in_use_by_a_stranger_is_not_claimed():
    world = World()
    for name in ("pub2", "pub3"):
        world[name].strangers[VIP] = "02:00:00:00:00:99"
    world.run(8)
    assert world.owners() == []
    assert Cause.ADDRESS_DUPLICATE in causes(world)
    addresses = [m.group.addresses[0].duplicate_mac for m in world.members[:2]]
    assert "02:00:00:00:00:99" in addresses
    world["pub2"].strangers.clear()
    world["pub3"].strangers.clear()
    world.run(70)
    assert len(world.owners()) == 1


def test_service_that_runs_everywhere_and_fails_on_the_owner_moves_the_address_and_is_restarted():
    world = World(pair(www(vip(), command("nginx", Run.EVERYWHERE))))
    world.run(4)
    member = world["pub2"]
    member.services["nginx"] = ResourceState.FAILED
    member.report("www", "nginx")
    world.run(0.1)
    assert world.owners() == ["pub3"]
    assert causes(world)[-1] is Cause.RESOURCE_FAILED
    world.run(2)
    assert member.services["nginx"] is ResourceState.RUNNING
    assert world["pub3"].group.candidates == ("pub2",)


STEPS = (ac.ActivateWindow, ac.StartResource, ac.StopResource, ac.CloseAddresses)


def steps(member):
    """What was begun with addresses and Resources, each once, in order."""
    seen = []
    for _, action in member.actions:
        name = getattr(action, "resource", None) or next(iter(getattr(action, "resources", ())), "")
        step = type(action).__name__, name
        if isinstance(action, STEPS) and step not in seen:
            seen.append(step)
    return seen


def test_resources_start_left_to_right_and_stop_right_to_left():
    world = World(pair(www(vip(), command("db"), command("app"))))
    world["pub2"].actions.clear()
    world.run(4)
    assert steps(world["pub2"])[-3:] == [
        ("ActivateWindow", VIP),
        ("StartResource", "db"),
        ("StartResource", "app"),
    ]
    world["pub2"].actions.clear()
    world.order("pub2", ev.SwitchOrdered(1, "www", "", "alice"))
    world.run(1)
    assert [step for step in steps(world["pub2"]) if step[0] != "ActivateWindow"] == [
        ("StopResource", "app"),
        ("StopResource", "db"),
        ("CloseAddresses", VIP),
    ]
    assert world["pub3"].services == {"db": ResourceState.RUNNING, "app": ResourceState.RUNNING}


def test_a_stop_that_fails_blocks_the_group_until_an_operator_clears_it():
    world = World(pair(www(vip(), command("db"))))
    world.run(4)
    world["pub2"].stop_fails.add("db")
    world.order("pub2", ev.SwitchOrdered(1, "www", "pub3", "alice"))
    world.run(5)
    assert world["pub2"].group.state == "blocked"
    assert world["pub3"].services["db"] is ResourceState.STOPPED
    world["pub2"].services["db"] = ResourceState.STOPPED
    world.order("pub2", ev.BlockCleared("www", "alice"))
    world.run(1)
    assert world.owners() == ["pub3"]


def test_a_start_that_fails_here_goes_to_the_other_node():
    world = World(pair(www(vip(), command("db"))))
    world["pub2"].start_fails.add("db")
    world.run(5)
    assert world.owners() == ["pub3"]
    assert "start failed" in world["pub2"].group.eligible_reason


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


def test_goodbye_is_ready_only_where_an_address_is_all_that_must_end():
    assert _goodbyes(www()) != ()
    assert _goodbyes(www(vip(), command("db"))) == ()


def _goodbyes(group):
    world = World(pair(group))
    world.run(4)
    prepared = world["pub2"].of(ac.PrepareGoodbye)
    releases = [m for h in prepared[-1].heartbeats for m in h.messages] if prepared else []
    return tuple(r for r in releases if r.group == "www")


def test_explain_says_why_and_what_comes_next(world):
    world.power_off("pub2")
    world.run(3)
    assert world["pub3"].group.explain == (
        "www is on pub3. Last change: " + world.transitions[-1].sentence + ".",
        "pub2 cannot take it: lost.",
        "If pub3 fails, nobody can take it over.",
        "It does not go back to pub2 by itself (failback never).",
    )


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


def test_stranger_life_that_never_names_us_is_answered_four_times_a_beat_at_most(world):
    world.run(1)
    member, other = world["pub3"], world["pub2"]
    member.actions.clear()
    hello = next(a.heartbeat for a in other.of(ac.SendHeartbeat) if a.heartbeat.receiver == 1)
    unknown = replace(hello, hears_incarnation=0)
    sent = []
    for number in range(100):
        event = ev.HeartbeatReceived(unknown, world.now_ns + number)
        actions = member.core.step(event, world.now_ns + number)
        sent += [a for a in actions if isinstance(a, ac.SendHeartbeat) and a.heartbeat.receiver == 0]
    assert len(sent) <= 2 * len(member.core.situation.peers[0].links)


def test_what_failed_here_once_is_no_obstacle_when_the_other_node_dies():
    """A failed unit or a stale pid file stays behind; the group must still come back when nobody else can."""
    world = World(pair(www(vip(), command("worker"))))
    world.run(4)
    pub2 = world["pub2"]
    pub2.services["worker"] = ResourceState.FAILED
    pub2.report("www", "worker")
    pub2.stop_fails.discard("worker")
    world.run(1)
    assert world.owners() == ["pub3"]
    pub2.services["worker"] = ResourceState.FAILED
    pub2.report("www", "worker")
    world.run(10)
    assert world.owners() == ["pub3"]
    world.power_off("pub3")
    world.run(2)
    assert world.owners() == ["pub2"]
    assert pub2.services["worker"] is ResourceState.RUNNING


def test_group_that_failed_here_does_not_come_back_at_once_when_it_fails_there_too():
    world = World(pair(www(vip(), command("worker"))))
    world.run(4)
    for name in ("pub2", "pub3"):
        world[name].services["worker"] = ResourceState.FAILED
        world[name].report("www", "worker")
        world.run(3)
        assert world.owners() == ["pub3"]


def test_who_lost_the_lease_of_the_reporter_does_not_speak_for_the_cluster_any_more(world):
    assert world["pub2"].core.view(world.now_ns).reporter == "pub2"
    world.separate("pub2", "pub3")
    world.separate("pub2", "mon")
    world.run(4)
    assert world["pub2"].core.view(world.now_ns).reporter == ""
    assert world["pub3"].core.view(world.now_ns).reporter == "pub3"


def test_of_two_that_failed_the_right_one_starts_again_after_the_left_one():
    world = World(pair(www(command("store"), vip(), command("serve"))))
    world.run(4)
    owner = world["pub2"]
    owner.actions.clear()
    for name in ("store", "serve"):
        owner.services[name] = ResourceState.STOPPED
        owner.report("www", name)
    world.run(3)
    started = [(at, a.resource) for at, a in owner.actions if isinstance(a, ac.StartResource)]
    assert [name for _, name in started] == ["store", "serve"]
    assert started[0][0] < started[1][0]


def test_word_of_the_past_does_not_make_a_second_owner():
    """What an Owner said before its Lease ended arrives after another one has taken over."""
    world = World(pair(www(vip())))
    world.run(4)
    said = next(
        a.heartbeat
        for _, a in reversed(world["pub2"].actions)
        if isinstance(a, ac.SendHeartbeat) and a.heartbeat.receiver == 1 and a.heartbeat.link == "lan"
    )
    assert said.report.groups[0].is_open
    world.power_off("pub2")
    world.run(3)
    assert world.owners() == ["pub3"]
    world["pub3"].step(ev.HeartbeatReceived(said, world.now_ns))
    (group,) = world["pub3"].core.view(world.now_ns).groups
    assert group.owners == 1
    # Who has heard of the new Owner since and still says so is told.
    knows = replace(said, echo_sent_ns=world.now_ns - 100 * MS)
    world["pub3"].step(ev.HeartbeatReceived(knows, world.now_ns))
    (group,) = world["pub3"].core.view(world.now_ns).groups
    assert group.owners == 2
