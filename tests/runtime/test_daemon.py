"""Real daemons on loopback: start, hand-over, deaths of each process, restarts, wrong input."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.runtime.cluster import HOSTS, LoopbackCluster, other, owner_is

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="the daemon runs as root"),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Three daemons that every test leaves running and settled."""
    cluster = LoopbackCluster(tmp_path_factory.mktemp("loop"))
    cluster.start()
    cluster.settle()
    yield cluster
    cluster.close()


@pytest.fixture
def idle(tmp_path):
    """Files in place, nothing started."""
    cluster = LoopbackCluster(tmp_path)
    yield cluster
    cluster.close()


def core_of(view):
    return next(process.pid for process in view.processes if process.role == "core")


def modules_of(pid):
    """Shared objects that a process has mapped, from outside the standard library's directories."""
    with open(f"/proc/{pid}/maps") as maps:
        files = {line.split()[-1] for line in maps if ".so" in line}
    return {file for file in files if "site-packages" in file or "dist-packages" in file}


def test_core_has_its_rights_and_loads_nothing_foreign(running):
    view = running.wait("left", lambda v: any(p.role == "core" and p.pss_kib for p in v.processes))
    (core,) = [process for process in view.processes if process.role == "core"]
    assert os.sched_getscheduler(core.pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO
    assert (core.scheduling, core.locked, view.is_realtime) == ("fifo 10", True, True)
    assert modules_of(core.pid) == set()
    helpers = [p.pid for p in view.processes if p.role in ("worker", "publisher")]
    assert {os.sched_getscheduler(pid) for pid in helpers} == {os.SCHED_OTHER}
    assert any(modules_of(pid) for pid in helpers), "the helpers' libraries would be seen"


def test_switch_moves_the_group_and_ends_when_it_has_moved(running):
    owner = running.settle()
    done = running.run(owner, "switch", "job", "--to", other(owner))
    assert (done.returncode, done.stderr) == (0, "")
    running.wait(owner, owner_is(other(owner)), bound_s=1)


def test_standby_moves_everything_away_and_online_lets_it_come_again(running):
    owner = running.settle()
    assert running.run(owner, "standby").returncode == 0
    running.wait(other(owner), owner_is(other(owner)), bound_s=1)
    done = running.run(other(owner), "switch", "job", "--to", owner)
    assert done.returncode == 2
    assert "standby" in done.stderr
    assert running.run(owner, "online").returncode == 0


def test_standby_and_maintenance_outlive_the_daemon(running):
    name = other(running.settle())
    assert running.run(name, "standby").returncode == 0
    assert running.run(name, "maintenance", "on", "--for", "1h", "--why", "night").returncode == 0
    assert running.run(name, "stop").returncode == 0
    running.daemons[name].wait(5)
    running.start(name)
    view = running.wait(name, lambda v: v.maintenance.is_on and v.is_quorate)
    assert next(node.state for node in view.nodes if node.is_self) == "standby"
    assert running.run(name, "maintenance", "off").returncode == 0
    assert running.run(name, "online").returncode == 0
    running.settle()


def test_maintenance_is_known_everywhere_and_ends(running):
    done = running.run("left", "maintenance", "on", "--for", "1h", "--why", "new disks")
    assert done.returncode == 0, done.stderr
    for name in HOSTS:
        view = running.wait(name, lambda v: v.maintenance.is_on, bound_s=5)
        assert (view.maintenance.why, view.maintenance.who) == ("new disks", "root")
    assert running.run("right", "maintenance", "off").returncode == 0
    for name in HOSTS:
        running.wait(name, lambda v: not v.maintenance.is_on, bound_s=5)


def test_restart_makes_a_new_core_and_touches_no_service(running):
    owner = running.settle()
    service = running.directory / owner / "run" / "job"
    before, touched = running.view(owner), service.stat().st_mtime_ns
    done = running.run(owner, "restart")
    assert (done.returncode, done.stderr) == (0, "")
    after = running.wait(owner, lambda v: v.incarnation != before.incarnation and bool(v.processes))
    assert core_of(after) != core_of(before)
    assert service.stat().st_mtime_ns == touched
    assert running.settle() == owner
    last = running.view(owner).groups[0].last
    assert last.ident == before.groups[0].last.ident or last.cause == "daemon-restarted", last


def test_broken_file_is_refused_at_restart_and_the_old_one_stays(running):
    owner = running.settle()
    before = running.view(owner)
    running.write_config(owner, running.config().replace('prefer = ["left"', 'prefer = ["lift"'))
    try:
        done = running.run(owner, "restart")
        assert done.returncode == 2
        assert "lift" in done.stderr
        assert "Traceback" not in done.stderr
        assert running.view(owner).incarnation == before.incarnation
    finally:
        running.write_config(owner)


def test_second_daemon_on_the_host_is_refused_by_the_pid_of_the_first(running):
    done = running.run("left", "run")
    assert done.returncode == 2
    assert f"pid {running.daemons['left'].pid}" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("role", ["worker", "publisher"])
def test_killed_helper_is_replaced_and_nothing_moves(running, role):
    owner = running.settle()
    pid = running.pid(owner, role)
    os.kill(pid, signal.SIGKILL)
    view = running.wait(owner, lambda v: [p for p in v.processes if p.role == role and p.pid != pid])
    assert view.groups[0].owner == owner
    running.settle()


def test_killed_core_is_replaced_by_its_guard(running):
    name = other(running.settle())
    pid = running.pid(name, "core")
    os.kill(pid, signal.SIGKILL)
    running.wait(name, lambda v: bool(v.processes) and core_of(v) != pid)
    running.settle()
    assert "core ended unasked (SIGKILL)" in running.log(name)


def test_stopped_core_is_found_hanging_and_replaced(running):
    name = other(running.settle())
    pid = running.pid(name, "core")
    os.kill(pid, signal.SIGSTOP)
    running.wait(name, lambda v: bool(v.processes) and core_of(v) != pid)
    running.settle()
    assert "core is silent for too long: killed" in running.log(name)


def test_killed_guard_lets_the_core_hand_over_and_leaves_no_process(running):
    owner = running.settle()
    view = running.view(owner)
    running.daemons[owner].kill()
    running.daemons[owner].wait()
    running.wait(other(owner), owner_is(other(owner)))
    until = time.monotonic() + 15
    while any(os.path.exists(f"/proc/{process.pid}") for process in view.processes):
        assert time.monotonic() < until, "a process outlived its guard"
        time.sleep(0.1)
    running.start(owner)
    running.settle()


def test_stop_hands_over_and_ends_everything(running):
    owner = running.settle()
    view_file = Path(running.environment(owner)["HA_MONITOR_RUN"]) / "view.json"
    view_file.touch()  # the publisher's, who may not enter a test's directory
    done = running.run(owner, "stop")
    assert done.returncode == 0, done.stderr
    assert running.daemons[owner].wait(5) == 0
    assert not view_file.exists(), "what it last knew would be believed for some seconds more"
    running.wait(other(owner), owner_is(other(owner)), bound_s=5)
    assert running.run(owner, "status").returncode == 2
    running.start(owner)
    running.settle()


def refusal(cluster, name="left", verb="run"):
    done = cluster.run(name, verb)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_port_in_use_is_told_with_port_and_address(idle):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((HOSTS["left"], idle.port))
        assert f"UDP port {idle.port} on {HOSTS['left']} (Link lan) is in use" in refusal(idle)


def test_key_that_others_may_read_is_refused(idle):
    (idle.directory / "left" / "etc" / "cluster.key").chmod(0o644)
    assert "cluster.key" in refusal(idle)


def test_missing_key_is_refused(idle):
    (idle.directory / "left" / "etc" / "cluster.key").unlink()
    assert "cluster.key" in refusal(idle)


def test_unknown_setting_is_refused_by_its_name(idle):
    idle.write_config("left", idle.config("[publish]\nnagos = 1\n"))
    assert "nagos" in refusal(idle)


def test_node_started_as_witness_is_told_its_verb(idle):
    assert "start `ha-monitor run`" in refusal(idle, verb="witness")
