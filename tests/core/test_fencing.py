"""Mode fencing: a takeover waits for a confirmed power-off, an Owner does not; no circles of fences."""

from dataclasses import replace

import pytest

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.core.fencing import FenceState, bound_ns
from ha_monitor.messages import MaintenanceNote
from ha_monitor.model import Cause, FenceDevice, FenceStep, Fencing, Protection
from ha_monitor.timebase import MS, SECOND
from tests.core.pairs import FENCING, PairWorld, fence_orders, fencing_pair, outage_ns


@pytest.fixture
def world():
    """A pair in mode fencing, pub2 the Owner."""
    world = PairWorld(fencing_pair())
    world.run(4)
    assert world.owners() == ["pub2"]
    return world


def absences(world, name):
    return {i: a.reason for i, a in world[name].seat.absences.items()}


def test_a_takeover_waits_for_the_delay_and_for_the_confirmed_fence(world):
    world.power_off("pub2")
    outage_ns(world, least_s=1.0 + 2.0 + 0.3)
    assert world.owners() == ["pub3"]
    assert world.fences_by("pub3") == [("pub2", False)]
    assert world.transitions[-1].cause is Cause.NODE_FENCED


def test_an_epoch_after_a_fence_is_above_whatever_the_fenced_node_may_have_made_unheard(world):
    """Seed 4884 of the simulator: both counted on by one, and the second Epoch was not the higher one."""
    seeker = world["pub2"].core.tenures["www"].seeker
    world.separate("pub2", "pub3")
    seeker.counter += 1_000  # its ballots while it was cut off
    world.power_off("pub2")
    outage_ns(world)
    assert world.owners() == ["pub3"]
    assert world.transitions[-1].epoch.counter > seeker.counter


def test_nobody_takes_over_while_every_level_fails(world):
    world.fence_works = False
    world.power_off("pub2")
    world.run(60)
    assert world.owners() == []
    assert 2 <= len(world.fences_by("pub3")) <= 6, "tried again, and not without end"
    fence = world["pub3"].core.fences.of_node[0]
    assert fence.state is FenceState.FAILED
    assert world["pub3"].core.view(world.now_ns).state == "down"
    world.fence_works = True
    outage_ns(world, most_s=61)
    assert world.owners() == ["pub3"]


def test_the_owner_serves_on_without_a_gap_when_the_other_dies(world):
    closed = len(world["pub2"].of(ac.CloseAddresses))
    world.power_off("pub3")
    world.run(20)
    assert world.owners() == ["pub2"]
    assert len(world["pub2"].of(ac.CloseAddresses)) == closed
    assert world.fences_by("pub2") == [("pub3", False)], "once"


def test_the_owner_serves_on_even_when_the_other_cannot_be_fenced(world):
    world.fence_works = False
    closed = len(world["pub2"].of(ac.CloseAddresses))
    world.power_off("pub3")
    world.run(40)
    assert world.owners() == ["pub2"]
    assert len(world["pub2"].of(ac.CloseAddresses)) == closed


def test_after_a_cut_of_all_links_the_owner_fences_first_and_serves_on(world):
    world.separate("pub2", "pub3")
    world.run(20)
    assert world.owners() == ["pub2"]
    assert world.fenced == [(world.fenced[0][0], "pub2", "pub3", False)]


def test_the_favoured_node_wins_a_race_against_the_owner():
    world = PairWorld(fencing_pair(fencing=replace(FENCING, favour="pub3")))
    world.run(4)
    assert world.owners() == ["pub2"]
    world.separate("pub2", "pub3")
    world.run(20)
    assert world.owners() == ["pub3"]
    assert [by for _, by, _, _ in world.fenced] == ["pub3"]


def test_without_a_delay_a_race_may_power_both_off_and_still_nobody_serves_twice():
    world = PairWorld(fencing_pair(fencing=replace(FENCING, delay_ns=0)))
    world.run(4)
    world.separate("pub2", "pub3")
    world.run(20)
    assert len(world.fenced) in (1, 2)  # check_single_owner looked at every step


