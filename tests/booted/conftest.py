"""Three booted hosts for all tests that are marked ``booted``."""

import os
import shutil
import signal

import pytest

from tests.booted.hosts import booted_hosts


def can_boot():
    """Whether this machine and user can boot hosts, and has what the hosts need."""
    programs = ("systemd-nspawn", "dbus-daemon", "sshd", "curl")
    return os.geteuid() == 0 and all(shutil.which(program) for program in programs)


@pytest.fixture(scope="session")
def hosts():
    """pub2, pub3 and mon, each with a systemd of its own."""
    if not can_boot():
        pytest.skip("needs root, systemd-container, dbus, openssh-server and curl")
    # A run that is told to end, by a time limit for example, still takes its hosts away.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))
    with booted_hosts(f"b{os.getpid()}", ("pub2", "pub3", "mon")) as booted:
        yield booted
