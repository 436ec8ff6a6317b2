"""The outside client: asks for one record after another and notes which were acknowledged, by whom, when.

    python3 -S -P -m ha_monitor.lab.exclusive.client ADDRESS RUN FILE PAUSE_MS FIRST_NUMBER

A number that was not acknowledged is asked for again, on a new connection, until it is. Each line of the file
is ``NUMBER NODE MONOTONIC_NS``.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time

from ha_monitor.lab.exclusive.records import ANSWER, PORT, REQUEST

CONNECT_TIMEOUT_S = 0.25
ANSWER_TIMEOUT_S = 1.0


def ask(sock: socket.socket, run: int, number: int) -> str:
    """Who acknowledged it. Raises OSError when nobody did."""
    sock.sendall(REQUEST.pack(run, number))
    answer = sock.recv(ANSWER.size, socket.MSG_WAITALL)
    if len(answer) != ANSWER.size:
        raise ConnectionError("closed")
    told_run, told, node = ANSWER.unpack(answer)
    if (told_run, told) != (run, number):
        raise ConnectionError("another answer")
    return str(node.rstrip(b"\0").decode())


def _connection(address: str) -> socket.socket:
    sock = socket.create_connection((address, PORT), CONNECT_TIMEOUT_S)
    sock.settimeout(ANSWER_TIMEOUT_S)
    return sock


def main() -> None:
    """Until it is killed."""
    address, run, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    pause_s, number = float(sys.argv[4]) / 1000, int(sys.argv[5])
    with open(path, "w", buffering=1) as notes:
        while True:
            with contextlib.suppress(OSError), _connection(address) as sock:
                while True:
                    node = ask(sock, run, number)
                    notes.write(f"{number} {node} {time.monotonic_ns()}\n")
                    number += 1
                    time.sleep(pause_s)
            time.sleep(0.02)


if __name__ == "__main__":
    main()
