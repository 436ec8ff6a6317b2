"""Runs in the arp host: asks each Node's kernel, on every Link, whether it has the address.

Every 4 ms each Node's MAC gets an ARP request, an ICMP echo, a neighbour solicitation and an
ICMPv6 echo for the service addresses. Who answers has the address, whatever its daemon says.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time

from ha_monitor.lab.cast import CAST, NODES, SERVICE_V4, SERVICE_V6
from ha_monitor.lab.observers import frames, realtime
from ha_monitor.lab.observers.records import KERNEL, Recorder

EVERY_NS = 4_000_000
_ETH_P_ALL = 0x0003
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23
_SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 35, 33
_RECEIVE_BUFFER_BYTES = 4 << 20
_TIMESPEC = struct.Struct("qq")

_V4, _V6 = frames.address_bytes(SERVICE_V4), frames.address_bytes(SERVICE_V6)


def main() -> None:
    """``python -m ha_monitor.lab.observers.asker HOST FILE``: until standard input closes."""
    name, path = sys.argv[1:]
    outgoing = _questions(name)
    senders = {link: _sender(link) for link in CAST[name].links}
    receiver = _receiver()
    nodes = {frames.mac_bytes(CAST[n].mac(link)): n.encode() for n in NODES for link in CAST[n].links}
    own = {frames.mac_bytes(CAST[name].mac(link)) for link in CAST[name].links}
    realtime.become_punctual()
    now_ns = due_ns = time.monotonic_ns()
    recorder = Recorder(path, now_ns)
    while True:
        recorder.awake(now_ns, EVERY_NS)
        for host, (first_ns, last_ns) in _answers(receiver, nodes, own).items():
            recorder.add(KERNEL, host, first_ns, last_ns)
        for link, frame in outgoing:
            _send(senders[link], frame)
        if recorder.is_flush_due(now_ns):
            recorder.flush(now_ns)
            if realtime.is_over():
                return
        due_ns = max(due_ns + EVERY_NS, now_ns)
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        now_ns = time.monotonic_ns()


def _questions(name: str) -> list[tuple[str, bytes]]:
    member = CAST[name]
    found = []
    for link in member.links:
        asker = frames.Asker(
            frames.mac_bytes(member.mac(link)),
            frames.address_bytes(member.v4(link)),
            frames.address_bytes(member.v6(link)),
        )
        for node in NODES:
            node_mac = frames.mac_bytes(CAST[node].mac(link))
            found += [(link, frame) for frame in frames.questions(asker, node_mac, _V4, _V6)]
    return found


def _sender(link: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    sock.bind((link, 0))
    return sock


def _send(sock: socket.socket, frame: bytes) -> None:
    # The own device may be down, or its queue full: the next round asks again.
    with contextlib.suppress(OSError):
        sock.send(frame)


def _receiver() -> socket.socket:
    # One socket for all devices keeps the order in which answers came in on different Links.
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(_ETH_P_ALL))
    sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_BYTES)
    return sock


def _answers(sock: socket.socket, nodes: dict[bytes, bytes], own: set[bytes]) -> dict[bytes, tuple[int, int]]:
    """First and last answer of each Node since the last round, dated by the kernel."""
    to_monotonic_ns = time.monotonic_ns() - time.time_ns()
    found: dict[bytes, tuple[int, int]] = {}
    while True:
        try:
            frame, extra, _flags, _sender = sock.recvmsg(128, 64)
        except BlockingIOError:
            return found
        host = nodes.get(frame[6:12])
        if host is None or frame[:6] not in own or not frames.is_answer(frame, _V4, _V6):
            continue
        seconds, nanoseconds = _TIMESPEC.unpack(extra[0][2])
        at_ns = seconds * 1_000_000_000 + nanoseconds + to_monotonic_ns
        first_ns, last_ns = found.get(host, (at_ns, at_ns))
        found[host] = (min(first_ns, at_ns), max(last_ns, at_ns))


if __name__ == "__main__":
    main()
