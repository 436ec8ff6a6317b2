"""Three booted hosts for all tests that are marked ``booted``."""

import os
import shutil

import pytest

from tests.booted.hosts import booted_hosts


@pytest.fixture(scope="session")
def hosts():
    """pub2, pub3 and mon, each with a systemd of its own."""
    if os.geteuid() != 0 or shutil.which("systemd-nspawn") is None or shutil.which("sshd") is None:
        pytest.skip("needs root, systemd-container, dbus and openssh-server")
    with booted_hosts(f"b{os.getpid()}", ("pub2", "pub3", "mon")) as booted:
        yield booted
