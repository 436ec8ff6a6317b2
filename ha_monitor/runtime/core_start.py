"""What the guard tells a core at its start, in one environment variable."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from ha_monitor.runtime.goodbye import SocketKey
from ha_monitor.runtime.memory import Memory

START = "HA_MONITOR_START"


@dataclass(frozen=True)
class CoreStart:
    """Inherited descriptors, and what was remembered. ``sockets``: of the core before, still connected."""

    guard_fd: int
    worker_fd: int
    publisher_fd: int
    control_fd: int
    status_fd: int
    keys_fd: int
    memory: Memory
    abstain_ns: int  # for how long a voter abstains that lost its state
    restarts: int = 0
    released: tuple[tuple[str, tuple[int, int, int]], ...] = ()  # for the core before: group, ballot
    sockets: tuple[tuple[SocketKey, int], ...] = field(default=())

    def fds(self) -> list[int]:
        """Everything that must pass to the child."""
        channels = [self.guard_fd, self.worker_fd, self.publisher_fd]
        own = [*channels, self.control_fd, self.status_fd, self.keys_fd]
        return [fd for fd in own if fd >= 0] + [fd for _, fd in self.sockets]

    def to_text(self) -> str:
        """As JSON."""
        plain = asdict(self)
        plain["sockets"] = [[key.as_list(), fd] for key, fd in self.sockets]
        return json.dumps(plain)


def core_start_of(environment: Mapping[str, str] = os.environ) -> CoreStart:
    """What the guard said. Raises KeyError when this process was not started by a guard."""
    plain = json.loads(environment[START])
    plain["memory"] = Memory(**plain["memory"])
    plain["released"] = tuple((group, (c, n, i)) for group, (c, n, i) in plain["released"])
    plain["sockets"] = tuple((SocketKey(*key), fd) for key, fd in plain["sockets"])
    return CoreStart(**plain)
