"""Heartbeat sockets on loopback: connected, dated by the kernel, patient about missing Links."""

import socket

import pytest

from ha_monitor.errors import PrerequisiteError
from ha_monitor.runtime.goodbye import SocketKey
from ha_monitor.runtime.links_io import (
    DRAIN_MAX,
    STAMP_AGE_MAX_NS,
    Datagram,
    LinkSockets,
    Refused,
    arrival_ns,
    socket_keys,
)
from ha_monitor.timebase import lease_clock_ns, wall_clock_ns
from tests.runtime.test_orders import CONFIG


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def pair(port, here="127.0.0.1", there="127.0.0.2"):
    """Two voters on one Link."""
    ours, theirs = SocketKey(1, "lan", here, there, port), SocketKey(0, "lan", there, here, port)
    ends = [LinkSockets([key], [], lease_clock_ns, wall_clock_ns) for key in (ours, theirs)]
    for end in ends:
        end.open_missing()
    return ours, ends[0], theirs, ends[1]


def test_packet_arrives_with_the_time_of_its_arrival_on_the_lease_clock():
    _, left, theirs, right = pair(free_port())
    before = lease_clock_ns()
    assert left.send(1, "lan", b"beat") is None
    (datagram,) = right.drain(theirs)
    assert isinstance(datagram, Datagram)
    assert datagram.packet == b"beat"
    assert before - 1_000_000 <= datagram.arrived_ns <= lease_clock_ns()


def test_ipv6_link_carries_packets():
    port = free_port()
    key = SocketKey(1, "lan", "::1", "::1", port)
    ends = LinkSockets([key], [], lease_clock_ns, wall_clock_ns)
    ends.open_missing()
    ends.send(1, "lan", b"beat")
    assert [datagram.packet for datagram in ends.drain(key)] == [b"beat"]


def test_stranger_on_the_same_port_is_never_seen():
    port = free_port()
    _, _, theirs, right = pair(port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.3", port))
        stranger.sendto(b"forged", ("127.0.0.2", port))
    assert list(right.drain(theirs)) == []


def test_peer_without_a_process_is_told_and_the_packet_after_it_is_sent():
    port = free_port()
    key = SocketKey(1, "lan", "127.0.0.1", "127.0.0.2", port)
    ends = LinkSockets([key], [], lease_clock_ns, wall_clock_ns)
    ends.open_missing()
    assert ends.send(1, "lan", b"first") is None
    assert ends.send(1, "lan", b"second") == Refused(key)
    assert ends.unsent == 0


def test_flood_is_taken_in_bounded_portions():
    _, left, theirs, right = pair(free_port())
    for _ in range(DRAIN_MAX + 10):
        left.send(1, "lan", b"x")
    assert len(list(right.drain(theirs))) <= DRAIN_MAX


def test_link_that_is_missing_at_start_is_no_error_and_is_tried_again():
    key = SocketKey(1, "lan", "203.0.113.77", "203.0.113.78", free_port())
    ends = LinkSockets([key], [], lease_clock_ns, wall_clock_ns)
    assert not ends.open_missing()
    assert not ends.is_complete
    assert ends.send(1, "lan", b"lost") is None


def test_port_in_use_is_an_error_that_says_what_to_do():
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))
        ends = LinkSockets(
            [SocketKey(1, "lan", "127.0.0.1", "127.0.0.2", port)], [], lease_clock_ns, wall_clock_ns
        )
        with pytest.raises(PrerequisiteError, match=f"UDP port {port} on 127.0.0.1 .* is in use"):
            ends.open_missing()


def test_next_core_goes_on_with_inherited_sockets_and_closes_those_that_are_no_longer_wanted():
    _, left, theirs, right = pair(free_port())
    inherited = [(key, socket.dup(sock.fileno())) for key, sock in right.sockets().items()]
    gone = SocketKey(9, "old", "127.0.0.1", "127.0.0.9", 1)
    spare = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fd = spare.detach()
    successor = LinkSockets([theirs], [*inherited, (gone, fd)], lease_clock_ns, wall_clock_ns)
    left.send(1, "lan", b"beat")
    assert [datagram.packet for datagram in successor.drain(theirs)] == [b"beat"]
    with pytest.raises(OSError, match="Bad file descriptor"):
        socket.socket(fileno=fd)


def test_every_shared_link_has_one_socket_for_each_peer():
    keys = socket_keys(CONFIG, 0)
    assert [(key.peer, key.link, key.local, key.remote) for key in keys] == [
        (1, "lan", "192.0.2.12", "192.0.2.13"),
        (2, "lan", "192.0.2.12", "192.0.2.9"),
    ]


def test_wall_clock_that_was_set_meanwhile_does_not_bend_an_arrival():
    assert arrival_ns(stamp_ns=90, wall_ns=100, lease_ns=1000) == 990
    assert arrival_ns(stamp_ns=110, wall_ns=100, lease_ns=1000) == 1000
    assert arrival_ns(stamp_ns=0, wall_ns=STAMP_AGE_MAX_NS + 1, lease_ns=10**10) == 10**10
