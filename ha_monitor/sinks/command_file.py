"""Nagios' command file: a pipe on the same host that Nagios reads at once.

Opened without waiting: a pipe that nobody reads is a Nagios that is down, and a missing pipe must not
become a plain file.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Sequence
from pathlib import Path

from ha_monitor.errors import SinkError
from ha_monitor.publish.nagios import external_command, read_result
from ha_monitor.publish.outbox import NAGIOS, Delivery, Waiting
from ha_monitor.sinks.base import AtOnce

PIPE_BUF = 4096  # a write of at most this is whole or not at all
FULL_WAIT_S = 2.0


class CommandFileSink(AtOnce):
    """Writes external commands, one write each, so that no two writers mix."""

    name = "nagios"
    kind = "command-file"
    policy = NAGIOS
    batch_max = 100

    def __init__(self, path: Path) -> None:
        self.path = path

    def send(self, batch: Sequence[Waiting]) -> Delivery:
        """Write until done or until the pipe stays full. Raises SinkError when Nagios does not read."""
        fd = self._open()
        try:
            taken = self._write_all(fd, batch)
        finally:
            os.close(fd)
        if batch and not taken:
            raise SinkError(f"{self.path}: the pipe is full, Nagios does not read it")
        return Delivery(tuple(taken))

    def _open(self) -> int:
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            # ENXIO: the pipe stands there and nobody reads it.
            reason = "Nagios is not running" if error.errno == 6 else error.strerror
            raise SinkError(f"{self.path}: {reason}") from error
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.close(fd)
            raise SinkError(f"{self.path}: is no pipe; Nagios makes one at its start, remove this file")
        return fd

    def _write_all(self, fd: int, batch: Sequence[Waiting]) -> list[int]:
        taken: list[int] = []
        for entry in batch:
            command = external_command(read_result(entry.parcel.body)).encode() + b"\n"
            assert len(command) <= PIPE_BUF, "a command longer than PIPE_BUF could be torn"
            if not self._write(fd, command):
                break
            taken.append(entry.row)
        return taken

    def _write(self, fd: int, command: bytes) -> bool:
        for _ in range(2):
            try:
                os.write(fd, command)
            except BlockingIOError:
                select.select((), (fd,), (), FULL_WAIT_S)
            except OSError as error:
                raise SinkError(f"{self.path}: {error.strerror}") from error
            else:
                return True
        return False
