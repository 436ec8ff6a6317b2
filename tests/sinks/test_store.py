"""The outbox's disk: it keeps order and bounds, and outlives damage and a full disk."""

import os
import sqlite3
import threading

import pytest

from ha_monitor.errors import SinkError
from ha_monitor.publish.outbox import NAGIOS, ZABBIX, Parcel, Policy
from ha_monitor.sinks.store import Outbox
from ha_monitor.timebase import SECOND


def state(slot, at_ns, body=""):
    return Parcel(f"{slot}\ts", at_ns, body or f"{slot}@{at_ns}")


def event(at_ns, ident=""):
    return Parcel("web\tevent", at_ns, f"event@{at_ns}", ident or f"e{at_ns}")


@pytest.fixture
def zabbix(tmp_path):
    box = Outbox(tmp_path / "outbox" / "zabbix.sqlite", ZABBIX)
    yield box
    box.close()


@pytest.fixture
def nagios(tmp_path):
    box = Outbox(tmp_path / "nagios.sqlite", NAGIOS)
    yield box
    box.close()


def bodies(box, at_ns=10**18, size=1000):
    return [w.parcel.body for w in box.batch(size, at_ns)]


def test_parcels_leave_in_the_order_of_their_stamps_across_a_restart(zabbix):
    zabbix.put([state("a", 3), event(1), state("b", 2)])
    zabbix.close()
    again = Outbox(zabbix.path, ZABBIX)
    assert bodies(again) == ["event@1", "b@2", "a@3"]
    again.close()


def test_the_file_is_for_its_owner_alone(zabbix):
    assert os.stat(zabbix.path).st_mode & 0o077 == 0
    assert os.stat(zabbix.path.parent).st_mode & 0o077 == 0


def test_nagios_keeps_the_newest_state_of_a_service_and_all_transitions(nagios):
    for at in range(5):
        nagios.put([state("a", at), event(at)])
    assert bodies(nagios) == ["event@0", "event@1", "event@2", "event@3", "a@4", "event@4"]


def test_a_transition_is_kept_once_also_after_it_was_sent(nagios):
    nagios.put([event(1), event(1)])
    nagios.put([event(1)])
    assert bodies(nagios) == ["event@1"]
    nagios.taken([w.row for w in nagios.batch(10, 0)])
    nagios.put([event(1)])
    assert bodies(nagios) == []


def test_what_was_taken_is_gone_and_the_rest_waits(zabbix):
    zabbix.put([state("a", 1), state("a", 2)])
    (first, _) = zabbix.batch(10, 0)
    zabbix.taken([first.row])
    assert bodies(zabbix) == ["a@2"]


def test_a_newer_state_that_came_while_the_older_was_sent_stays(nagios):
    nagios.put([state("a", 1)])
    batch = nagios.batch(10, 0)
    nagios.put([state("a", 2)])
    nagios.taken([w.row for w in batch])
    assert bodies(nagios) == ["a@2"]


def test_a_refused_state_is_tried_again_later_and_then_given_up(zabbix):
    zabbix.put([state("a", 1)])
    now = 0
    for tries in range(1, 6):
        (waiting,) = zabbix.batch(10, now)
        zabbix.refuse([waiting.row], now)
        assert bodies(zabbix, now) == []
        assert zabbix.depth(now).parked == 1
        now += 2 ** (tries - 1) * SECOND
    assert zabbix.refused == 0
    zabbix.refuse([w.row for w in zabbix.batch(10, now)], now)
    assert (zabbix.refused, zabbix.depth(now).queue) == (1, 0)


def test_a_refused_transition_is_never_given_up_and_counted_once(zabbix):
    zabbix.put([event(1)])
    now = 0
    for _ in range(20):
        now += 3600 * SECOND
        zabbix.refuse([w.row for w in zabbix.batch(10, now)], now)
    assert (zabbix.refused, zabbix.depth(now).queue) == (1, 1)


def test_states_are_thinned_at_their_bound_and_transitions_are_not(tmp_path):
    box = Outbox(tmp_path / "z.sqlite", Policy(True, states_max=100, transitions_max=50))
    for at in range(400):
        box.put([state("a", at)])
        if at % 10 == 0:
            box.put([event(at)])
    left = bodies(box)
    assert sum(body.startswith("event") for body in left) == 40
    assert sum(body.startswith("a@") for body in left) <= 120
    assert left[-1] == "a@399"
    assert box.dropped >= 280
    box.close()


