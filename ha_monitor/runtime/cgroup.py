"""The cgroup of an exclusive group: everything that its start lines begin, and whatever that begins in turn.

The guard alone makes and removes the directory. A start line enters it before it does anything else, so a
directory that is gone proves two things at once: no process of the group runs, and no start that was ordered
before and was held up somewhere can begin any more. It proves nothing about what leaves no process, such as a
mount: the statuses do, asked after the removal.

Version 2 of the kernel's cgroups is preferred (`cgroup.kill` ends all at once); where there is version 1
alone its `pids` controller is used, which lets nobody fork while processes are killed one by one.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from ha_monitor.errors import PrerequisiteError

MOUNTS = Path("/proc/self/mountinfo")
PASSES_MAX = 100  # of killing one by one, where the kernel cannot kill a whole cgroup


@dataclass(frozen=True)
class Hierarchy:
    """Where cgroups are mounted."""

    root: Path
    version: int


def find_hierarchy(mounts: str) -> Hierarchy | None:
    """The one to use, by the text of /proc/self/mountinfo."""
    found: dict[str, str] = {}
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            found["2"] = _unescaped(before.split(" ")[4])
        elif kind == "cgroup" and "pids" in options.split(","):
            found["1"] = _unescaped(before.split(" ")[4])
    for version in ("2", "1"):
        if version in found:
            return Hierarchy(Path(found[version]), int(version))
    return None


def _unescaped(path: str) -> str:
    return path.encode().decode("unicode_escape")


def hierarchy() -> Hierarchy:
    """This host's. Raises PrerequisiteError."""
    found = find_hierarchy(MOUNTS.read_text(encoding="ascii", errors="replace"))
    if found is None:
        raise PrerequisiteError(
            "no cgroups are mounted here, and an exclusive group cannot be ended without: mount cgroup2 at"
            " /sys/fs/cgroup"
        )
    return found


def directory_of(place: Hierarchy, cluster: str, group: str) -> Path:
    """Where that group's processes are."""
    return place.root / f"ha-monitor-{cluster}" / group


class Cgroup:
    """One group's. Methods raise OSError for what a kernel never refuses to root."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def make(self) -> None:
        """From now on start lines can enter. After an OSError nothing can that could not before."""
        try:
            self.directory.mkdir(parents=True)
        except FileExistsError:
            self._write("pids.max", b"max")  # after `kill` nothing in it could fork

    def kill(self) -> None:
        """SIGKILL to all that is in it, and to all that they began and left in it."""
        if not self.directory.exists():
            return
        if not self._write("cgroup.kill", b"1"):
            self._write("pids.max", b"0")
            self._kill_one_by_one()

    def remove(self) -> bool:
        """Remove it; False while a process is in it. True proves that none is, and none can come."""
        for below in self._below():
            with contextlib.suppress(OSError):
                below.rmdir()
        try:
            self.directory.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def pids(self) -> list[int]:
        """What runs in it and below; what waits to be reaped is not listed."""
        found: list[int] = []
        for directory in (self.directory, *self._below()):
            with contextlib.suppress(FileNotFoundError, OSError):
                found += map(int, (directory / "cgroup.procs").read_text().split())
        return found

    def _below(self) -> list[Path]:
        return [Path(path) for path, _, _ in os.walk(self.directory, topdown=False)][:-1]

    def _write(self, name: str, text: bytes) -> bool:
        """False where this version, or this kernel, has no such file."""
        try:
            fd = os.open(self.directory / name, os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            os.write(fd, text)
        finally:
            os.close(fd)
        return True

    def _kill_one_by_one(self) -> None:
        for _ in range(PASSES_MAX):
            pids = self.pids()
            if not pids:
                return
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