def test_who_comes_back_after_a_fence_joins_passively(world):
    world.power_off("pub2")
    outage_ns(world)
    world.separate("pub2", "pub3")  # it cannot see who fenced it
    world.boot("pub2")
    world.run(60)
    assert world.owners() == ["pub3"]
    asked = world.fences_by("pub2")
    assert asked, "it asks whether the other one is off"
    assert all(only_ask for _, only_ask in asked), "and powers nobody off"
    world.cut.clear()
    world.run(5)
    assert world.owners() == ["pub3"]
    assert absences(world, "pub3") == {}, "its own vote counts again"
    assert world["pub3"].core.fences.of_node[0].state is FenceState.IDLE


def test_after_it_joined_and_votes_a_new_takeover_needs_a_new_fence(world):
    world.power_off("pub2")
    outage_ns(world)
    world.boot("pub2")
    world.run(10)
    world.power_off("pub3")
    outage_ns(world, least_s=1.0 + 0.3)
    assert world.owners() == ["pub2"]
    assert ("pub3", False) in world.fences_by("pub2")


def test_the_first_to_come_back_alone_starts_when_the_other_one_is_off(world):
    world.power_off("pub2")
    world.power_off("pub3")
    world.boot("pub3")
    outage_ns(world, least_s=1.0)
    assert world.owners() == ["pub3"]
    assert world.fences_by("pub3") == [("pub2", True)]


def test_a_restarted_core_remembers_the_fence(world):
    world.power_off("pub3")
    world.run(10)
    fences = len(world.fenced)
    world.restart_core("pub2")
    world.run(20)
    assert world.owners() == ["pub2"]
    assert len(world.fenced) == fences, "no second fence"


def test_who_said_goodbye_is_not_fenced_and_the_other_goes_on_alone(world):
    world["pub3"].step(ev.StopOrdered(True))
    world.run(30)
    assert world.owners() == ["pub2"]
    assert world.fenced == []


def test_the_owner_that_stops_is_followed_without_a_fence(world):
    world["pub2"].step(ev.StopOrdered(True))
    world.run(30)
    assert world.owners() == ["pub3"]
    assert world.fenced == []


def test_two_that_said_goodbye_to_each_other_do_not_both_go_on(world):
    world["pub2"].step(ev.StopOrdered(True))
    world["pub3"].step(ev.StopOrdered(True))
    world.run(1)
    world.separate("pub2", "pub3")
    world.restart_core("pub2")
    world.restart_core("pub3")
    world.run(40)
    assert not any(not only_ask for _, _, _, only_ask in world.fenced)
    assert world.owners() == []


def test_a_goodbye_that_the_other_ones_next_life_takes_gives_its_vote_to_that_life_alone(world):
    """It stops when it has heard the new life, and before it knows that the new life hears it."""
    world["pub3"].step(ev.StopOrdered(True))
    world.run(1)
    assert absences(world, "pub2") == {1: "stopped"}
    world.restart_core("pub3")
    new_life = world["pub3"].incarnation
    peer = world["pub2"].core.situation.peers[1]
    while peer.incarnation != new_life:
        world.run(0.0001)
    assert not peer.is_mutual(world.now_ns)
    world["pub2"].step(ev.StopOrdered(True))
    assert absences(world, "pub2") == {}
    world.run(3)
    assert world.owners() == ["pub3"]
    world.separate("pub2", "pub3")
    world.restart_core("pub2")
    world.run(10)
    assert world.owners() == ["pub3"]


def test_nobody_is_fenced_in_maintenance(world):
    world.order("pub3", ev.MaintenanceOrdered(MaintenanceNote(0, 60 * SECOND, "cabling", "root")))
    world.run(1)
    world.power_off("pub2")
    world.run(30)
    assert world.fenced == []
    assert world.owners() == []


