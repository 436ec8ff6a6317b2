"""The worker as a real process with real small daemons behind it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from ha_monitor.agents.command import read_pidfile
from ha_monitor.model import ClusterConfig, Group, Resource, ResourceKind, Run, Voter
from ha_monitor.plain import to_plain
from ha_monitor.runtime import ipc
from ha_monitor.timebase import MS, SECOND
from tests.agents.processes import daemon_lines, is_alive, wait_gone


def daemon_resource(directory, name="web", **more):
    settings = {**daemon_lines(directory, name), "status_interval_ns": 3600 * SECOND, **more}
    return Resource(name, ResourceKind.COMMAND, Run.OWNER, **settings)


def config_with(*resources):
    nodes = (Voter(0, "pub2", {}), Voter(1, "pub3", {}))
    return ClusterConfig("web", nodes, None, (Group("www", ("pub2", "pub3"), resources),))


class WorkerProcess:
    """A worker and the core's end of its channel."""

    def __init__(self, config, run_dir):
        ours, theirs = ipc.make_pair()
        self.channel = ipc.Channel(ours)
        config_fd = ipc.text_fd("config", json.dumps(to_plain(config)).encode())
        environment = {
            **os.environ,
            ipc.CORE_FD: str(theirs.fileno()),
            ipc.CONFIG_FD: str(config_fd),
            ipc.SELF_NAME: "pub2",
            "HA_MONITOR_RUN": str(run_dir),
        }
        command = [sys.executable, "-m", "ha_monitor.runtime.worker"]
        self.process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno(), config_fd])
        theirs.close()
        os.close(config_fd)
        self.seen = []

    def order(self, kind, ident, resource="web", **more):
        self.channel.send({"kind": kind, "group": "www", "resource": resource, "operation_id": ident, **more})

    def await_(self, within_s=10, **wanted):
        """The next message with these members."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            self.seen += self.channel.receive()
            while self.seen:
                message = self.seen.pop(0)
                if all(message.get(key) == value for key, value in wanted.items()):
                    return message
            time.sleep(0.001)
        raise AssertionError(f"no message with {wanted}")

    def await_report(self, state, **wanted):
        return self.await_(kind="report", state=state, **wanted)


@pytest.fixture
def started(tmp_path):
    """Starts workers; ends them and every daemon that left a pidfile."""
    workers = []

    def start(*resources):
        workers.append(WorkerProcess(config_with(*resources), tmp_path / "run"))
        return workers[-1]

    yield start
    for worker in workers:
        worker.process.kill()
        worker.process.wait()
    for pidfile in tmp_path.glob("*.pid"):
        pid = read_pidfile(str(pidfile))
        if pid and is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_start_stop_and_probe_are_answered_under_their_numbers(started, tmp_path):
    worker = started(daemon_resource(tmp_path))
    worker.await_report("stopped", operation_id=0)
    worker.order("start", 7, epoch=[3, 0, 9])
    report = worker.await_report("running", operation_id=7)
    assert (report["operation"], report["group"], report["resource"]) == ("start", "www", "web")
    assert 0 < report["took_ns"] < 5 * SECOND
    worker.order("probe", 8)
    worker.await_report("running", operation="probe", operation_id=8)
    worker.order("stop", 9)
    worker.await_report("stopped", operation="stop", operation_id=9)


def test_exit_of_a_daemon_is_told_without_waiting_for_the_next_probe(started, tmp_path):
    worker = started(daemon_resource(tmp_path))
    worker.order("start", 1)
    worker.await_report("running", operation_id=1)
    # The next periodic probe is an hour away.
    os.kill(read_pidfile(str(tmp_path / "web.pid")), signal.SIGKILL)
    began = time.monotonic()
    report = worker.await_report("failed", operation="probe", operation_id=0)
    assert time.monotonic() - began < 15
    assert report["detail"] == "status exited 1"


def test_daemon_outlives_the_worker_and_the_next_worker_finds_it(started, tmp_path):
    first = started(daemon_resource(tmp_path))
    first.order("start", 1)
    first.await_report("running", operation_id=1)
    pid = read_pidfile(str(tmp_path / "web.pid"))
    first.process.kill()
    first.process.wait()
    assert is_alive(pid)
    second = started(daemon_resource(tmp_path))
    second.await_report("running", operation_id=0)
    second.order("start", 2)
    assert second.await_report("running", operation_id=2)["detail"] == "ran already"
    assert read_pidfile(str(tmp_path / "web.pid")) == pid


def test_worker_ends_when_its_channel_is_closed_and_ends_what_was_under_way(started, tmp_path):
    slow = daemon_resource(tmp_path, start=f"echo $$ > {tmp_path}/slow.pid; sleep 300")
    worker = started(slow)
    worker.order("start", 1)
    deadline = time.monotonic() + 5
    while not (pid := read_pidfile(str(tmp_path / "slow.pid"))) and time.monotonic() < deadline:
        time.sleep(0.01)
    worker.channel.close()
    assert worker.process.wait(10) == 0
    assert wait_gone(pid)


def test_ping_is_answered_while_an_operation_is_under_way(started, tmp_path):
    worker = started(daemon_resource(tmp_path, start="sleep 300", start_timeout_ns=60 * SECOND))
    worker.order("start", 1)
    worker.channel.send({"kind": "ping", "number": 41})
    assert worker.await_(kind="pong")["number"] == 41


def test_unknown_orders_change_nothing(started, tmp_path):
    worker = started(daemon_resource(tmp_path))
    worker.order("start", 1, resource="nobody")
    worker.order("dance", 2)
    worker.order("probe", 3)
    worker.await_report("stopped", operation_id=3)


def test_probes_recur_at_their_interval(started, tmp_path):
    worker = started(daemon_resource(tmp_path, status_interval_ns=100 * MS))
    for _ in range(4):
        worker.await_report("stopped", operation_id=0)


def test_resource_expected_to_run_is_probed_as_often_as_its_interval_says(started, tmp_path):
    worker = started(daemon_resource(tmp_path, status_interval_ns=200 * MS))
    worker.await_report("stopped", operation_id=0)
    worker.channel.send({"kind": "note", "group": "www", "resource": "web", "expected": "stopped"})
    began = time.monotonic()
    for _ in range(3):
        worker.await_report("stopped", operation_id=0)
    assert time.monotonic() - began > 1.0  # a fifth as often, after the one that was due already
