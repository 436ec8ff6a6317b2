"""Nagios' check result directory on the same host: files that Nagios reads and removes.

A result is complete when an empty file of its name with ``.ok`` stands beside it. Nagios may be down: the
files wait, so this way never fails for that reason; a bound on the files keeps the disk free.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import string
from collections.abc import Sequence
from pathlib import Path

from ha_monitor.errors import SinkError
from ha_monitor.publish.nagios import read_result, spool_entry
from ha_monitor.publish.outbox import NAGIOS, Delivery, Waiting

FILES_MAX = 200  # more than this and Nagios does not read: the rest waits in the outbox, newest states only
_LETTERS = string.ascii_letters + string.digits


class SpoolSink:
    """Writes check result files."""

    name = "nagios"
    kind = "spool"
    policy = NAGIOS
    batch_max = 200

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def send(self, batch: Sequence[Waiting]) -> Delivery:
        """One file for the batch. Raises SinkError when it cannot be written or Nagios does not read."""
        entries = [spool_entry(read_result(entry.parcel.body)) for entry in batch]
        try:
            waiting = sum(1 for name in os.listdir(self.directory) if name.endswith(".ok"))
            if waiting >= FILES_MAX:
                raise SinkError(f"{self.directory}: {waiting} files wait, Nagios does not read them")
            stamp = read_result(batch[0].parcel.body).at_s
            self._write(f"### written by ha-monitor\nfile_time={stamp}\n\n" + "\n".join(entries))
        except OSError as error:
            hint = "" if error.errno != 13 else "; add the publisher's user to the directory's group"
            raise SinkError(f"{self.directory}: {error.strerror}{hint}") from error
        return Delivery(tuple(entry.row for entry in batch))

    def _write(self, text: str) -> None:
        path = self._new_name()
        owner = self.directory.stat()
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                self._give_to(fd, owner)
                file.write(text)
            ready = os.open(f"{path}.ok", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
            self._give_to(ready, owner)
            os.close(ready)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise

    def _give_to(self, fd: int, owner: os.stat_result) -> None:
        # Nagios removes the files through its directory, but must be able to read them.
        os.fchmod(fd, 0o660)
        if os.geteuid() == 0:
            os.fchown(fd, owner.st_uid, owner.st_gid)
        elif owner.st_gid in os.getgroups():
            os.fchown(fd, -1, owner.st_gid)
        else:
            os.fchmod(fd, 0o664)

    def _new_name(self) -> Path:
        """``c`` and exactly six characters: anything else Nagios does not look at."""
        for _ in range(100):
            path = self.directory / ("c" + "".join(secrets.choice(_LETTERS) for _ in range(6)))
            if not path.exists():
                return path
        raise SinkError(f"{self.directory}: no free name found")
