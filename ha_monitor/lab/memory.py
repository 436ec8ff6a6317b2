"""A control group that leaves some processes of a host almost no memory: the kernel's OOM killer acts.

Works with either version of control groups, whichever has the memory controller.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from ha_monitor.lab.problems import LabError

_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
# What was allocated before stays charged to where it was: this is what may be added to it.
_LEFT_BYTES = 512 * 1024
_GONE = (FileNotFoundError, ProcessLookupError)


def parent() -> Path | None:
    """The control group in which groups with a memory limit can be made, or None: our own if it can be."""
    if (_V1 / "tasks").exists():
        line = next(x for x in Path("/proc/self/cgroup").read_text().splitlines() if ":memory:" in x)
        own = _V1 / line.rpartition(":")[2].lstrip("/")
        return own if own.exists() else _V1
    controllers = _V2 / "cgroup.subtree_control"
    return _V2 if controllers.exists() and "memory" in controllers.read_text().split() else None


class MemoryLimit:
    """The control group of one host of one lab."""

    def __init__(self, lab_name: str, host: str) -> None:
        root = parent()
        if root is None:
            raise LabError(
                "this machine has no memory controller for control groups: no host can lack memory"
            )
        self._root, self._is_v1 = root, root.is_relative_to(_V1)
        self._group = root / _name(lab_name, host)

    def tighten(self, pids: Iterable[int]) -> None:
        """Let these processes and their children have almost no more memory."""
        self._group.mkdir(exist_ok=True)
        self._limit(_LEFT_BYTES)
        for pid in pids:
            _move(self._group, pid)

    def lift(self) -> None:
        """No limit, and no group."""
        if not self._group.exists():
            return
        self._unlimit()
        deadline = time.monotonic() + 5
        while True:
            for pid in (self._group / "cgroup.procs").read_text().split():
                _move(self._root, int(pid))
            try:
                self._group.rmdir()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise LabError(f"{self._group}: cannot be removed: processes in it do not end") from None
                time.sleep(0.05)

    def kills(self) -> int:
        """How many processes the kernel killed for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(FileNotFoundError):
                for line in (self._group / name).read_text().splitlines():
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        return 0

    def _limit(self, size: int) -> None:
        (self._group / self._file).write_text(str(size))

    def _unlimit(self) -> None:
        (self._group / self._file).write_text("-1" if self._is_v1 else "max")

    @property
    def _file(self) -> str:
        return "memory.limit_in_bytes" if self._is_v1 else "memory.max"


def remove_limits(lab_name: str) -> None:
    """Remove the groups of a lab whose processes have ended, also after a crash."""
    root = parent()
    for group in root.glob(_name(lab_name, "*")) if root else ():
        with contextlib.suppress(OSError):
            group.rmdir()


def _name(lab_name: str, host: str) -> str:
    return f"ha-monitor-lab-{lab_name}-{host}"


def _move(group: Path, pid: int) -> None:
    with contextlib.suppress(*_GONE), open(group / "cgroup.procs", "w") as file:
        os.write(file.fileno(), str(pid).encode())
