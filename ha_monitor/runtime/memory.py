"""What a voter remembers over a boot, on disk: written by a thread of the guard, never waited for.

Missing or damaged memory is the safe case: the voter then abstains for `HOLD_UNKNOWN_NS`, and Epochs rise
through the wall clock.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ha_monitor.messages import MaintenanceNote
from ha_monitor.timebase import SECOND, wall_clock_ns

HOLD_UNKNOWN_NS = 10 * SECOND
FILE_NAME = "memory.json"


@dataclass(frozen=True)
class Memory:
    """``maintenance_until_ns`` is wall clock: a reboot may lie in between."""

    counter: int = 0  # highest ballot counter used or heard
    hold_ns: int = HOLD_UNKNOWN_NS  # the longest hold that this voter may have granted
    is_standby: bool = False
    maintenance_number: int = 0
    maintenance_until_ns: int = 0
    maintenance_why: str = ""
    maintenance_who: str = ""

    def maintenance(self, wall_ns: int) -> MaintenanceNote:
        """The note with what is left of it at this wall-clock time."""
        left = max(0, self.maintenance_until_ns - wall_ns)
        return MaintenanceNote(self.maintenance_number, left, self.maintenance_why, self.maintenance_who)

    def with_hold(self, hold_ns: int, is_known: bool) -> Memory:
        """What to remember before granting ``hold_ns``: never less than what was granted before."""
        return replace(self, hold_ns=max(self.hold_ns, hold_ns) if is_known else hold_ns)

    def changed(self, message: Mapping[str, Any]) -> Memory:
        """After one ``save`` message of the core. Raises KeyError, ValueError or TypeError if unusable."""
        return replace(self, **_CHANGES[message["what"]](message))


def _counter(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"counter": int(message["counter"])}


def _standby(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"is_standby": bool(message["is_standby"])}


def _maintenance(message: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "maintenance_number": int(message["number"]),
        "maintenance_until_ns": wall_clock_ns() + int(message["remaining_ns"]),
        "maintenance_why": str(message["why"]),
        "maintenance_who": str(message["who"]),
    }


_CHANGES = {"counter": _counter, "standby": _standby, "maintenance": _maintenance}


def load_memory(directory: Path) -> tuple[Memory, bool]:
    """What was remembered, and whether anything was: a damaged file counts as none."""
    try:
        read = json.loads((directory / FILE_NAME).read_bytes())
        memory = Memory(**read)
    except (OSError, ValueError, TypeError):
        return Memory(), False
    kinds = all(type(getattr(memory, name)) is type(default) for name, default in asdict(Memory()).items())
    return (memory, True) if kinds else (Memory(), False)


def store_memory(directory: Path, memory: Memory) -> None:
    """Write it whole and durably: a power cut leaves the old or the new. Raises OSError."""
    temporary = directory / f".{FILE_NAME}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, json.dumps(asdict(memory)).encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.replace(directory / FILE_NAME)
    with contextlib.suppress(OSError):
        _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
