"""Nagios' check result directory on the same host: files that Nagios reads and removes.

A result is complete when an empty file of its name with ``.ok`` stands beside it. Nagios reads waiting files
in no order and lets an older result replace a newer one: so only one file of ours waits at a time, the
rest stays in the outbox, where newer states replace older ones.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import string
import time
from collections.abc import Sequence
from pathlib import Path

from ha_monitor.errors import SinkError
from ha_monitor.publish.nagios import read_result, spool_entry
from ha_monitor.publish.outbox import NAGIOS, Delivery, Waiting
from ha_monitor.sinks.base import AtOnce

UNREAD_S = 60  # a file that waits for longer: Nagios is down (its default is to look every 10 s)
_LETTERS = string.ascii_letters + string.digits


class SpoolSink(AtOnce):
    """Writes check result files."""

    name = "nagios"
    kind = "spool"
    policy = NAGIOS
    batch_max = 500

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._last: Path | None = None  # our file that Nagios may not have read yet

    def send(self, batch: Sequence[Waiting]) -> Delivery:
        """One file for the batch, or nothing while the last one waits. Raises SinkError."""
        entries = [spool_entry(read_result(entry.parcel.body)) for entry in batch]
        try:
            if self._last_waits():
                return Delivery()
            stamp = read_result(batch[0].parcel.body).at_s
            self._write(f"### written by ha-monitor\nfile_time={stamp}\n\n" + "\n".join(entries))
        except OSError as error:
            hint = "" if error.errno != 13 else "; add the publisher's user to the directory's group"
            raise SinkError(f"{self.directory}: {error.strerror}{hint}") from error
        return Delivery(tuple(entry.row for entry in batch))

    def _last_waits(self) -> bool:
        if self._last is None:
            return False
        try:
            age_s = time.time() - self._last.stat().st_mtime
        except FileNotFoundError:
            return False
        if age_s > UNREAD_S:
            raise SinkError(f"{self._last}: waits for {age_s:.0f} s, Nagios does not read it")
        return True

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
            self._last = path.with_name(f"{path.name}.ok")
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
