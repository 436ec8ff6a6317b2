"""A group that moves too often is held and asks; one that is passed round is frozen. No outage by that."""

import pytest

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.core.damping import ALONE_MAX_NS
from ha_monitor.messages import HoldNote
from ha_monitor.model import Cause, Failback, FailbackKind, Hold, MoveLimit, ResourceState, Run, Timing
from ha_monitor.timebase import MS, SECOND
from tests.core.world import World, command, pair, vip, www

LIMIT = MoveLimit(3, 3600 * SECOND)
SLOW = Timing(250 * MS, SECOND)  # fewer beats to play
SETTLED_S = 12  # longer than what counts as served for long


def web(run=Run.EVERYWHERE, limit=LIMIT, **settings):
    world = World(pair(www(vip(), command("nginx", run), max_moves=limit, **settings), timing=SLOW))
    world.run(4)
    assert world.owners() == ["pub2"]
    return world


def crash(world, name, resource="nginx"):
    world[name].services[resource] = ResourceState.FAILED
    world[name].report("www", resource)


def flap(world, times, each_s=SETTLED_S):
    for _ in range(times):
        crash(world, world.owners()[0])
        world.run(each_s)


def holds(world):
    return [(m.group.hold, m.group.hold_node) for m in world.members if m.is_up]


def told(world, cause):
    return [t for t in world.transitions if t.cause is cause]


def mode_of(world, name):
    return world[name].core.tenures["www"].holding


@pytest.fixture
def held():
    world = web()
    flap(world, 3)
    assert world.owners() == ["pub3"]
    return world


def test_the_last_move_that_the_limit_allows_is_made_and_then_it_is_held_everywhere(held):
    assert holds(held) == [("moves", "pub3")] * 3
    (transition,) = told(held, Cause.HELD)
    assert (transition.node_from, transition.node_to) == ("pub3", "pub3")
    assert transition.sentence == (
        "www is held on pub3 and asks: 3 moves that nobody ordered within 60 min"
        " (last: resource-failed, resource-failed, resource-failed)"
    )


def test_a_hold_is_shown_with_what_to_do(held):
    view = held["mon"].core.view(held.now_ns)
    assert (view.state, view.state_reason) == ("degraded", "www is held on pub3 and asks")
    assert view.groups[0].explain[-1] == (
        "When you have looked: ha-monitor clear www, or ha-monitor switch www --to NODE."
    )
    errors = [a.line for m in held.members for a in m.of(ac.Log) if a.level == "error"]
    assert [line for line in errors if "answer with: ha-monitor clear www" in line] == errors[-1:]


def test_one_move_less_is_no_hold():
    world = web()
    flap(world, 2)
    assert holds(world) == [("none", "")] * 3


def test_a_held_group_stays_and_what_failed_is_started_again_there(held):
    flap(held, 2)
    assert held.owners() == ["pub3"]
    assert held["pub3"].services["nginx"] is ResourceState.RUNNING
    assert held["pub3"].group.moves_1h == 3


def test_a_held_group_does_not_stay_where_the_next_start_is_far_off(held):
    flap(held, 2)
    crash(held, "pub3")  # its back-off has grown to more than the seconds for which a group stays
    held.run(0.1)
    assert held.owners() == ["pub2"]


def test_a_held_group_leaves_an_owner_that_cannot_be_mended(held):
    held["pub3"].start_fails.add("nginx")
    crash(held, "pub3")
    held.run(0.5)
    assert held.owners() == ["pub3"]
    assert held["pub3"].group.state == "degraded"
    held.run(6)
    assert held.owners() == ["pub2"]


def test_a_held_group_is_taken_over_from_a_dead_owner_as_fast_as_any(held):
    held.power_off("pub3")
    held.run(1.1)
    assert held.owners() == ["pub2"]
    held.run(SETTLED_S)
    assert held["pub2"].group.hold_node == "pub2"  # it is held there now


