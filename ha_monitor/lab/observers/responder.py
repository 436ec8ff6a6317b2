"""Runs on each Node and answers the client's probes with the Node's name.

It is no part of ha-monitor: a killed or frozen daemon does not silence it, only the kernel's
closed address does. It answers from the address that was asked, which may come and go.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import sys
import time

from ha_monitor.lab.observers import packets, realtime

_IP_PKTINFO = 8
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("qq")
_PKTINFO_V4 = struct.Struct("=I4s4s")  # device, address to answer from, address asked
_PKTINFO_V6 = struct.Struct("=16sI")  # address asked, device


def main() -> None:
    """``python -m ha_monitor.lab.observers.responder HOST``: answer until killed."""
    host = sys.argv[1].encode()
    realtime.become_punctual()
    sockets = [_open_v4(), _open_v6()]
    while True:
        for ready in select.select(sockets, [], [])[0]:
            _answer_all(ready, host)


def _open_v4() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    sock.bind(("0.0.0.0", packets.PORT))
    return sock


def _open_v6() -> socket.socket:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    sock.bind(("::", packets.PORT))
    return sock


def _answer_all(sock: socket.socket, host: bytes) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            packet, extra, _flags, sender = sock.recvmsg(64, 128)
            stamp, asked = _sorted_by_level(extra)
            reply = packets.answer(packet, host, _late_ns(stamp))
            # The address may be gone, or closed by the kernel, since the probe came in.
            if reply is not None:
                with contextlib.suppress(OSError):
                    sock.sendmsg([reply], [_from_asked(*asked)], 0, sender)


_Extra = tuple[int, int, bytes]


def _sorted_by_level(extra: list[_Extra]) -> tuple[_Extra, _Extra]:
    """The kernel's time stamp and the address asked, in whichever order they came."""
    first, second = extra
    return (first, second) if first[0] == socket.SOL_SOCKET else (second, first)


def _late_ns(stamp: _Extra) -> int:
    seconds, nanoseconds = _TIMESPEC.unpack(stamp[2])
    arrived_ns: int = seconds * 1_000_000_000 + nanoseconds
    # The wall clock may have been set back in between: late, never early.
    return max(0, time.time_ns() - arrived_ns)


def _from_asked(level: int, kind: int, raw: bytes) -> _Extra:
    if level == socket.IPPROTO_IPV6:
        asked, device = _PKTINFO_V6.unpack(raw)
        return level, kind, _PKTINFO_V6.pack(asked, device)
    _device, _from, asked = _PKTINFO_V4.unpack(raw)
    return level, kind, _PKTINFO_V4.pack(0, asked, bytes(4))


if __name__ == "__main__":
    main()
