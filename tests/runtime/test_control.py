"""The control sockets with real sockets and a clock of ours: answers, bounds, names."""

import json
import os
import socket

import pytest

from ha_monitor.core import events as ev
from ha_monitor.runtime import control
from ha_monitor.runtime.orders import OrderReader
from tests.runtime.fakes import Clock, RecordingChannel
from tests.runtime.test_orders import CONFIG, NODES


class Hall:
    """A server, and clients that connect to it."""

    def __init__(self, directory):
        self.clock = Clock()
        self.events = []
        self.guard = RecordingChannel()
        self.paths = {name: str(directory / name) for name in ("control", "status")}
        listeners = [self._listen(path) for path in self.paths.values()]
        self.server = control.ControlServer(
            *listeners,
            OrderReader(CONFIG, NODES[0]),
            lambda at_ns: json.dumps({"at": at_ns}).encode(),
            self.events.append,
            self.guard,
            self.clock,
            {os.getuid(): "operator"},
        )

    def _listen(self, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        sock.listen(64)
        sock.setblocking(False)
        return sock

    def connect(self, name="control", line=b""):
        client = socket.socket(socket.AF_UNIX)
        client.connect(self.paths[name])
        client.settimeout(2)
        if line:
            client.sendall(line)
        return client

    def serve(self):
        """Everything that is readable, once."""
        import select

        readable, _, _ = select.select(list(self.server.filenos()), [], [], 0)
        for fileno in readable:
            self.server.take(fileno)

    def order(self, **request):
        client = self.connect(line=json.dumps(request).encode() + b"\n")
        self.serve()
        self.serve()
        return client


@pytest.fixture
def hall(tmp_path):
    return Hall(tmp_path)


def answer(client):
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return json.loads(b"".join(parts))


def test_whoever_connects_to_status_gets_the_view_without_asking(hall):
    hall.clock.now_ns = 5
    client = hall.connect("status")
    hall.serve()
    assert answer(client) == {"at": 5}


def test_order_that_the_core_answers_waits_for_that_answer(hall):
    client = hall.order(order="switch", group="www")
    (event,) = hall.events
    assert (event.group, event.who) == ("www", "operator")
    hall.server.answer_order(event.order_id + 1, True, "somebody else's")
    hall.server.answer_order(event.order_id, True, "handing over")
    assert answer(client) == {"ok": True, "reason": "handing over"}


def test_order_numbers_never_repeat_even_when_the_clock_stands(hall):
    hall.order(order="switch", group="www")
    hall.order(order="switch", group="www")
    first, second = (event.order_id for event in hall.events)
    assert second > first


def test_order_without_an_answer_of_the_core_is_confirmed_at_once(hall):
    client = hall.order(order="standby")
    assert hall.events == [ev.StandbyOrdered(True, "operator")]
    assert answer(client)["ok"] is True


def test_refusal_names_the_reason(hall):
    client = hall.order(order="switch", group="nope")
    assert answer(client)["ok"] is False
    assert hall.events == []


@pytest.mark.parametrize("line", [b"nonsense\n", b"[]\n", b"\xff\xfe\n"])
def test_what_is_no_object_is_refused(hall, line):
    client = hall.connect(line=line)
    hall.serve()
    hall.serve()
    assert "one line with a JSON object" in answer(client)["reason"]


def test_restart_goes_to_the_guard_and_its_refusal_comes_back(hall):
    client = hall.order(order="restart")
    assert hall.guard.sent == [{"kind": "restart-asked", "who": "operator"}]
    hall.server.answer_guard_orders(False, "[nodes]: 'pub2' is missing")
    assert answer(client) == {"ok": False, "reason": "[nodes]: 'pub2' is missing"}


def test_client_that_says_nothing_is_dropped_after_its_time(hall):
    client = hall.connect()
    hall.serve()
    hall.clock.now_ns = control.IDLE_NS - 1
    hall.server.tick(hall.clock())
    assert hall.server.turned_away == 0
    hall.clock.now_ns = control.IDLE_NS
    assert hall.server.next_deadline_ns() == control.IDLE_NS
    hall.server.tick(hall.clock())
    assert client.recv(10) == b""
    assert hall.server.turned_away == 1


def test_request_without_end_is_dropped(hall):
    client = hall.connect(line=b"x" * 60_000)
    hall.serve()
    hall.serve()
    client.sendall(b"y" * 60_000)
    hall.serve()
    hall.serve()
    assert hall.events == []
    assert len(hall.server.filenos()) == 2  # the listeners alone


def test_more_clients_than_the_bound_wait_outside(hall):
    clients = [hall.connect() for _ in range(control.CLIENTS_MAX + 3)]
    for _ in clients:
        hall.serve()
    assert len(hall.server.filenos()) == control.CLIENTS_MAX + 1  # no control listener while full
    clients[0].close()
    hall.serve()
    assert len(hall.server.filenos()) == control.CLIENTS_MAX + 1


def test_flood_of_askers_gets_a_bounded_number_of_answers_per_slot(hall):
    clients = [hall.connect("status") for _ in range(control.STATUS_PER_SLOT + 3)]
    for _ in clients:
        hall.serve()
    served = [client for client in clients if _is_answered(client)]
    assert len(served) == control.STATUS_PER_SLOT
    hall.clock.now_ns += control.SLOT_NS
    for _ in range(3):
        hall.serve()
    assert len([client for client in clients if _is_answered(client)]) == 3


def _is_answered(client):
    client.setblocking(False)
    try:
        return bool(client.recv(1000))
    except BlockingIOError:
        return False


def test_local_users_are_named_and_others_numbered(tmp_path):
    passwd = tmp_path / "passwd"
    passwd.write_text("root:x:0:0::/root:/bin/sh\nbroken\njane:x:1000:1000::/:/bin/sh\n")
    assert control.user_names(passwd) == {0: "root", 1000: "jane"}
    assert control.user_names(tmp_path / "missing") == {}