def test_a_held_group_leaves_at_once_where_its_address_has_no_carrier(held):
    held.order("pub3", ev.CarrierChanged("lan", ("192.0.2.100/24",), False))
    held.run(0.2)
    assert held.owners() == ["pub2"]


def test_a_held_group_does_not_fail_back():
    world = web(failback=Failback(FailbackKind.AFTER, after_ns=20 * SECOND), limit=MoveLimit(1))
    flap(world, 1)
    world.run(120)
    assert (world.owners(), holds(world)[0]) == (["pub3"], ("moves", "pub3"))
    world.order("pub2", ev.BlockCleared("www", "alice"))
    world.run(30)
    assert world.owners() == ["pub2"]


def test_clear_on_any_node_answers_for_all_and_the_count_begins_anew(held):
    held.order("pub2", ev.BlockCleared("www", "alice"))
    held.run(1)
    assert holds(held) == [("none", "")] * 3
    assert any("no longer held, by alice" in line for line in held["pub2"].lines())
    flap(held, 2)
    assert holds(held) == [("none", "")] * 3
    flap(held, 1)
    assert holds(held) == [("moves", "pub2")] * 3


def test_an_ordered_switch_answers_too(held):
    held.order("pub3", ev.SwitchOrdered(1, "www", "pub2", "alice"))
    held.run(1)
    assert (held.owners(), holds(held)) == (["pub2"], [("none", "")] * 3)


def test_a_hold_ends_by_itself_when_all_was_quiet_for_the_whole_window():
    world = web(limit=MoveLimit(1, 60 * SECOND))
    flap(world, 1)
    world.run(40)
    assert holds(world) == [("moves", "pub3")] * 3
    world.run(30)
    assert holds(world) == [("none", "")] * 3


def test_without_a_limit_it_is_never_held_for_its_moves():
    world = web(limit=MoveLimit(0))
    flap(world, 6)
    assert holds(world) == [("none", "")] * 3
    assert world["pub2"].group.unasked_1h == 6


def test_what_operators_order_is_never_held():
    world = web(limit=MoveLimit(1))
    for number in range(8):
        target = {"pub2": "pub3", "pub3": "pub2"}[world.owners()[0]]
        world.order("mon", ev.SwitchOrdered(number + 1, "www", target, "alice"))
        world.run(1)
    assert holds(world) == [("none", "")] * 3
    assert (world["mon"].group.moves_1h, world["mon"].group.unasked_1h) == (8, 0)


def test_a_node_that_restarts_learns_of_the_hold(held):
    held.power_off("pub2")
    held.run(2)
    held.start_again("pub2")
    held.run(3)
    assert held["pub2"].group.hold == "moves"


def test_the_higher_note_counts_and_a_hold_beats_its_own_end_of_the_same_number():
    world = web()
    holding = mode_of(world, "pub2")
    assert holding.take(HoldNote(4, Hold.NONE, -1), world.now_ns)
    assert holding.take(HoldNote(4, Hold.MOVES, 1), world.now_ns)
    assert not holding.take(HoldNote(4, Hold.NONE, -1), world.now_ns)
    assert not holding.take(HoldNote(3, Hold.LIVELOCK, 1), world.now_ns)
    assert holding.note == HoldNote(4, Hold.MOVES, 1)


def test_clear_on_a_node_that_was_mended_ends_its_standing_back_at_once():
    world = web(Run.OWNER)
    crash(world, "pub2")
    world.run(2)
    assert world.owners() == ["pub3"]
    assert not world["pub2"].group.eligible
    world.order("pub3", ev.BlockCleared("www", "alice"))
    assert not world["pub2"].group.eligible
    world.order("pub2", ev.BlockCleared("www", "alice"))
    assert world["pub2"].group.eligible


# Livelock


