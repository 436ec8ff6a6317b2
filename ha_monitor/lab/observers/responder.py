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

from ha_monitor.lab.observers import packets, realtime

_IP_PKTINFO = 8
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
    sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    sock.bind(("0.0.0.0", packets.PORT))
    return sock


def _open_v6() -> socket.socket:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    sock.bind(("::", packets.PORT))
    return sock


def _answer_all(sock: socket.socket, host: bytes) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            packet, extra, _flags, sender = sock.recvmsg(64, 64)
            reply = packets.answer(packet, host)
            # The address may be gone, or closed by the kernel, since the probe came in.
            if reply is not None:
                with contextlib.suppress(OSError):
                    sock.sendmsg([reply], [_from_asked(*extra[0])], 0, sender)


def _from_asked(level: int, kind: int, raw: bytes) -> tuple[int, int, bytes]:
    if level == socket.IPPROTO_IPV6:
        asked, device = _PKTINFO_V6.unpack(raw)
        return level, kind, _PKTINFO_V6.pack(asked, device)
    _device, _from, asked = _PKTINFO_V4.unpack(raw)
    return level, kind, _PKTINFO_V4.pack(0, asked, bytes(4))


if __name__ == "__main__":
    main()
