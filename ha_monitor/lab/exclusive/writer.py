"""The service on the shared disk: appends what it is asked to, synced, and only then says so.

    python3 -S -P -m ha_monitor.lab.exclusive.writer DIRECTORY NODE

One thread; records of the run before the last are deleted when a run begins, so that the disk does not fill.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import sys
from pathlib import Path

from ha_monitor.lab.exclusive.records import ANSWER, PORT, REQUEST, directory_of, file_of, record, run_of

CLIENTS_MAX = 16


class Writer:
    """``place``: where the file system is mounted."""

    def __init__(self, place: Path, node: str) -> None:
        self._place, self._node = place, node
        self._path = Path()
        self._fd = -1

    def append(self, run: int, number: int) -> bytes:
        """On disk when this returns. Raises OSError."""
        path = file_of(self._place, run, number)
        if path != self._path:
            self._open(path, run)
        os.write(self._fd, record(number, self._node))
        os.fsync(self._fd)
        return ANSWER.pack(run, number, self._node.encode())

    def _open(self, path: Path, run: int) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        directory = directory_of(self._place, run)
        if not directory.exists():
            for old in self._place.glob("run-*"):
                if run_of(old) < run - 1:
                    shutil.rmtree(old)
            directory.mkdir()
            _sync(self._place)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._path = path
        _sync(directory)


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def serve(writer: Writer, listener: socket.socket) -> None:
    """Until the disk refuses: then this process ends, and its group is told failed."""
    clients: list[socket.socket] = []
    while True:
        for ready in select.select([listener, *clients], [], [])[0]:
            if ready is listener:
                client, _ = listener.accept()
                clients.append(client)
                while len(clients) > CLIENTS_MAX:
                    clients.pop(0).close()
            elif ready in clients and not _answer(writer, ready):
                clients.remove(ready)
                ready.close()


def _answer(writer: Writer, client: socket.socket) -> bool:
    try:
        request = client.recv(REQUEST.size, socket.MSG_WAITALL)
    except OSError:
        return False
    if len(request) != REQUEST.size:
        return False
    answer = writer.append(*REQUEST.unpack(request))
    try:
        client.sendall(answer)
    except OSError:
        return False
    return True


def main() -> int:
    """Listen on every address: the kernel's Lease lets only the Owner answer at the service address."""
    place, node = Path(sys.argv[1]), sys.argv[2]
    listener = socket.create_server(("0.0.0.0", PORT))
    serve(Writer(place, node), listener)
    return 1


if __name__ == "__main__":
    sys.exit(main())
