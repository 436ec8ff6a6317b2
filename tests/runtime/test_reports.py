"""A full socket costs no report; a bound holds."""

from ha_monitor.core.events import ResourceReported
from ha_monitor.model import ResourceState
from ha_monitor.runtime.reports import PENDING_MAX, Reports


class Socket:
    """Takes packets while it has room."""

    def __init__(self, room):
        self.room, self.sent = room, []

    def send(self, packet):
        if len(self.sent) >= self.room:
            return False
        self.sent.append((packet["resource"], packet["operation"], packet["operation_id"], packet["state"]))
        return True


def report(resource="web", state=ResourceState.RUNNING, operation="probe", ident=0):
    return ResourceReported("www", resource, state, operation, ident, 5)


def test_reports_wait_for_room_and_go_out_in_order():
    socket = Socket(room=1)
    reports = Reports(socket.send)
    reports.add(report("a"))
    reports.add(report("b", operation="stop", ident=7, state=ResourceState.STOPPED))
    reports.add(report("c"))
    assert len(reports) == 2
    socket.room = 9
    reports.flush()
    assert socket.sent == [
        ("a", "probe", 0, "running"),
        ("b", "stop", 7, "stopped"),
        ("c", "probe", 0, "running"),
    ]


def test_newer_probe_takes_the_place_of_an_unsent_one_behind_what_came_between():
    socket = Socket(room=0)
    reports = Reports(socket.send)
    reports.add(report(state=ResourceState.RUNNING))
    reports.add(report(operation="stop", ident=7, state=ResourceState.STOPPED))
    reports.add(report(state=ResourceState.STOPPED))
    socket.room = 9
    reports.flush()
    assert socket.sent == [("web", "stop", 7, "stopped"), ("web", "probe", 0, "stopped")]


def test_pending_reports_are_bounded_and_the_dropped_ones_counted():
    reports = Reports(Socket(room=0).send)
    for number in range(PENDING_MAX + 3):
        reports.add(report(operation="start", ident=number + 1))
    assert (len(reports), reports.dropped) == (PENDING_MAX, 3)
