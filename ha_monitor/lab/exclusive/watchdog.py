"""The double of a watchdog device: a file whose time, when it runs out, takes the host's power.

    python3 -m ha_monitor.lab.exclusive.watchdog LAB HOST FILE_SYSTEM

It runs outside the host, as hardware would: what freezes the host does not freeze it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from ha_monitor.lab import kernel
from ha_monitor.lab.exclusive.disk import SharedDisk
from ha_monitor.lab.exclusive.fuse_file import FuseFile
from ha_monitor.lab.exclusive.watchdog_rules import WatchdogRules
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.problems import LabError

INSIDE = "/run/ha-monitor-watchdog"  # as a host sees it
LOOK_EVERY_S = 0.02


def place_of(lab: Lab, host: str) -> Path:
    """The file as the machine outside sees it."""
    return lab.directory / "watchdog" / host


def firings(lab: Lab, host: str) -> int:
    """How often this host was reset."""
    path = place_of(lab, host).with_suffix(".fired")
    return len(path.read_text().splitlines()) if path.exists() else 0


@contextlib.contextmanager
def plug_of(lab: Lab, host: str) -> Iterator[None]:
    """One hand at a host's plug at a time: a double that fires, or the series that boots or cuts it."""
    path = place_of(lab, host).with_suffix(".plug")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Double:
    """The device of one host, with the host's plug in its hand."""

    def __init__(self, lab: Lab, host: str, disk: SharedDisk) -> None:
        self.rules = WatchdogRules()
        self._lab, self._host, self._disk = lab, host, disk
        self._life: object = None  # of the host when it was opened
        self.file = FuseFile(place_of(lab, host), self, time.monotonic_ns)

    def open(self, at_ns: int) -> None:
        """Of this life of the host: a device without power does not count."""
        life = self._lab.host(self._host).init()
        if life != self._life:
            self.rules.lose_power()
        self._life = life
        self.rules.open(at_ns)

    def write(self, data: bytes, at_ns: int) -> int:
        """Fed."""
        return self.rules.write(data, at_ns)

    def close(self) -> None:
        """Closed, by whomever."""
        self.rules.close()

    def ioctl(self, number: int, argument: bytes, at_ns: int) -> bytes:
        """Asked."""
        return self.rules.ioctl(number, argument, at_ns)

    def watch(self) -> None:
        """Take the power when the time runs out; in a thread, for requests must be answered meanwhile."""
        while True:
            time.sleep(LOOK_EVERY_S)
            if self.rules.has_fired(time.monotonic_ns()):
                self.rules.lose_power()
                self._fire()

    def _fire(self) -> None:
        host = self._lab.host(self._host)
        with plug_of(self._lab, self._host):
            if host.init() != self._life or self._life is None:
                return  # it lost its power already, and may have got it back since
            with open(place_of(self._lab, self._host).with_suffix(".fired"), "a") as notes:
                notes.write(f"{time.monotonic_ns()}\n")
            self._disk.cut_off(self._host)
            with contextlib.suppress(LabError, OSError):
                host.power_off()


def main() -> int:
    """Until the file is unmounted."""
    lab, host = Lab(sys.argv[1]), sys.argv[2]
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
    double = Double(lab, host, SharedDisk(lab, sys.argv[3]))
    threading.Thread(target=double.watch, daemon=True).start()
    os.write(1, b"ready\n")
    while True:
        select.select([double.file.fd], [], [])
        if not double.file.serve_one():
            return 0


def remove_doubles(lab: Lab) -> None:
    """Unmount them, whoever serves them: a double whose file is unmounted ends."""
    for path in (lab.directory / "watchdog").glob("*"):
        with contextlib.suppress(OSError):
            kernel.unmount_lazily(str(path))


if __name__ == "__main__":
    sys.exit(main())
