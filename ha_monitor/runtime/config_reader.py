"""Reads the configuration in a child: the guard must not load its libraries, nor wait for what hangs.

That is a disk, or the name service that knows the publisher's user.
"""

from __future__ import annotations

import os
import select
import subprocess

from ha_monitor import paths
from ha_monitor.errors import HaMonitorError, PrerequisiteError
from ha_monitor.runtime.children import full_python
from ha_monitor.timebase import SECOND, lease_clock_ns

READ_BOUND_NS = 20 * SECOND
CHILD = "ha_monitor.runtime.config_child"


class ConfigReader:
    """One reading, under way from the beginning. Whoever made it ends it."""

    def __init__(self) -> None:
        """Raises PrerequisiteError where no process can be started."""
        self._told = self._complaint = self._pidfd = -1
        self._bound_ns = lease_clock_ns() + READ_BOUND_NS
        try:
            # In memory, so that nobody has to empty a pipe while the child writes.
            self._told, self._complaint = os.memfd_create("configuration"), os.memfd_create("complaint")
            self._child = subprocess.Popen(
                full_python(CHILD), stdin=subprocess.DEVNULL, stdout=self._told, stderr=self._complaint
            )
            self._pidfd = os.pidfd_open(self._child.pid)
        except OSError as error:  # no process or descriptor left: a guard must not end for that
            self._close()
            raise PrerequisiteError(
                f"the configuration's reader cannot be started: {error.strerror}"
            ) from None

    def fileno(self) -> int:
        """Readable when there is an answer."""
        return self._pidfd

    def answer(self, at_ns: int) -> bytes | None:
        """Configuration, keys and the publisher's account as JSON, all checked; None as long as it is read.

        Raises HaMonitorError that says what is wrong with them, or that they could not be read in time.
        """
        code = self._child.poll()
        if code is None and at_ns > self._bound_ns:
            raise PrerequisiteError(
                f"{paths.etc_dir()}: not read within {READ_BOUND_NS // SECOND} s;"
                " does its disk answer, and the name service (`getent passwd`)?"
            )
        if code is None:
            return None
        if code != 0:
            reason = _content(self._complaint).decode(errors="replace").strip().removeprefix("ha-monitor: ")
            raise HaMonitorError(reason or f"the configuration's reader ended with code {code}")
        return _content(self._told)

    def end(self) -> None:
        """Nothing of it stays. It is not waited for: on a hanging disk it ends when the disk does."""
        if self._child.poll() is None:
            self._child.kill()
        self._close()

    def _close(self) -> None:
        for fd in (self._told, self._complaint, self._pidfd):
            if fd >= 0:
                os.close(fd)
        self._told = self._complaint = self._pidfd = -1


def _content(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def read_configuration() -> bytes:
    """Wait for the answer: for a daemon that has nothing to do before it. Raises HaMonitorError."""
    reader = ConfigReader()
    try:
        while (told := reader.answer(lease_clock_ns())) is None:
            select.select([reader], [], [], 1.0)
    finally:
        reader.end()
    return told