@pytest.fixture
def frozen():
    """The program starts nowhere; pub2 had served it for long."""
    world = web(Run.OWNER)
    world.run(SETTLED_S)
    for name in ("pub2", "pub3"):
        world[name].start_fails.add("nginx")
    crash(world, "pub2")
    world.run(20)
    return world


def test_starts_that_fail_in_turn_are_recognised_and_frozen_on_the_last_good_owner(frozen):
    assert holds(frozen) == [("livelock", "pub2")] * 3
    (transition,) = told(frozen, Cause.LIVELOCK)
    assert transition.sentence.startswith(
        "www is frozen on pub2 and asks: passed round 4 times, never served"
    )
    assert transition.sentence.count("pub3 0 ms, start-failed") == 2


def test_a_frozen_group_is_tried_on_its_node_alone(frozen):
    before = frozen["pub3"].of(ac.StartResource), len(frozen["pub2"].of(ac.StartResource))
    frozen.run(45)
    assert frozen["pub3"].of(ac.StartResource) == before[0]
    assert before[1] < len(frozen["pub2"].of(ac.StartResource)) <= before[1] + 3


def test_a_frozen_group_runs_again_once_its_node_is_mended_and_still_asks(frozen):
    frozen["pub2"].start_fails.clear()
    frozen.run(ALONE_MAX_NS / SECOND + 1)
    assert frozen.owners() == ["pub2"]
    assert frozen["pub2"].group.hold == "livelock"


def test_a_frozen_group_is_tried_elsewhere_after_a_minute_without_service(frozen):
    frozen["pub3"].start_fails.clear()
    frozen.run(50)
    assert frozen.owners() == []
    frozen.run(75)
    assert frozen.owners() == ["pub3"]
    frozen.run(SETTLED_S)
    assert frozen["pub3"].group.hold_node == "pub3"


def test_a_frozen_group_waits_seconds_only_for_a_node_that_is_silent(frozen):
    frozen["pub3"].start_fails.clear()
    frozen.power_off("pub2")
    frozen.run(20)
    assert frozen.owners() == ["pub3"]


def test_a_frozen_group_does_not_wait_for_a_node_in_standby(frozen):
    frozen["pub3"].start_fails.clear()
    frozen.order("pub2", ev.StandbyOrdered(True, "alice"))
    frozen.run(ALONE_MAX_NS / SECOND)
    assert frozen.owners() == ["pub3"]


def test_clear_lets_a_frozen_group_go_where_it_can_run(frozen):
    frozen["pub3"].start_fails.clear()
    frozen.order("pub3", ev.BlockCleared("www", "alice"))
    frozen.run(2)
    assert frozen.owners() == ["pub3"]
    assert holds(frozen) == [("none", "")] * 3


def test_leases_lost_in_turn_are_recognised_and_frozen():
    """Each Owner is cut off before it has served for long; the rest of the time it is heard well."""
    world = web(Run.EVERYWHERE, MoveLimit(0))
    world.run(SETTLED_S)
    for _ in range(4):
        owner = world.owners()[0]
        world.separate(owner, {"pub2": "pub3", "pub3": "pub2"}[owner])
        world.separate(owner, "mon")
        world.run(1.5)
        world.cut.clear()
        world.run(2)
    assert holds(world)[2] == ("none", "")  # pub2 served it for long before, so that is no round yet
    owner = world.owners()[0]
    world.separate(owner, {"pub2": "pub3", "pub3": "pub2"}[owner])
    world.separate(owner, "mon")
    world.run(1.5)
    world.cut.clear()
    world.run(6)
    assert {hold for hold, _ in holds(world)} == {"livelock"}
    assert len(told(world, Cause.LIVELOCK)) == 1
    assert len(world.owners()) == 1


def test_a_group_that_runs_well_elsewhere_in_between_is_no_livelock():
    world = web(Run.EVERYWHERE, MoveLimit(0))
    flap(world, 6, each_s=SETTLED_S)
    assert holds(world) == [("none", "")] * 3