def test_transitions_beyond_their_bound_go_oldest_first_and_are_counted(tmp_path):
    box = Outbox(tmp_path / "z.sqlite", Policy(True, transitions_max=10))
    for at in range(64):
        box.put([event(at)])
    left = bodies(box)
    assert left[-1] == "event@63"
    assert len(left) <= 10 + 16
    assert box.dropped == 64 - len(left)
    box.close()


def test_bytes_are_bounded_too(tmp_path):
    box = Outbox(tmp_path / "z.sqlite", Policy(True, bytes_max=100_000))
    for at in range(200):
        box.put([state("a", at, "x" * 5000)])
    assert sum(len(body) for body in bodies(box)) <= 200_000
    assert box.dropped > 0
    box.close()


def test_what_somebody_else_tells_now_is_forgotten_and_transitions_stay(nagios):
    nagios.put([state("web", 1), state("web2", 1), state("pub2", 1), event(1)])
    nagios.forget_states("web")
    assert sorted(bodies(nagios)) == ["event@1", "pub2@1", "web2@1"]


def test_depth_tells_how_many_and_how_old(zabbix):
    assert (zabbix.depth(0).queue, zabbix.depth(0).oldest_ns) == (0, 0)
    zabbix.put([state("a", 7), state("a", 5)])
    assert (zabbix.depth(0).queue, zabbix.depth(0).oldest_ns) == (2, 5)


@pytest.mark.parametrize(
    "damage",
    [b"no database at all, but long enough to be read as one" * 40, b"SQLite format 3\0" + b"\xff" * 5000],
)
def test_a_damaged_file_is_put_aside_and_a_new_one_begun(tmp_path, damage):
    path = tmp_path / "z.sqlite"
    path.write_bytes(damage)
    box = Outbox(path, ZABBIX)
    box.put([event(1)])
    assert bodies(box) == ["event@1"]
    assert box.damaged == 1
    assert path.with_suffix(".damaged").read_bytes() == damage
    box.close()


def test_a_file_that_is_damaged_while_open_is_replaced_and_the_caller_told(tmp_path):
    path = tmp_path / "z.sqlite"
    box = Outbox(path, ZABBIX)
    for at in range(200):
        box.put([state("a", at, "x" * 2000)])
    box._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    box._db.execute("PRAGMA cache_size=1")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with pytest.raises(SinkError, match="damaged"):
        bodies(box)
    box.put([event(1)])
    assert bodies(box) == ["event@1"]
    assert box.damaged == 1
    box.close()


def test_a_full_disk_costs_states_and_refuses_transitions(tmp_path):
    box = Outbox(tmp_path / "z.sqlite", ZABBIX)
    box.put([state("a", 1)])
    pages = box._db.execute("PRAGMA page_count").fetchone()[0]
    box._db.execute(f"PRAGMA max_page_count={pages}")  # sqlite then says "database or disk is full"
    with pytest.raises(SinkError, match="full"):
        box.put([state("a", 2, "x" * 50_000), event(2)])
    assert box.dropped == 1
    assert bodies(box) == ["a@1"]
    box._db.execute("PRAGMA max_page_count=1000000")
    box.put([event(2)])
    assert bodies(box) == ["a@1", "event@2"]
    box.close()


def test_threads_share_it(zabbix):
    def put(thread):
        for at in range(50):
            zabbix.put([event(at, f"{thread}-{at}")])

    threads = [threading.Thread(target=put, args=(n,)) for n in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert zabbix.depth(0).queue == 200


def test_another_process_that_holds_the_file_is_an_error_and_no_hang(zabbix):
    other = sqlite3.connect(zabbix.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(SinkError, match="locked"):
        zabbix.put([event(1)])
    other.execute("ROLLBACK")
    other.close()
    zabbix.put([event(1)])
    assert bodies(zabbix) == ["event@1"]


def test_a_file_that_may_not_be_opened_is_an_error_and_stays(tmp_path):
    path = tmp_path / "z.sqlite"
    path.mkdir()
    with pytest.raises(SinkError, match="unable to open"):
        Outbox(path, ZABBIX)
    assert path.is_dir()
