"""Couriers: independent of each other, in order, backing off, forgetting nothing."""

import threading
import time

import pytest

from ha_monitor.errors import SinkError
from ha_monitor.publish.outbox import NAGIOS, ZABBIX, Delivery, Parcel
from ha_monitor.sinks.base import AtOnce
from ha_monitor.sinks.courier import BACK_OFF_MAX_S, BackOff, Courier
from ha_monitor.sinks.store import Outbox
from ha_monitor.timebase import SECOND


class Recorder(AtOnce):
    """A sink that does what it is told."""

    name, kind, policy, batch_max = "zabbix", "test", ZABBIX, 10

    def __init__(self):
        self.got, self.refuse, self.error, self.hang = [], set(), None, threading.Event()
        self.hang.set()

    def send(self, batch):
        self.hang.wait(30)
        if self.error:
            raise SinkError(self.error)
        taken = [w for w in batch if w.parcel.body not in self.refuse]
        self.got += [w.parcel.body for w in taken]
        return Delivery(
            tuple(w.row for w in taken), tuple(w.row for w in batch if w.parcel.body in self.refuse), "said"
        )


@pytest.fixture
def world(tmp_path):
    sink, box, clock = Recorder(), Outbox(tmp_path / "z.sqlite", ZABBIX), [100 * SECOND]
    courier = Courier(sink, box, lambda: clock[0], lambda: 0.5)
    yield sink, box, clock, courier
    sink.hang.set()
    courier._stopping.set()
    box.close()


def state(n):
    return Parcel("web\ta", n * SECOND, f"s{n}")


def test_everything_is_carried_in_order_and_counted(world):
    sink, box, _, courier = world
    box.put([state(n) for n in range(25)])
    assert [courier.carry_once() for _ in range(4)] == [True, True, False, False]
    assert sink.got == [f"s{n}" for n in range(25)]
    view = courier.view(100 * SECOND)
    assert (view.sent, view.queue, view.state, view.delay_s) == (25, 0, "ok", 76.0)


def test_a_failure_takes_nothing_and_is_told(world):
    sink, box, clock, courier = world
    box.put([state(1)])
    sink.error = "server: away"
    courier.start()
    deadline = time.monotonic() + 30
    while courier.view(clock[0]).state != "down" and time.monotonic() < deadline:
        time.sleep(0.01)
    view = courier.view(clock[0])
    assert (view.state, view.queue, view.oldest_s, view.detail) == ("down", 1, 99, "server: away")
    sink.error = None
    while courier.view(clock[0]).queue and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sink.got == ["s1"]
    courier.stop(2)


def test_refused_ones_wait_and_others_pass_them(world):
    sink, box, clock, courier = world
    box.put([state(1), state(2)])
    sink.refuse = {"s1"}
    courier.carry_once()
    assert (sink.got, box.depth(clock[0]).parked) == (["s2"], 1)
    sink.refuse = set()
    courier.carry_once()
    assert sink.got == ["s2"]
    clock[0] += 2 * SECOND
    courier.carry_once()
    assert sink.got == ["s2", "s1"]


def test_what_the_disk_did_not_let_us_note_is_not_sent_again(world, monkeypatch):
    sink, box, _, courier = world
    box.put([state(1)])
    note = box.taken

    def full(rows):
        raise SinkError("disk is full")

    monkeypatch.setattr(box, "taken", full)
    with pytest.raises(SinkError):
        courier.carry_once()
    with pytest.raises(SinkError):
        courier.carry_once()
    monkeypatch.setattr(box, "taken", note)
    courier.carry_once()
    assert sink.got == ["s1"]


def test_a_parcel_that_nobody_can_read_does_not_block_the_others(world, monkeypatch):
    sink, box, _, courier = world
    box.put([state(1), state(2)])
    send = sink.send

    def picky(batch):
        if any(w.parcel.body == "s1" for w in batch):
            raise ValueError("no check result")
        return send(batch)

    monkeypatch.setattr(sink, "send", picky)
    courier.carry_once()
    courier.carry_once()
    assert sink.got == ["s2"]


def test_old_parcels_make_a_backlog(world):
    _, box, clock, courier = world
    box.put([state(100)])
    assert courier.view(clock[0]).state == "ok"
    assert courier.view(clock[0] + 31 * SECOND).state == "backlog"


def test_a_sink_that_hangs_holds_up_nobody_else(world, tmp_path):
    sink, box, clock, courier = world
    sink.hang.clear()
    other, other_box = Recorder(), Outbox(tmp_path / "n.sqlite", NAGIOS)
    second = Courier(other, other_box, lambda: clock[0])
    for each, outbox in ((courier, box), (second, other_box)):
        outbox.put([state(1)])
        each.start()
        each.wake()
    deadline = time.monotonic() + 30
    while not other.got and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (other.got, sink.got) == (["s1"], [])
    began = time.monotonic()
    courier.stop(0.2)
    assert time.monotonic() - began < 3
    second.stop(2)
    other_box.close()


def test_stopping_empties_the_outbox_first(world):
    sink, box, _, courier = world
    box.put([state(n) for n in range(35)])
    courier.start()
    courier.stop(5)
    assert len(sink.got) == 35


def test_back_off_doubles_to_its_bound_with_jitter_and_starts_anew():
    back_off = BackOff()
    waits = [back_off.failed(0.5) for _ in range(10)]
    assert waits[:3] == [0.2, 0.4, 0.8]
    assert waits[-1] == BACK_OFF_MAX_S
    assert back_off.failed(0.0) < back_off.failed(1.0) <= 1.25 * BACK_OFF_MAX_S
    back_off.succeeded()
    assert back_off.failed(0.5) == 0.2


def test_going_down_and_coming_back_are_one_line_each(tmp_path):
    sink, box, said = Recorder(), Outbox(tmp_path / "s.sqlite", ZABBIX), []
    sink.error = "connection refused"
    courier = Courier(sink, box, lambda: 100 * SECOND, lambda: 0.0, said.append)
    box.put([state(1)])
    courier.start()
    try:
        wait_until(lambda: courier.view(100 * SECOND).state == "down")
        time.sleep(0.5)  # several tries
        sink.error = None
        wait_until(lambda: sink.got == ["s1"] and len(said) > 1)
    finally:
        courier.stop(5)
        box.close()
    assert said == [
        "zabbix: down, results wait on disk: connection refused",
        "zabbix: answers again, what waited on disk is sent",
    ]


def wait_until(is_so, within_s=40):
    until = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until, "it did not come to it"
        time.sleep(0.02)
