"""Processes of lab hosts as the machine outside sees them: find, signal, end, reap."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ha_monitor.lab.problems import LabError
from ha_monitor.lab.state import ProcessId

_GONE = (FileNotFoundError, ProcessLookupError)
_DEATH_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Process:
    """A process inside a host, with its number as the machine outside counts."""

    pid: int
    argv: tuple[str, ...]

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process with this number, or None when it is gone or waits to be reaped."""
        with contextlib.suppress(*_GONE):
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
            if raw:
                return cls(pid, tuple(raw.decode(errors="replace").rstrip("\0").split("\0")))
        return None

    def signal(self, number: int) -> None:
        """Send a signal; a process that is gone already is no error."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


def signal_all(processes: Iterable[Process], number: int) -> None:
    """Send a signal to each of these."""
    for process in processes:
        process.signal(number)


def kill_all_at_once(processes: Iterable[Process]) -> None:
    """Stop every one first, then kill: none acts on the death of another in between."""
    chosen = list(processes)
    signal_all(chosen, signal.SIGSTOP)
    signal_all(chosen, signal.SIGKILL)


def pids_in_namespace(kind: str, inode: int) -> Iterator[int]:
    """All processes in the namespace of this kind with this inode number."""
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            with contextlib.suppress(*_GONE, PermissionError):
                if os.stat(f"/proc/{entry}/ns/{kind}").st_ino == inode:
                    yield int(entry)


def pid_inside(pid: int) -> int | None:
    """The number that a process has in its own, innermost pid namespace."""
    with contextlib.suppress(*_GONE):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return None


def kill_and_reap(process: ProcessId) -> None:
    """End this very process and wait until it runs no more.

    When it is process 1 of a host, no process of that host runs any more either.
    """
    if not process.is_alive():
        return
    with contextlib.suppress(*_GONE):
        namespace, inside = os.stat(f"/proc/{process.pid}/ns/pid").st_ino, pid_inside(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        is_host = inside == 1 and namespace != os.stat("/proc/self/ns/pid").st_ino
        deadline = time.monotonic() + _DEATH_TIMEOUT_S
        while process.is_alive() or (is_host and _runs_any(namespace)):
            if time.monotonic() > deadline:
                raise LabError(f"process {process.pid} survives SIGKILL for {_DEATH_TIMEOUT_S:g} s")
            time.sleep(0.001)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)


def _runs_any(pid_namespace: int) -> bool:
    found = (ProcessId.of(pid) for pid in pids_in_namespace("pid", pid_namespace))
    return any(process is not None and process.is_alive() for process in found)


def end_all_in_network(path: str) -> None:
    """Kill every process whose network is the one named by ``path``, but never this process."""
    inode = os.stat(path).st_ino
    for pid in pids_in_namespace("net", inode):
        process = ProcessId.of(pid)
        if process is not None and pid != os.getpid():
            kill_and_reap(process)
