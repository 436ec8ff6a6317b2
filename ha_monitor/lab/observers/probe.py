"""Runs in the client: one small packet per millisecond to the service address."""

from __future__ import annotations

import contextlib
import socket
import sys
import time

from ha_monitor.lab.observers import packets, realtime
from ha_monitor.lab.observers.records import ANSWER, Recorder

EVERY_NS = 1_000_000


def main() -> None:
    """``python -m ha_monitor.lab.observers.probe ADDRESS FILE``: until standard input closes."""
    address, path = sys.argv[1:]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    realtime.become_punctual()
    now_ns = due_ns = time.monotonic_ns()
    recorder = Recorder(path, now_ns)
    while True:
        recorder.awake(now_ns, EVERY_NS)
        _receive(sock, address, recorder)
        # No way to the address is what this process is here to notice, not an error of its own.
        with contextlib.suppress(OSError):
            sock.sendto(packets.question(time.monotonic_ns()), (address, packets.PORT))
        if recorder.is_flush_due(now_ns):
            recorder.flush(now_ns)
            if realtime.is_over():
                return
        # After a stall the rhythm goes on from here: no burst makes up for it.
        due_ns = max(due_ns + EVERY_NS, now_ns)
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        now_ns = time.monotonic_ns()


def _receive(sock: socket.socket, address: str, recorder: Recorder) -> None:
    while True:
        try:
            packet, sender = sock.recvfrom(64)
        except BlockingIOError:
            return
        except OSError:
            continue  # an ICMP error that was queued on the socket: reading takes it off
        answered = packets.parse_answer(packet)
        if answered is not None and sender[0] == address:
            now_ns = time.monotonic_ns()
            recorder.add(ANSWER, answered.host, answered.sent_ns, now_ns)
            # The program that answers is part of the probe: its stalls are the probe's own.
            recorder.stalled(now_ns - answered.late_ns, now_ns)


if __name__ == "__main__":
    main()
