"""Watches both Nodes' mount tables: the kernel wakes us at each change, so no overlap is too short to see."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time

from ha_monitor.lab.cast import NODES
from ha_monitor.lab.exclusive.disk import MOUNT_POINT
from ha_monitor.lab.lab import Lab

LOOK_FOR_HOSTS_EVERY_S = 0.05


class MountWatch:
    """``doubles``: (from, to) in monotonic ns, each time in which both Nodes had the disk mounted."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.doubles: list[tuple[int, int]] = []
        self.changes: list[tuple[int, str, bool]] = []
        self._since: int | None = None
        self._mounted = dict.fromkeys(NODES, False)
        self._tables: dict[str, tuple[int, int]] = {}  # Node to pid of its process 1, and its table
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> MountWatch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set():
            self._follow_hosts()
            poll = select.poll()
            for _, fd in self._tables.values():
                poll.register(fd, select.POLLPRI | select.POLLERR)
            poll.poll(LOOK_FOR_HOSTS_EVERY_S * 1000)
            self.look(time.monotonic_ns())
        for node in NODES:
            self._forget(node)

    def _follow_hosts(self) -> None:
        for node in NODES:
            init = self._lab.host(node).init()
            known = self._tables.get(node)
            if known is not None and (init is None or init.pid != known[0]):
                self._forget(node)
            if init is not None and node not in self._tables:
                with contextlib.suppress(OSError):
                    self._tables[node] = (
                        init.pid,
                        os.open(f"/proc/{init.pid}/mounts", os.O_RDONLY | os.O_CLOEXEC),
                    )

    def _forget(self, node: str) -> None:
        known = self._tables.pop(node, None)
        if known is not None:
            os.close(known[1])

    def look(self, at_ns: int) -> None:
        """Read both tables now."""
        for node in NODES:
            is_mounted = node in self._tables and _shows_disk(self._tables[node][1])
            if is_mounted != self._mounted[node]:
                self.changes.append((at_ns, node, is_mounted))
            self._mounted[node] = is_mounted
        if all(self._mounted.values()):
            self._since = self._since or at_ns
        elif self._since is not None:
            self.doubles.append((self._since, at_ns))
            self._since = None

    def count_since(self, from_ns: int) -> int:
        """How many of them reached beyond that moment, one that lasts still included."""
        return sum(1 for _, to_ns in self.doubles if to_ns >= from_ns) + (self._since is not None)


def _shows_disk(fd: int) -> bool:
    try:
        chunks, at = [], 0
        while chunk := os.pread(fd, 65536, at):
            chunks.append(chunk)
            at += len(chunk)
    except OSError:
        return False  # its host has no power
    needle = f" {MOUNT_POINT} ".encode()
    return any(needle in line for line in b"".join(chunks).splitlines())