def test_a_node_that_speaks_after_its_fence_voids_it(world):
    world.fence_works = False
    world.separate("pub2", "pub3")
    world.run(8)
    order = fence_orders(world["pub3"])[-1]
    world.may_double = True  # a device that lies breaks the promise's condition
    world.forget()
    fence = world["pub3"].core.fences.of_node[0]
    fence.state, fence.operation_id = FenceState.RUNNING, order.operation_id
    world.order("pub3", ev.FenceEnded("pub2", order.operation_id, True, "a lie"))
    assert absences(world, "pub3") == {0: "fenced"}
    world.run(3)
    world.cut.clear()
    world.run(0.5)
    assert absences(world, "pub3") == {}
    assert any("the fence is void" in line for line in world["pub3"].lines())
    world.may_double = False
    world.run(2)
    assert len(world.owners()) == 1


def test_an_operator_fences_and_is_told_what_came_of_it(world):
    world.order("pub3", ev.FenceOrdered(7, "pub2", "smoke", "anna"))
    world.run(5)
    assert world.owners() == ["pub3"]
    assert world["pub3"].of(ac.OrderAnswered) == [ac.OrderAnswered(7, True, "pub2 is off: the agent's word")]
    assert any("by anna: smoke" in line for line in world["pub3"].lines())


def test_an_operator_is_told_when_no_level_worked(world):
    world.fence_works = False
    world.order("pub3", ev.FenceOrdered(7, "pub2", "smoke", "anna"))
    world.run(5)
    (answer,) = world["pub3"].of(ac.OrderAnswered)
    assert not answer.is_done
    assert "not known to be off" in answer.reason
    assert world.owners() == ["pub2"]


@pytest.mark.parametrize(("node", "reason"), [("pub3", "pub3 is this Node"), ("mon", "mon is this Node")])
def test_a_fence_of_oneself_is_refused(world, node, reason):
    world.order("pub3", ev.FenceOrdered(7, node, "why", "anna"))
    (answer,) = world["pub3"].of(ac.OrderAnswered)
    assert (answer.is_done, reason in answer.reason) == (False, True)


def test_a_confirmation_by_hand_lets_the_other_take_over(world):
    world.fence_works = False
    world.power_off("pub2")
    world.run(10)
    assert world.owners() == []
    world.order("pub3", ev.FenceConfirmed(8, "pub2", "unplugged", "anna"))
    world.run(1)
    assert world.owners() == ["pub3"]
    assert world["pub3"].of(ac.OrderAnswered)[-1].is_done
    assert any("anna said so: unplugged" in line for line in world["pub3"].lines())


def test_a_confirmation_is_refused_while_the_node_is_heard(world):
    world.order("pub3", ev.FenceConfirmed(8, "pub2", "unplugged", "anna"))
    assert world["pub3"].of(ac.OrderAnswered) == [ac.OrderAnswered(8, False, "pub2 is heard: it runs")]
    assert absences(world, "pub3") == {}


def test_a_worker_that_dies_with_the_order_is_no_confirmation(world):
    world.fence_ns = 10 * SECOND
    world.power_off("pub2")
    world.run(4)
    assert world["pub3"].core.fences.of_node[0].state is FenceState.RUNNING
    world.order("pub3", ev.WorkerLost())
    assert world["pub3"].core.fences.of_node[0].state is FenceState.FAILED
    world.run(8)
    assert world.owners() == [], "the late answer to the lost order counts for nothing"


def test_a_worker_that_never_answers_is_given_up(world):
    world.fence_ns = 10_000 * SECOND
    world.power_off("pub2")
    world.run(4)
    bound_s = world["pub3"].core.fences.of_node[0].bound_ns // SECOND
    world.run(bound_s - 10)
    assert not any("the worker gave no answer" in line for line in world["pub3"].lines())
    world.run(20)
    assert any("the worker gave no answer" in line for line in world["pub3"].lines())


def test_protection_is_fencing_only_while_a_level_passed_its_test(world):
    assert world["pub3"].core.view(world.now_ns).protection == Protection.FENCING
    world.order("pub3", ev.FenceTested("ipmi-2", False, "no route to host"))
    view = world["pub3"].core.view(world.now_ns)
    assert view.protection == Protection.KERNEL_LEASE
    assert view.protection_detail.startswith("no takeover is possible: no level of pub2's fence devices")
    assert view.state == "at-risk"
    assert world["pub2"].core.view(world.now_ns).protection == Protection.FENCING, "it needs the other device"


