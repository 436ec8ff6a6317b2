"""Orders of operators: read strictly, refused with a sentence, turned into the right event."""

import ipaddress
from dataclasses import replace

import pytest

from ha_monitor.core import events as ev
from ha_monitor.errors import ControlError
from ha_monitor.messages import MaintenanceNote
from ha_monitor.model import ClusterConfig, FenceDevice, FenceStep, Fencing, Group, Voter
from ha_monitor.runtime.orders import OrderReader, ShowView, ToCore, ToGuard
from ha_monitor.timebase import SECOND


def address(text):
    return {"lan": ipaddress.ip_address(text)}


NODES = (Voter(0, "pub2", address("192.0.2.12")), Voter(1, "pub3", address("192.0.2.13")))
WITNESS = Voter(2, "mon", address("192.0.2.9"), is_witness=True)
CONFIG = ClusterConfig("web", NODES, WITNESS, (Group("www", ("pub2", "pub3")),))


def read(me=NODES[0], **request):
    return OrderReader(CONFIG, me).read(request, 7, "root")


def test_switch_becomes_an_event_that_will_be_answered():
    wanted = ToCore(ev.SwitchOrdered(7, "www", "pub3", "root"), is_answered=True)
    assert read(order="switch", group="www", target="pub3") == wanted


def test_switch_without_a_target_leaves_the_choice_to_the_core():
    assert read(order="switch", group="www") == ToCore(ev.SwitchOrdered(7, "www", "", "root"), True)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"order": "dance"}, "'dance' is no order"),
        ({"order": ["switch"]}, "is no order"),
        ({}, "None is no order"),
        ({"order": "switch", "group": "web"}, "'web' is no group of this cluster; there are: www"),
        ({"order": "switch", "group": "www", "target": "pub9"}, "'pub9' is no Node"),
        ({"order": "switch", "group": "www", "target": "mon"}, "'mon' is no Node"),
        ({"order": "switch", "group": 5}, "group: 5 is no short text"),
        ({"order": "maintenance", "remaining_ns": -1, "why": "x"}, "up to seven days"),
        ({"order": "maintenance", "remaining_ns": True, "why": "x"}, "up to seven days"),
        ({"order": "maintenance", "remaining_ns": 10}, "needs a reason"),
        ({"order": "clear-block", "group": "_reporter"}, "is no group"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(request_, sentence):
    with pytest.raises(ControlError, match=sentence):
        OrderReader(CONFIG, NODES[0]).read(request_, 7, "root")


def test_maintenance_carries_length_reason_and_who():
    order = read(order="maintenance", remaining_ns=10, why="disks")
    assert order == ToCore(ev.MaintenanceOrdered(MaintenanceNote(0, 10, "disks", "root")))
    assert read(order="maintenance", remaining_ns=0) == ToCore(
        ev.MaintenanceOrdered(MaintenanceNote(0, 0, "", "root"))
    )


@pytest.mark.parametrize("verb", ["standby", "online", "clear-block"])
def test_witness_takes_no_order_about_groups_of_its_own(verb):
    with pytest.raises(ControlError, match="the Witness owns no groups"):
        read(me=WITNESS, order=verb, group="www")


def test_standby_and_online_are_two_sides_of_one_event():
    assert read(order="standby") == ToCore(ev.StandbyOrdered(True, "root"))
    assert read(order="online") == ToCore(ev.StandbyOrdered(False, "root"))


def test_stop_and_restart_are_the_guards_matter():
    assert read(order="stop") == ToGuard("stop-asked")
    assert read(order="restart") == ToGuard("restart-asked")


def test_status_is_the_view():
    assert read(order="status") == ShowView()


def test_a_fence_needs_a_reason_and_its_answer_may_take_as_long_as_the_devices():
    devices = (FenceDevice("ipmi", "/fence", timeout_ns=20 * SECOND),)
    fencing = Fencing(devices, {"pub3": ((FenceStep("ipmi"),),)})
    reader = OrderReader(replace(CONFIG, fencing=fencing), NODES[0])
    order = reader.read({"order": "fence", "node": "pub3", "why": "smoke"}, 7, "anna")
    assert order.event == ev.FenceOrdered(7, "pub3", "smoke", "anna")
    assert order.is_answered
    assert order.answer_ns > 40 * SECOND
    with pytest.raises(ControlError, match="needs a reason"):
        reader.read({"order": "fence", "node": "pub3"}, 7, "anna")
    with pytest.raises(ControlError, match="'mon' is no Node"):
        reader.read({"order": "fence", "node": "mon", "why": "smoke"}, 7, "anna")


def test_a_confirmation_carries_who_and_how_it_is_known():
    assert read(order="confirm-fenced", node="pub3", why="unplugged") == ToCore(
        ev.FenceConfirmed(7, "pub3", "unplugged", "root"), is_answered=True
    )
    assert read(order="confirm-fenced", node="pub3").event.why == "seen to be off"
