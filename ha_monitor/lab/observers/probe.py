"""Runs in the client: one small packet per millisecond to the service addresses, in turn."""

from __future__ import annotations

import contextlib
import itertools
import socket
import sys
import time

from ha_monitor.lab.observers import packets, realtime
from ha_monitor.lab.observers.records import ANSWER, Recorder

EVERY_NS = 1_000_000
_FAMILIES = {False: socket.AF_INET, True: socket.AF_INET6}


def main() -> None:
    """``python -m ha_monitor.lab.observers.probe ADDRESS=FILE ...``: until standard input closes.

    With several addresses each of them gets its packet every so many milliseconds.
    """
    wanted = [argument.split("=", 1) for argument in sys.argv[1:]]
    sockets = {is_v6: _open(family) for is_v6, family in _FAMILIES.items()}
    realtime.become_punctual()
    now_ns = due_ns = time.monotonic_ns()
    recorders = {address: Recorder(path, now_ns) for address, path in wanted}
    for address in itertools.cycle(recorders):
        for recorder in recorders.values():
            recorder.awake(now_ns, EVERY_NS)
        for sock in sockets.values():
            _receive(sock, recorders)
        # No way to the address is what this process is here to notice, not an error of its own.
        with contextlib.suppress(OSError):
            question = packets.question(time.monotonic_ns())
            sockets[":" in address].sendto(question, (address, packets.PORT))
        if recorders[address].is_flush_due(now_ns):
            for recorder in recorders.values():
                recorder.flush(now_ns)
            if realtime.is_over():
                return
        # After a stall the rhythm goes on from here: no burst makes up for it.
        due_ns = max(due_ns + EVERY_NS, now_ns)
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        now_ns = time.monotonic_ns()


def _open(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)


def _receive(sock: socket.socket, recorders: dict[str, Recorder]) -> None:
    while True:
        try:
            packet, sender = sock.recvfrom(64)
        except BlockingIOError:
            return
        except OSError:
            continue  # an ICMP error that was queued on the socket: reading takes it off
        answered = packets.parse_answer(packet)
        if answered is not None and sender[0] in recorders:
            now_ns = time.monotonic_ns()
            recorders[sender[0]].add(ANSWER, answered.host, answered.sent_ns, now_ns)
            # The program that answers is part of the probe: its stalls are the probe's own.
            for recorder in recorders.values():
                recorder.stalled(now_ns - answered.late_ns, now_ns)


if __name__ == "__main__":
    main()