def test_protection_drops_when_a_test_is_too_old(world):
    world.run(0.1)
    late_ns = world.now_ns + 2 * FENCING.test_every_ns + 2 * FENCING.devices[0].timeout_ns
    assert world["pub3"].core.fences.broken(late_ns)


def test_a_level_needs_all_its_devices():
    devices = (FenceDevice("pdu-a", "/fence"), FenceDevice("pdu-b", "/fence"))
    both = ((FenceStep("pdu-a", "1"), FenceStep("pdu-b", "1")),)
    world = PairWorld(fencing_pair(fencing=Fencing(devices, {"pub2": both, "pub3": both})))
    world.run(4)
    assert not world["pub3"].core.fences.broken(world.now_ns)
    world.order("pub3", ev.FenceTested("pdu-b", False, "off line"))
    assert world["pub3"].core.fences.broken(world.now_ns)


def test_a_packet_that_was_under_way_when_its_sender_was_fenced_changes_nothing(world):
    world.power_off("pub2")
    while not world.fenced:
        world.run(0.05)
    late = [a.heartbeat for a in world["pub2"].of(ac.SendHeartbeat) if a.heartbeat.receiver == 1][-1]
    world.run(0.35)
    assert absences(world, "pub3") == {0: "fenced"}
    world.order("pub3", ev.HeartbeatReceived(late, world.now_ns))
    assert absences(world, "pub3") == {0: "fenced"}
    world.run(1)
    assert world.owners() == ["pub3"]


def test_timings_of_the_tests_fit_the_configuration():
    assert fencing_pair().timing.lease_ns == SECOND
    assert FENCING.delay_ns == 2000 * MS


def test_only_the_life_that_was_known_when_the_order_was_given_counts_as_over(world):
    """Somebody powers it on again before the agent's answer is in: nothing is taken from its new life."""
    world.fence_ns = 3 * SECOND
    world.order("pub2", ev.FenceOrdered(1, "pub3", "smoke", "anna"))
    world.run(1)
    world.boot("pub3")
    world.run(4)
    assert world["pub2"].of(ac.OrderAnswered)[-1].is_done
    assert (1, world["pub3"].incarnation) not in world["pub2"].core.situation.fenced
    assert absences(world, "pub2") == {}, "the new life votes"
    world["pub2"].step(ev.StandbyOrdered(True, "anna"))
    world.run(2)
    assert world.owners() == ["pub3"]
    world["pub2"].step(ev.StandbyOrdered(False, "anna"))
    world.separate("pub2", "pub3")
    world.run(0.8)
    world.cut.clear()
    world["pub3"].step(ev.StandbyOrdered(True, "anna"))
    world.run(3)
    assert len(world.owners()) == 1


def test_the_owner_counts_the_vote_of_the_one_that_it_fenced_once_that_is_back(world):
    world.separate("pub2", "pub3")
    world.run(6)
    assert absences(world, "pub2") == {1: "fenced"}
    world.boot("pub3")
    world.run(8)
    world.cut.clear()
    world.run(3)
    assert absences(world, "pub2") == {}
    assert world["pub2"].core.fences.of_node[1].state is FenceState.IDLE
    assert world.owners() == ["pub2"]


def test_a_cut_that_heals_on_one_link_a_moment_earlier_moves_nothing(world):
    world.fence_works = False
    world.separate("pub2", "pub3")
    world.run(5)
    world.cut = {(0, 1, "direct"), (1, 0, "lan")}  # each way over another Link for a moment
    world.run(0.3)
    world.cut.clear()
    world.run(3)
    assert world.owners() == ["pub2"]
    assert not any("link-isolated" in line for line in world["pub2"].lines())


def test_a_step_may_take_four_whole_timeouts_of_its_device():
    steps = [step for level in FENCING.levels["pub2"] for step in level]
    timeouts_ns = [FENCING.device(step.device).timeout_ns for step in steps]
    assert bound_ns(FENCING, "pub2") >= 4 * sum(timeouts_ns) > 0
