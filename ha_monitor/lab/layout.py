"""What a host's file system is made of: its own directories, overlays, and the program itself."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import ha_monitor
from ha_monitor.lab.cast import CAST, STATE_ROOT

PACKAGE_ROOT = Path(ha_monitor.__file__).resolve().parent.parent

# Directory of the host under its state directory -> where the host sees it. The first two are
# memory on a real machine: they are emptied when the power comes back.
_OWN_DIRECTORIES = {
    "run": "/run",
    "run-ha-monitor": "/run/ha-monitor",
    "tmp": "/tmp",
    "log": "/var/log",
    "etc-ha-monitor": "/etc/ha-monitor",
    "lib-ha-monitor": "/var/lib/ha-monitor",
}
_VOLATILE = ("run", "run-ha-monitor", "tmp")
MEMORY_ROOT = "/dev/shm/ha-monitor-lab"
_OVERLAYS = ("/etc", "/var")


class Layout:
    """The directories of one host on the machine, and where the host sees them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def mounts(self) -> list[tuple[str, str]]:
        """Directory or file of the machine, and where the host sees it: in this order."""
        own = [(str(self._home(name)), target) for name, target in _OWN_DIRECTORIES.items()]
        own += [(f"{self._directory}/closed{path}", str(path)) for path in _closed_ways()]
        own.append((str(self._directory / "hosts"), "/etc/hosts"))
        return own

    def _home(self, name: str) -> Path:
        """Where one of the host's own directories lies: the daemons' own /run really in memory."""
        if name != "run-ha-monitor":
            return self._directory / name
        return memory_of(self._directory) / name

    def overlays(self) -> list[tuple[str, str, str]]:
        """Directories that stay as they are but keep changes apart: target, upper, work."""
        targets = [*_OVERLAYS, *(str(path) for path in _needed() if _is_closed(path))]
        whole = [(target, f"{self._directory}/overlay{target}") for target in targets]
        return [(target, f"{path}/upper", f"{path}/work") for target, path in whole]

    def make(self) -> None:
        """Make everything that is not there yet; empty what is memory on a real machine."""
        for name in _VOLATILE:
            shutil.rmtree(self._home(name), ignore_errors=True)
        # An overlay shows its directory with the mode of the upper one: open to everybody.
        parts = [part for _target, *both in self.overlays() for part in both]
        for directory in (*parts, *(source for source, _ in self.mounts()[:-1])):
            Path(directory).mkdir(parents=True, exist_ok=True)
        (self._directory / "tmp").chmod(0o1777)
        _copy_skeleton(Path("/var/log"), self._directory / "log")
        names = [f"{member.v4()} {member.name}" for member in CAST.values()]
        (self._directory / "hosts").write_text("\n".join(["127.0.0.1 localhost", *names, ""]))


def memory_of(directory: Path) -> Path:
    """What stands for a lab's directory, or one below it, where files wait for no disk.

    /run itself is a disk in containers; then a daemon's votes would each wait for it.
    """
    root = Path(STATE_ROOT)
    return Path(MEMORY_ROOT) / directory.relative_to(root) if _has_memory() else directory


def _has_memory() -> bool:
    return os.path.ismount(Path(MEMORY_ROOT).parent)


# A daemon has unprivileged processes as well. On a real server the program lies where all may read
# it; a checkout may lie anywhere, so a host shows it open, whatever the way to it on this machine.


def _needed() -> list[Path]:
    """Where the program lies: checkout, virtual environment, interpreter."""
    return sorted({Path(sys.prefix), Path(sys.base_prefix), PACKAGE_ROOT})


def hidden() -> list[Path]:
    """What the program needs and a host would not see, say a checkout in /tmp or /root."""
    covers: list[str | Path] = [*_OWN_DIRECTORIES.values(), *_closed_ways()]
    return [path for path in _needed() if any(path.is_relative_to(cover) for cover in covers)]


def _closed_ways() -> list[Path]:
    """Directories above the program that only root may enter, say /root: the outermost ones.

    A host gets an open directory of its own there, with nothing but the program below.
    """
    ways = [[way for way in reversed(path.parents) if _is_closed(way)] for path in _needed()]
    outermost: set[Path] = {closed[0] for closed in ways if closed}
    own = list(_OWN_DIRECTORIES.values())
    return sorted(way for way in outermost if not any(way.is_relative_to(cover) for cover in own))


def _is_closed(directory: Path) -> bool:
    return directory.stat().st_mode & 0o005 != 0o005


def _copy_skeleton(source: Path, target: Path) -> None:
    """The directories of ``source``, empty, with their owners: daemons expect them."""
    for entry in os.scandir(source):
        if entry.is_dir(follow_symlinks=False):
            made, status = target / entry.name, entry.stat()
            made.mkdir(exist_ok=True)
            os.chown(made, status.st_uid, status.st_gid)
            made.chmod(status.st_mode & 0o7777)
