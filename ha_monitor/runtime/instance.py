"""One daemon on a host, and one core at a time: locks that the kernel frees when a process ends.

POSIX record locks, because the kernel can name the holder's pid, and because they do not pass to children.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from ha_monitor.errors import PrerequisiteError

GUARD_LOCK = "guard.lock"
CORE_LOCK = "core.lock"
_FLOCK = struct.Struct("@hhqqi4x")  # struct flock: l_type, l_whence, l_start, l_len, l_pid


class ProcessLock:
    """A lock file. The lock lasts as long as the process that took it, whatever ends it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, what: str) -> None:
        """Take it now. Raises PrerequisiteError, naming ``what`` and the holder's pid, when it is held."""
        if not self.try_take():
            pid = self.holder_pid()
            raise PrerequisiteError(
                f"{what} runs on this host already (pid {pid}, holds {self._path});"
                " stop it first: ha-monitor stop"
            )

    def try_take(self) -> bool:
        """Take it now if nobody holds it."""
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def holder_pid(self) -> int:
        """Who holds it: the pid, 0 if nobody else."""
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(self._fd, fcntl.F_GETLK, asked))
        return 0 if kind == fcntl.F_UNLCK else int(pid)
