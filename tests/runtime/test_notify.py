"""systemd's notify socket: told when it is there, never waited for."""

import socket

import pytest

from ha_monitor.runtime.notify import notify
from tests.runtime.descriptors import room_for


def listening(address):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(address)
    return sock


def test_state_reaches_a_socket_with_a_path(monkeypatch, tmp_path):
    with listening(str(tmp_path / "notify")) as systemd:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert notify("READY=1")
        assert systemd.recv(100) == b"READY=1"


def test_state_reaches_an_abstract_socket(monkeypatch):
    with listening("\0ha-monitor-test-notify") as systemd:
        monkeypatch.setenv("NOTIFY_SOCKET", "@ha-monitor-test-notify")
        assert notify("STOPPING=1")
        assert systemd.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "vsock:2:1", "/nonexistent/notify"])
def test_nobody_to_tell_is_no_error(monkeypatch, address):
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not notify("READY=1")


def test_full_socket_is_not_waited_for(monkeypatch, tmp_path):
    with listening(str(tmp_path / "notify")):
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        told = [notify(f"STATUS={'x' * 1000}") for _ in range(2000)]
    assert told[0]
    assert not told[-1]


def test_want_of_a_descriptor_ends_nobody_who_only_wanted_to_tell(monkeypatch, tmp_path):
    with listening(str(tmp_path / "notify")):
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with room_for(0):
            assert not notify("STOPPING=1")
        assert notify("STOPPING=1")
