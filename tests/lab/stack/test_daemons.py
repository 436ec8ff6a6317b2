"""Daemons inside a host: found again, stopped, and reported with their last words when they fail."""

import pytest

from ha_monitor.lab.stack import daemons
from ha_monitor.lab.stack.daemons import Daemon
from ha_monitor.lab.stack.hosts import StackError

pytestmark = pytest.mark.stack


@pytest.fixture
def host(stack_lab):
    return stack_lab.host("arp")


def test_daemon_that_ends_at_once_is_reported_with_its_last_words(host):
    dies = Daemon("dies", ("sh", "-c", "echo no such luck; exit 3"), ready="false")
    with pytest.raises(StackError, match=r"(?s)ended by itself.*no such luck"):
        daemons.start(host, dies)


def test_daemon_that_is_never_ready_is_reported_and_can_be_stopped(host):
    idle = Daemon("idle", ("sleep", "60"), ready="false", ready_within_s=1)
    with pytest.raises(StackError, match="not ready within 1 s"):
        daemons.start(host, idle)
    assert daemons.is_running(host, idle)
    daemons.stop(host, idle)
    assert not daemons.is_running(host, idle)


def test_daemon_that_runs_is_not_started_a_second_time(host):
    idle = Daemon("once", ("sleep", "60"), ready="true")
    daemons.start(host, idle)
    daemons.start(host, idle)
    assert len([each for each in host.processes() if each.argv == ("sleep", "60")]) == 1
    daemons.stop(host, idle)


def test_daemon_that_ignores_its_stop_signal_is_killed(host):
    deaf = Daemon("deaf", ("sh", "-c", "trap '' TERM; sleep 60 & wait"), ready="true", stop_within_s=1)
    daemons.start(host, deaf)
    daemons.stop(host, deaf)
    assert not daemons.is_running(host, deaf)


def test_number_that_another_process_has_now_is_not_taken_for_the_daemon(host):
    stranger = host.exec(["sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!"]).stdout.strip()
    host.path(f"{daemons.PID_DIR}/old.pid").write_text(f"{stranger} 1\n")
    old = Daemon("old", ("sleep", "60"), ready="true")
    assert not daemons.is_running(host, old)
    daemons.stop(host, old)
    assert host.exec(["kill", "-0", stranger], check=False).returncode == 0
    host.exec(["kill", stranger])
