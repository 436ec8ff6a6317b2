"""A group is handed over: ordered, planned, or because its Owner should not serve it any more."""

import pytest

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.messages import Accept, Prepare, Propose
from ha_monitor.model import Ballot, Cause, TransitionKind
from ha_monitor.timebase import MS, SECOND
from tests.core.world import VIP, World, causes, command, pair, vip, www


@pytest.fixture
def world():
    world = World()
    world.run(4)
    assert world.owners() == ["pub2"]
    return world


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


def test_a_core_whose_guard_died_hands_over_and_calls_that_a_failure(world):
    world.order("pub2", ev.StopOrdered(True, Cause.DAEMON_DIED.value))
    world.run(0.1)
    assert world.owners() == ["pub3"]
    assert causes(world)[-1] is Cause.DAEMON_DIED


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


def test_goodbye_is_ready_only_where_an_address_is_all_that_must_end():
    assert _goodbyes(www()) != ()
    assert _goodbyes(www(vip(), command("db"))) == ()


def _goodbyes(group):
    world = World(pair(group))
    world.run(4)
    prepared = world["pub2"].of(ac.PrepareGoodbye)
    releases = [m for h in prepared[-1].heartbeats for m in h.messages] if prepared else []
    return tuple(r for r in releases if r.group == "www")


def test_an_owner_that_serves_again_tells_the_interruption_and_not_how_long_it_served_before(world):
    world.run(60)
    for peer in ("pub3", "mon"):
        world.separate("pub2", peer)
    world.separate("pub3", "mon")
    world.run(3)
    assert world.owners() == []
    world.cut.clear()
    world.run(3)
    assert world.transitions[-1].sentence.endswith("nobody else took it meanwhile")
    total_ns = dict(world.transitions[-1].phases_ns)["total"]
    assert 2 * SECOND < total_ns < 3 * SECOND


def test_an_owner_of_which_only_the_own_voter_has_heard_is_told_as_the_former_one(world):
    """It won with this Node's vote, opened the address, and stood still before it could say so."""
    world["mon"].is_up = False
    world.order("pub2", ev.SwitchOrdered(1, "www", "pub3", "alice"))
    while world.owners() != ["pub3"]:
        world.run(0.0001)
    world.power_off("pub3")
    world.forget()
    world["mon"].is_up = True
    world.run(5)
    assert world.owners() == ["pub2"]
    last = world.transitions[-1]
    assert (last.node_from, last.node_to, last.cause) == ("pub3", "pub2", Cause.NODE_SILENT)
