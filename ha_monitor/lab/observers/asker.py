"""Runs in the arp host: asks each Node's kernel, on every Link, whether it has the address.

Every 4 ms each Node's MAC gets an ARP request and an ICMP echo, or a neighbour solicitation and an
ICMPv6 echo, for each service address. Who answers has the address, whatever its daemon says.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence

from ha_monitor.lab.cast import CAST, NODES
from ha_monitor.lab.observers import frames, realtime
from ha_monitor.lab.observers.records import KERNEL, Recorder

EVERY_NS = 4_000_000
_ETH_P_ALL = 0x0003
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23
_SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 35, 33
_RECEIVE_BUFFER_BYTES = 4 << 20
_TIMESPEC = struct.Struct("qq")


def main() -> None:
    """``python -m ha_monitor.lab.observers.asker HOST ADDRESS[,ADDRESS]=FILE ...``.

    One file for each ResourceGroup: its addresses belong together. Until standard input closes.
    """
    name, *wanted = sys.argv[1:]
    groups = [(argument.split("=")[0].split(","), argument.split("=")[1]) for argument in wanted]
    outgoing = _questions(name, [frames.address_bytes(a) for addresses, _ in groups for a in addresses])
    senders = {link: _sender(link) for link in CAST[name].links}
    receiver = _receiver()
    realtime.become_punctual()
    now_ns = due_ns = time.monotonic_ns()
    recorders = [Recorder(path, now_ns) for _, path in groups]
    ear = _Ear(
        name,
        {frames.address_bytes(a): r for (all_, _), r in zip(groups, recorders, strict=True) for a in all_},
    )
    while True:
        for recorder in recorders:
            recorder.awake(now_ns, EVERY_NS)
        ear.take_answers(receiver)
        for link, frame in outgoing:
            _send(senders[link], frame)
        if recorders[0].is_flush_due(now_ns):
            for recorder in recorders:
                recorder.flush(now_ns)
            if realtime.is_over():
                return
        due_ns = max(due_ns + EVERY_NS, now_ns)
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        now_ns = time.monotonic_ns()


def _questions(name: str, addresses: Sequence[bytes]) -> list[tuple[str, bytes]]:
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
            for address in addresses:
                found += [(link, frame) for frame in frames.questions(asker, node_mac, address)]
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


class _Ear:
    """Takes in what the Nodes' kernels answer and notes it in the file of the group."""

    def __init__(self, name: str, recorders: dict[bytes, Recorder]) -> None:
        self._recorders = recorders
        self._nodes = {
            frames.mac_bytes(CAST[n].mac(link)): n.encode() for n in NODES for link in CAST[n].links
        }
        self._own = {frames.mac_bytes(CAST[name].mac(link)) for link in CAST[name].links}

    def take_answers(self, sock: socket.socket) -> None:
        """First and last answer of each Node since the last round, dated by the kernel."""
        to_monotonic_ns = time.monotonic_ns() - time.time_ns()
        found: dict[tuple[Recorder, bytes], tuple[int, int]] = {}
        for frame, extra in _frames(sock):
            host = self._nodes.get(frame[6:12])
            recorder = self._recorders.get(frames.answered(frame) or b"")
            if host is None or recorder is None or frame[:6] not in self._own:
                continue
            seconds, nanoseconds = _TIMESPEC.unpack(extra)
            at_ns = seconds * 1_000_000_000 + nanoseconds + to_monotonic_ns
            first_ns, last_ns = found.get((recorder, host), (at_ns, at_ns))
            found[recorder, host] = (min(first_ns, at_ns), max(last_ns, at_ns))
        for (recorder, host), (first_ns, last_ns) in found.items():
            recorder.add(KERNEL, host, first_ns, last_ns)


def _frames(sock: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """Each frame that waits, and the kernel's stamp on it."""
    while True:
        try:
            frame, extra, _flags, _sender = sock.recvmsg(128, 64)
        except BlockingIOError:
            return
        yield frame, extra[0][2]


if __name__ == "__main__":
    main()
