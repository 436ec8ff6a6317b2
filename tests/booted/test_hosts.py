"""Nothing is left of booted hosts: neither after a failed test nor after a killed run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.booted.conftest import can_boot
from tests.booted.hosts import CGROUP_ROOTS, DIRECTORY_ROOT, REPOSITORY, booted_hosts, sweep

pytestmark = [pytest.mark.booted, pytest.mark.skipif(not can_boot(), reason="needs root and systemd-nspawn")]

BOOT_AND_DIE = """
import os, signal
from tests.booted.hosts import booted_hosts
with booted_hosts(f"b{os.getpid()}", ("client",)):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def leftovers(cluster):
    """Whatever bears this name: directories, namespaces, control groups, mounts, processes."""
    found = [str(path) for path in DIRECTORY_ROOT.glob(f"{cluster}-*")]
    found += [str(path) for path in Path("/run/netns").glob(f"{cluster}-*")]
    found += [str(path) for root in CGROUP_ROOTS for path in root.glob(f"{cluster}-*")]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if f"/{cluster}-" in line]
    return found + processes(cluster)


def processes(cluster):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if f"--machine={cluster}-" in command:
            found.append(command)
    return found


def fail_on_a_host(cluster):
    with booted_hosts(cluster, ("client",)) as hosts:
        assert leftovers(cluster)
        assert hosts["client"].run("hostname").stdout == "client\n"
        raise ZeroDivisionError


def test_nothing_is_left_after_a_failure():
    cluster = f"x{os.getpid()}"
    with pytest.raises(ZeroDivisionError):
        fail_on_a_host(cluster)
    assert leftovers(cluster) == []


def test_next_run_removes_what_a_killed_run_left():
    run = subprocess.Popen([sys.executable, "-c", BOOT_AND_DIE], cwd=REPOSITORY)
    assert run.wait(120) == -signal.SIGKILL
    assert leftovers(f"b{run.pid}")
    deadline = time.monotonic() + 20
    while processes(f"b{run.pid}") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes(f"b{run.pid}") == []  # the hosts do not outlive the tests
    sweep()
    assert leftovers(f"b{run.pid}") == []
