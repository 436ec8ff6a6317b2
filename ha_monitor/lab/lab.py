"""The lab as a whole: bring it up, take it down, ask for its hosts.

``with Lab().session() as lab`` is the way for programs that want a lab for a while;
``up`` and ``down`` are for a lab that outlives its caller.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ha_monitor.errors import PrerequisiteError
from ha_monitor.lab import kernel, memory
from ha_monitor.lab.cast import CAST, LAB_DEFAULT, LAB_VARIABLE, STATE_ROOT
from ha_monitor.lab.host import Host
from ha_monitor.lab.layout import MEMORY_ROOT, memory_of
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.processes import end_all_in_network
from ha_monitor.lab.state import StateFile
from ha_monitor.lab.switch import Switch, ip_batch

_NETNS = Path("/run/netns")


class Lab:
    """One lab, known by its name; several can stand side by side."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or os.environ.get(LAB_VARIABLE) or LAB_DEFAULT
        if not re.fullmatch(r"[a-z][a-z0-9]{0,7}", self.name):
            raise LabError(f"{LAB_VARIABLE}: {self.name!r} is not a name of 1 to 8 small letters and digits")
        self.directory = Path(STATE_ROOT) / self.name
        self.state = StateFile(self.directory)
        self.switch = Switch(f"{self.name}-sw")
        self._hosts = {
            member.name: Host(self.name, self.directory, self.state, member, self.switch)
            for member in CAST.values()
        }

    def host(self, name: str) -> Host:
        """The host of this name, with power or without."""
        if name not in self._hosts:
            raise LabError(f"{name!r} is not a host of the lab: {', '.join(self._hosts)}")
        return self._hosts[name]

    @property
    def hosts(self) -> tuple[Host, ...]:
        """All hosts of the cast."""
        return tuple(self._hosts.values())

    def is_up(self) -> bool:
        """Whether the lab was brought up and not taken down since."""
        return self.state.read().complete

    def up(self) -> None:
        """Bring the lab up; hosts that stand already are left alone.

        Raises PrerequisiteError when rights or kernel features are missing, LabError when
        another process is bringing this lab up or down.
        """
        refuse_without_rights()
        with self._alone():
            if not self.is_up():
                self._remove_leftovers()
            self.directory.mkdir(parents=True, exist_ok=True)
            try:
                self._build()
            except BaseException:
                self._remove_leftovers()
                raise

    def down(self) -> None:
        """Remove everything of this lab, also what a crashed one left behind."""
        refuse_without_rights()
        with self._alone():
            self._remove_leftovers()

    @contextlib.contextmanager
    def session(self) -> Iterator[Lab]:
        """A lab for the time of the block: taken down at the end unless it was up before."""
        was_up = self.is_up()
        self.up()
        try:
            yield self
        finally:
            if not was_up:
                self.down()

    @contextlib.contextmanager
    def claimed(self, purpose: str) -> Iterator[None]:
        """Keep others from doing the same thing in this lab for the time of the block."""
        with _locked(self.directory / f"{purpose}.lock") as lock:
            if lock is None:
                raise LabError(f"lab {self.name}: another process is {purpose} here; wait for it")
            yield

    def status(self) -> dict[str, object]:
        """What stands: hosts with their power and processes, active faults."""
        state = self.state.read()
        hosts = {
            host.name: {
                "power": host.is_on(),
                "lan": host.member.v4(),
                "processes": len(host.processes()),
            }
            for host in self.hosts
        }
        return {"lab": self.name, "up": state.complete, "hosts": hosts, "faults": state.faults}

    def leftovers(self) -> list[str]:
        """What of this lab still exists on the machine: nothing after ``down``."""
        left = [str(path) for path in self._namespaces()]
        return left + ([str(self.directory)] if self.directory.exists() else [])

    def _build(self) -> None:
        if not (_NETNS / self.switch.namespace).exists():
            self.switch.build()
            self.switch.set_filters([])
        with ThreadPoolExecutor(len(self._hosts)) as pool:
            for future in [pool.submit(host.power_on) for host in self.hosts]:
                future.result()
        with self.state.change() as state:
            state.complete = True

    def _namespaces(self) -> list[Path]:
        names = [self.switch.namespace, *(host.namespace for host in self.hosts)]
        return [_NETNS / name for name in names if (_NETNS / name).exists()]

    def _remove_leftovers(self) -> None:
        """By the names of the namespaces, so that a lost state file hides nothing."""
        namespaces = self._namespaces()
        for path in namespaces:
            end_all_in_network(str(path))
        if namespaces:
            ip_batch([f"netns del {path.name}" for path in namespaces])
        memory.remove_limits(self.name)
        kernel.unmount_below(str(self.directory))
        for directory in (memory_of(self.directory), self.directory):
            shutil.rmtree(directory, ignore_errors=True)
        with contextlib.suppress(OSError):  # another lab's
            Path(MEMORY_ROOT).rmdir()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        path = Path(STATE_ROOT) / f"{self.name}.lock"
        with _locked(path) as lock:
            if lock is None:
                raise LabError(f"lab {self.name}: another process is bringing it up or down; wait for it")
            yield
            if not self.directory.exists():
                path.unlink()
        with contextlib.suppress(OSError):
            path.parent.rmdir()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int | None]:
    """The file's descriptor while this process alone holds its lock, or None."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The file may have been removed, and made anew by a third, since it was opened.
            is_current = path.exists() and os.fstat(lock).st_ino == path.stat().st_ino
        except BlockingIOError:
            is_current = False
        yield lock if is_current else None
    finally:
        os.close(lock)


def refuse_without_rights() -> None:
    """Raise PrerequisiteError when this process cannot make hosts here, and say what is missing."""
    if os.geteuid() != 0:
        raise PrerequisiteError("the lab makes network namespaces and needs root: run it with sudo")
    kinds = ("net", "mnt", "pid", "uts", "ipc")
    missing = [kind for kind in kinds if not os.path.exists(f"/proc/self/ns/{kind}")]
    if missing:
        raise PrerequisiteError(f"this kernel has no namespaces of kind {', '.join(missing)}")
    for program, package in (("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(program, path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
            raise PrerequisiteError(f"{program} is not installed: apt-get install {package}")
