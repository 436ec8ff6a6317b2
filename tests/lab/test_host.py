"""What a host owns, and that nobody else sees it."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import ha_monitor
from ha_monitor.lab.cast import CAST
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.processes import kill_and_reap

pytestmark = pytest.mark.lab


def test_hosts_reach_each_other_on_every_link(lab: Lab):
    for address in ("192.0.2.13", "198.51.100.13", "2001:db8:0:1::13", "2001:db8:0:2::13"):
        lab.host("pub2").exec(["ping", "-c1", "-W2", address])
    with pytest.raises(LabError):
        lab.host("client").exec(["ping", "-c1", "-W1", "198.51.100.13"])


def test_a_host_has_its_own_name_processes_and_directories(lab: Lab):
    host = lab.host("pub2")
    assert host.exec(["hostname"]).stdout == "pub2\n"
    assert host.exec(["cat", "/proc/1/comm"]).stdout.startswith("python")
    assert len(host.exec(["sh", "-c", "ls -d /proc/[0-9]*"]).stdout.split()) < 8
    for directory in ("/run", "/tmp", "/etc/ha-monitor", "/var/lib/ha-monitor", "/var/log"):
        host.exec(["sh", "-c", f"echo here > {directory}/mark"])
        assert host.path(f"{directory}/mark").read_text() == "here\n"
        assert lab.host("pub3").exec(["test", "-e", f"{directory}/mark"], check=False).returncode == 1
        assert not Path(f"{directory}/mark").exists()


def test_no_node_sees_a_directory_of_the_monitoring_server(lab: Lab):
    mon = lab.host("mon")
    marks = ["/run", "/tmp", "/etc/ha-monitor", "/etc", "/var/lib", "/var/spool", "/var/log"]
    for directory in marks:
        mon.exec(["sh", "-c", f"echo secret > {directory}/only-on-mon"])
    find = ["find", "/run", "/tmp", "/etc", "/var", "-name", "only-on-mon"]
    assert len(mon.exec(find).stdout.splitlines()) >= len(marks)
    for node in ("pub2", "pub3"):
        assert lab.host(node).exec(find).stdout == ""
        shown = lab.host(node).exec(["cat", "/proc/self/mountinfo"]).stdout
        assert "hosts/mon" not in shown
        assert f"/{lab.name}/hosts/{node}/run" in shown
        assert lab.host(node).exec(["ls", f"/run/ha-monitor-lab/{lab.name}"], check=False).returncode != 0


def test_what_is_changed_in_etc_stays_on_the_host(lab: Lab):
    before = Path("/etc/hostname").read_text()
    lab.host("pub2").exec(["sh", "-c", "echo changed > /etc/hostname"])
    assert Path("/etc/hostname").read_text() == before
    assert lab.host("pub3").exec(["cat", "/etc/hostname"]).stdout == before


def test_a_private_directory_is_shown_at_any_path_and_again_after_power_on(lab: Lab, tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    host = lab.host("mon")
    host.bind(tmp_path, "/etc/some/where")
    assert host.exec(["cat", "/etc/some/where/file"]).stdout == "mine"
    host.power_off()
    host.power_on()
    assert host.exec(["cat", "/etc/some/where/file"]).stdout == "mine"
    assert lab.host("pub2").exec(["test", "-e", "/etc/some"], check=False).returncode == 1


def test_power_off_ends_every_process_at_once_and_empties_memory(lab: Lab):
    host = lab.host("pub3")
    stubborn = host.spawn(["sh", "-c", "trap '' TERM; sleep 1000"])
    host.exec(["sh", "-c", "echo kept > /var/lib/ha-monitor/kept; echo lost > /run/lost"])
    host.power_off()
    assert not stubborn.is_alive()
    assert not host.is_on()
    with pytest.raises(LabError, match="pub3: has no power"):
        host.exec(["true"])
    host.power_on()
    assert host.exec(["cat", "/var/lib/ha-monitor/kept"]).stdout == "kept\n"
    assert host.exec(["test", "-e", "/run/lost"], check=False).returncode == 1
    lab.host("pub2").exec(["ping", "-c1", "-W2", CAST["pub3"].v4()])


def test_a_spawned_daemon_outlives_its_caller_and_is_reaped_by_the_host(lab: Lab):
    host = lab.host("client")
    daemon = host.spawn(["sleep", "0.2"], log="/var/log/sleep.log")
    assert daemon.pid in [process.pid for process in host.processes()]
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{daemon.pid}") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not os.path.exists(f"/proc/{daemon.pid}")


def test_power_off_does_not_wait_for_a_caller_that_reaps_nothing(lab: Lab):
    host = lab.host("client")
    process = host.popen(["sleep", "1000"])
    began = time.monotonic()
    host.power_off()
    assert time.monotonic() - began < 20
    assert not host.is_on()
    host.power_on()
    assert process.wait(timeout=5) == -9


def test_a_program_that_takes_too_long_is_ended_with_its_children(lab: Lab):
    with pytest.raises(LabError, match=r"still running after 0\.2 s"):
        lab.host("client").exec(["sh", "-c", "sleep 1000 & wait"], timeout=0.2)
    assert lab.host("client").processes() == []


def test_a_missing_program_and_a_failing_one_are_named(lab: Lab):
    with pytest.raises(LabError, match="client: no-such-program"):
        lab.host("client").exec(["no-such-program"])
    with pytest.raises(LabError, match="exit 3: oh no"):
        lab.host("client").exec(["sh", "-c", "echo oh no >&2; exit 3"])


def test_a_popen_of_the_caller_is_its_own_child(lab: Lab):
    process = lab.host("client").popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.communicate(b"through", timeout=5)[0] == b"through"
    assert process.returncode == 0


def test_a_socket_lives_in_the_network_of_the_host(lab: Lab):
    with lab.host("client").socket(socket.AF_INET, socket.SOCK_DGRAM) as inside:
        inside.bind((CAST["client"].v4(), 0))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside,
        pytest.raises(OSError, match="Cannot assign"),
    ):
        outside.bind((CAST["client"].v4(), 0))


@pytest.fixture(params=["/tmp", "/var/tmp"])
def closed(request: pytest.FixtureRequest) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=request.param) as path:
        yield Path(path)


def test_a_checkout_that_only_root_may_enter_is_open_to_unprivileged_processes(own_lab: Lab, closed: Path):
    """Say in /root, or below a `mktemp -d`: the publisher runs as nobody."""
    package = closed / "checkout" / "ha_monitor"
    shutil.copytree(ha_monitor.__path__[0], package, ignore=shutil.ignore_patterns("__pycache__"))
    package.parent.chmod(0o700)
    script = (
        "import sys, ha_monitor; from ha_monitor.lab.lab import Lab\n"
        f"lab = Lab({own_lab.name!r}); lab.up()\n"
        "argv = ['setpriv', '--reuid=nobody', '--clear-groups', '--regid=nogroup', sys.executable]\n"
        "where = 'import ha_monitor; print(ha_monitor.__path__[0])'\n"
        "env = {'PYTHONPATH': str(sys.argv[1]), 'PATH': '/usr/sbin:/usr/bin'}\n"
        "print(lab.host('pub2').exec([*argv, '-P', '-c', where], env=env).stdout)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(package.parent)],
        env={"PYTHONPATH": str(package.parent), "PATH": "/usr/sbin:/usr/bin"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == str(package), done.stderr
    assert closed.stat().st_mode & 0o777 == 0o700


def test_killing_one_process_of_a_host_does_not_wait_for_the_others(lab: Lab) -> None:
    host = lab.host("client")
    victim = host.spawn(["sleep", "60"])
    kill_and_reap(victim)
    assert not victim.is_alive()
    assert host.is_on()
