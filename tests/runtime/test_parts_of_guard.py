"""The guard's small parts: locks, memory, log lines, back-off, the hang watch, failback windows."""

import json
import os
import subprocess
import sys

import pytest

from ha_monitor.errors import PrerequisiteError
from ha_monitor.messages import MaintenanceNote
from ha_monitor.model import ClusterConfig, Failback, FailbackKind, Group
from ha_monitor.runtime.children import BACK_OFF_FIRST_NS, SETTLED_NS, BackOff, end_text
from ha_monitor.runtime.failback_window import is_open, local_minute, windows
from ha_monitor.runtime.hang import HangWatch, patience_ns
from ha_monitor.runtime.instance import ProcessLock
from ha_monitor.runtime.memory import HOLD_UNKNOWN_NS, Memory, load_memory, store_memory
from ha_monitor.runtime.scribe import log_text
from ha_monitor.timebase import MS, SECOND

HOLDER = """
import sys, pathlib
from ha_monitor.runtime.instance import ProcessLock
ProcessLock(pathlib.Path(sys.argv[1])).take("a daemon")
print("held", flush=True)
sys.stdin.read()
"""


def test_second_daemon_is_refused_by_the_pid_of_the_first_until_that_ends(tmp_path):
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    lock = ProcessLock(path)
    with pytest.raises(PrerequisiteError, match=f"a daemon runs on this host already .pid {holder.pid}"):
        lock.take("a daemon")
    holder.kill()
    holder.wait()
    assert lock.try_take()  # the kernel freed it, whatever ended the holder
    assert lock.holder_pid() == 0
    holder.wait()


def test_memory_survives_as_written(tmp_path):
    memory = Memory(counter=7, hold_ns=SECOND, is_standby=True, maintenance_why="disks")
    store_memory(tmp_path, memory)
    assert load_memory(tmp_path) == (memory, True)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"counter": "7"}', '{"unknown": 1}'])
def test_damaged_memory_counts_as_none_and_abstains_longest(tmp_path, text):
    (tmp_path / "memory.json").write_text(text)
    memory, is_known = load_memory(tmp_path)
    assert not is_known
    assert memory.hold_ns == HOLD_UNKNOWN_NS


def test_longest_hold_never_shrinks_under_what_was_granted_before():
    assert Memory(hold_ns=10 * SECOND).with_hold(SECOND, is_known=True).hold_ns == 10 * SECOND
    assert Memory(hold_ns=SECOND).with_hold(10 * SECOND, is_known=True).hold_ns == 10 * SECOND


def test_maintenance_is_remembered_as_an_end_on_the_wall_clock():
    memory = Memory(maintenance_number=3, maintenance_until_ns=100, maintenance_why="w", maintenance_who="me")
    assert memory.maintenance(40) == MaintenanceNote(3, 60, "w", "me")
    assert memory.maintenance(140).remaining_ns == 0


def test_each_saved_thing_changes_its_own_part_of_the_memory():
    memory = Memory(counter=1)
    assert memory.changed({"what": "counter", "counter": 9}) == Memory(counter=9)
    assert memory.changed({"what": "standby", "is_standby": True}) == Memory(counter=1, is_standby=True)
    with pytest.raises(KeyError):
        memory.changed({"what": "nonsense"})


def test_log_line_stays_one_line_and_bears_the_journals_priority():
    assert log_text("error", "a\nb\x1b[2J", is_journal=True) == "<3>a b [2J\n"
    assert log_text("info", "node b", is_journal=False) == "ha-monitor: node b\n"
    assert log_text("warning", "late", is_journal=False) == "ha-monitor: warning: late\n"


def test_short_lives_delay_the_next_start_and_a_long_one_forgives():
    back_off = BackOff()
    back_off.started(0)
    back_off.ended(MS)
    assert back_off.not_before_ns == MS
    back_off.started(MS)
    back_off.ended(2 * MS)
    assert back_off.not_before_ns == 2 * MS + BACK_OFF_FIRST_NS
    back_off.started(SECOND)
    back_off.ended(2 * SECOND + SETTLED_NS)
    assert back_off.not_before_ns == 2 * SECOND + SETTLED_NS
    assert back_off.restarts == 3


def test_ends_are_told_by_name():
    assert (end_text(2), end_text(-9)) == ("exit code 2", "SIGKILL")


def test_core_hangs_after_two_leases_without_a_sign_and_not_before():
    watch = HangWatch(patience_ns(SECOND), tick_ns=100 * MS)
    times = [SECOND + n * 100 * MS for n in range(25)]
    verdicts = [watch.is_hung(at) for at in times]
    assert verdicts.index(True) == 21
    watch.fed()
    assert not watch.is_hung(times[-1] + 100 * MS)


def test_guard_that_slept_itself_accuses_nobody():
    watch = HangWatch(patience_ns(SECOND), tick_ns=100 * MS)
    assert not watch.is_hung(SECOND)
    assert not watch.is_hung(60 * SECOND)


@pytest.mark.parametrize(
    ("window", "minute", "expected"),
    [
        ((120, 300), 119, False),
        ((120, 300), 120, True),
        ((120, 300), 299, True),
        ((120, 300), 300, False),
        ((1380, 60), 1400, True),
        ((1380, 60), 30, True),
        ((1380, 60), 60, False),
    ],
)
def test_failback_window_is_open_from_its_first_minute_to_before_its_last(window, minute, expected):
    assert is_open(window, minute) is expected


def test_local_minute_follows_summer_time(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    try:
        winter, summer = 1_768_500_000, 1_784_138_400  # 2026-01-15 18:00 UTC, 2026-07-15 18:00 UTC
        assert local_minute(winter) == 19 * 60
        assert local_minute(summer) == 20 * 60
    finally:
        monkeypatch.undo()
        time.tzset()


def test_only_groups_with_a_between_policy_have_windows():
    groups = (
        Group("a", ("x",), failback=Failback(FailbackKind.BETWEEN, window=(0, 1440))),
        Group("b", ("x",)),
    )
    assert windows(ClusterConfig("web", (), None, groups), 0.0) == {"a": True}


def test_memory_file_is_for_root_alone(tmp_path):
    store_memory(tmp_path, Memory())
    assert os.stat(tmp_path / "memory.json").st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "memory.json").read_text())["counter"] == 0
