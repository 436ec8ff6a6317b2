"""The whole core among its like: what an operator would tell, in a small world without faults of its own."""

from dataclasses import replace

import pytest

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.core.voter import VoterSeat
from ha_monitor.messages import MaintenanceNote
from ha_monitor.model import Cause, Failback, FailbackKind, ResourceState, Run, TransitionKind
from ha_monitor.timebase import MS, SECOND
from tests.core.world import World, causes, command, pair, vip, with_failback, www


@pytest.fixture
def world():
    world = World()
    world.run(4)
    assert world.owners() == ["pub2"]
    return world


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


def test_maintenance_moves_nothing_and_ends_by_itself(world):
    world.order("mon", ev.MaintenanceOrdered(MaintenanceNote(0, 5 * SECOND, "kernel", "alice")))
    world.run(0.5)
    assert all(m.core.view(world.now_ns).maintenance.is_on for m in world.members)
    world.power_off("pub2")
    world.run(3)
    assert world.owners() == []
    world.run(2)
    assert world.owners() == ["pub3"]


def test_explain_says_why_and_what_comes_next(world):
    world.power_off("pub2")
    world.run(3)
    assert world["pub3"].group.explain == (
        "www is on pub3. Last change: " + world.transitions[-1].sentence + ".",
        "pub2 cannot take it: lost.",
        "If pub3 fails, nobody can take it over.",
        "It does not go back to pub2 by itself (failback never).",
    )


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


def test_who_lost_the_lease_of_the_reporter_does_not_speak_for_the_cluster_any_more(world):
    assert world["pub2"].core.view(world.now_ns).reporter == "pub2"
    world.separate("pub2", "pub3")
    world.separate("pub2", "mon")
    world.run(4)
    assert world["pub2"].core.view(world.now_ns).reporter == ""
    assert world["pub3"].core.view(world.now_ns).reporter == "pub3"


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
