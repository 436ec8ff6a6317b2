"""Runs one command line within its time, and leaves neither a stuck process nor a full disk behind.

Every line is given to ``/bin/sh -c``: one rule, and what worked when typed works here. The shell and
what it starts have a session and process group of their own, so that a line that takes too long is
ended together with its children, and a daemon that it started lives on when the worker dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ha_monitor.timebase import MS, SECOND

OUTPUT_MAX = 64 * 1024  # bytes kept of a file that a daemon may go on writing to
HEAD_MAX = 4096  # bytes read for the detail line
TRIM_EVERY_NS = 250 * MS
TERM_GRACE_NS = 2 * SECOND


@dataclass(frozen=True)
class Ended:
    """How a line ended. ``code``: as the shell's ``$?``, negative for a signal, None: not within its time."""

    code: int | None
    output: str


async def run_line(
    argv: Sequence[str],
    environment: Mapping[str, str],
    timeout_ns: int,
    output: Output,
    stdin: int = subprocess.DEVNULL,
) -> Ended:
    """Run ``argv`` for at most ``timeout_ns``, then SIGTERM and, 2 s later, SIGKILL its process group.

    ``stdin``: a descriptor to read from. A cancelled call ends the group in the same way before it returns.
    """
    with output:
        process = subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=output.write_fd,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **environment},
        )
        try:
            output.begin()
            async with asyncio.timeout(timeout_ns / SECOND):
                await exit_of(process.pid)
        except TimeoutError:
            await _end_group(process)
            return Ended(None, output.head())
        except asyncio.CancelledError:
            await _end_group(process)
            raise
        return Ended(process.wait(), output.head())


async def exit_of(pid: int) -> None:
    """Return when the process has exited. It is not reaped. Raises ProcessLookupError if there is none."""
    loop = asyncio.get_running_loop()
    exited: asyncio.Future[None] = loop.create_future()
    pidfd = os.pidfd_open(pid)
    try:
        loop.add_reader(pidfd, _resolve, exited)
        await exited
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


def _resolve(exited: asyncio.Future[None]) -> None:
    if not exited.done():
        exited.set_result(None)


async def _end_group(process: subprocess.Popen[bytes]) -> None:
    _signal_group(process.pid, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TERM_GRACE_NS / SECOND):
            await exit_of(process.pid)
    # The leader is not reaped yet, so its number still means this group.
    _signal_group(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        # A process in an uninterruptible wait does not even die of SIGKILL: do not wait for it for ever.
        async with asyncio.timeout(TERM_GRACE_NS / SECOND):
            await exit_of(process.pid)
    process.poll()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


class Output(Protocol):
    """Where a line's standard output and error go. A context manager around one run."""

    write_fd: int

    def __enter__(self) -> Output: ...

    def __exit__(self, *exception: object) -> None: ...

    def begin(self) -> None:
        """The process has inherited ``write_fd``."""
        ...

    def head(self) -> str:
        """The first bytes of what was written."""
        ...


class PipeOutput:
    """For lines that leave nothing running: keeps the head, reads and forgets the rest."""

    def __init__(self, head_max: int = HEAD_MAX) -> None:
        self._head_max = head_max

    def __enter__(self) -> PipeOutput:
        self._read_fd, self.write_fd = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read_fd, False)
        self._kept = bytearray()
        self._is_write_open = True
        return self

    def __exit__(self, *exception: object) -> None:
        asyncio.get_running_loop().remove_reader(self._read_fd)
        os.close(self._read_fd)
        if self._is_write_open:
            os.close(self.write_fd)

    def begin(self) -> None:
        """Our own writing end is closed, and reading begins."""
        os.close(self.write_fd)
        self._is_write_open = False
        asyncio.get_running_loop().add_reader(self._read_fd, self._read)

    def head(self) -> str:
        """What was written first, also what still stands in the pipe."""
        self._read()
        return self._kept.decode(errors="replace")

    def _read(self) -> None:
        try:
            chunk = os.read(self._read_fd, OUTPUT_MAX)
        except BlockingIOError:
            return
        if not chunk:  # closed by all writers; the end of the process is told by its pidfd
            asyncio.get_running_loop().remove_reader(self._read_fd)
        self._kept += chunk[: self._head_max - len(self._kept)]


class FileOutput:
    """For `start`, whose daemon inherits it: a pipe would break under the daemon when the worker dies.

    The file lies on tmpfs and is emptied when it grows past 64 KiB: by us during the start, and by
    `trim` with every probe after it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write_fd = -1
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> FileOutput:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Appending: after it was emptied a daemon writes at the new end, not into a hole.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self.write_fd = os.open(self.path, flags, 0o600)
        os.ftruncate(self.write_fd, 0)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        os.close(self.write_fd)

    def begin(self) -> None:
        """Keep the file small as long as the start takes."""
        self.trim()
        self._timer = asyncio.get_running_loop().call_later(TRIM_EVERY_NS / SECOND, self.begin)

    def head(self) -> str:
        """What was written since the file was last emptied."""
        return os.pread(self.write_fd, HEAD_MAX, 0).decode(errors="replace")

    def trim(self) -> None:
        """Empty the file if it has grown past its bound."""
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_size > OUTPUT_MAX:
                os.truncate(self.path, 0)
