"""A command Resource with real small programs: believed is only what its status line says."""

import asyncio
import os
import signal

import pytest

from ha_monitor.agents.base import Answer, Surroundings
from ha_monitor.agents.command import CommandAgent, own_scope, read_pidfile
from ha_monitor.model import Ballot, Resource, ResourceKind, ResourceState
from ha_monitor.timebase import MS, SECOND
from tests.agents.processes import daemon_lines

HERE = Surroundings("www", "pub2", Ballot(3, 0, 1))


@pytest.fixture
def daemon(tmp_path):
    yield daemon_lines(tmp_path)
    pid = read_pidfile(str(tmp_path / "web.pid"))
    if pid:
        os.kill(pid, signal.SIGKILL)


def agent(tmp_path, **lines):
    defaults = {"start_timeout_ns": SECOND, "stop_timeout_ns": SECOND, "status_timeout_ns": SECOND}
    resource = Resource("web", ResourceKind.COMMAND, **{**defaults, **lines})
    return CommandAgent(resource, tmp_path / "output")


def test_daemon_is_started_once_and_stopped(tmp_path, daemon):
    web = agent(tmp_path, **daemon)
    assert asyncio.run(web.status(HERE)).state is ResourceState.STOPPED
    assert asyncio.run(web.start(HERE)).state is ResourceState.RUNNING
    pid = web.main_pid()
    assert asyncio.run(web.start(HERE)) == Answer(ResourceState.RUNNING, "ran already")
    assert web.main_pid() == pid > 0
    assert asyncio.run(web.stop(HERE)).state is ResourceState.STOPPED
    assert web.main_pid() == 0


def test_stop_that_says_success_is_not_believed_while_status_says_running(tmp_path):
    liar = agent(tmp_path, stop="true", status="true", stop_timeout_ns=100 * MS)
    assert asyncio.run(liar.stop(HERE)) == Answer(
        ResourceState.FAILED, "stop exited 0, but status says running"
    )


def test_stop_that_fails_is_proved_by_status_alone(tmp_path):
    answer = asyncio.run(agent(tmp_path, stop="exit 1", status="exit 3").stop(HERE))
    assert answer.state is ResourceState.STOPPED


def test_stop_that_hangs_is_ended_and_is_a_failure(tmp_path):
    hanging = agent(tmp_path, stop="sleep 60", status="true", stop_timeout_ns=100 * MS)
    assert asyncio.run(hanging.stop(HERE)) == Answer(ResourceState.FAILED, "stop did not end within 0.1 s")


def test_start_that_says_success_is_not_believed_while_status_says_stopped(tmp_path):
    liar = agent(tmp_path, start="true", status="exit 3", start_timeout_ns=100 * MS)
    assert asyncio.run(liar.start(HERE)) == Answer(
        ResourceState.FAILED, "start exited 0, but status says stopped"
    )


def test_failed_start_says_why_in_its_first_line(tmp_path):
    failing = agent(tmp_path, start="echo bad config >&2; echo more; exit 6", status="exit 3")
    assert asyncio.run(failing.start(HERE)) == Answer(ResourceState.FAILED, "start exited 6: bad config")


def test_status_without_an_answer_in_time_is_unknown(tmp_path):
    answer = asyncio.run(agent(tmp_path, status="sleep 60", status_timeout_ns=50 * MS).status(HERE))
    assert answer == Answer(ResourceState.UNKNOWN, "status did not end within 0.05 s")


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        ("exit 1", "status exited 1"),
        ("no_such_program", "status exited 127: /bin/sh: 1: no_such_program: not found"),
        ("kill -9 $$", "status was ended by signal 9"),
    ],
)
def test_other_answers_of_status_are_failures_with_a_reason(tmp_path, status, detail):
    answer = asyncio.run(agent(tmp_path, status=status).status(HERE))
    assert answer == Answer(ResourceState.FAILED, detail)


def test_lines_see_group_node_resource_and_epoch(tmp_path):
    show = 'echo "$HA_MONITOR_GROUP $HA_MONITOR_NODE $HA_MONITOR_RESOURCE $HA_MONITOR_EPOCH"'
    answer = asyncio.run(agent(tmp_path, status=show).status(HERE))
    assert answer.detail == "www pub2 web 00000000000000000003.000.00000000000000000001"


def test_pidfile_with_something_else_in_it_names_no_process(tmp_path):
    (tmp_path / "pid").write_text("4711\n")
    assert read_pidfile(str(tmp_path / "pid")) == 4711
    (tmp_path / "pid").write_text("-1\n")
    assert read_pidfile(str(tmp_path / "pid")) == 0
    assert read_pidfile(str(tmp_path / "missing")) == 0
    assert read_pidfile("") == 0


def test_daemon_is_put_outside_our_own_unit_only_when_systemd_started_us():
    assert own_scope("web", {}) == []
