"""A simulated disk: what the guard remembers over a boot, written beside the work and never waited for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ha_monitor.messages import MaintenanceNote
from ha_monitor.timebase import MS

SYNC_NS = 5 * MS


@dataclass(frozen=True)
class Memory:
    """As runtime/memory.py keeps it. ``maintenance_end_ns`` is true time here, wall clock there."""

    counter: int = 0
    hold_ns: int = 0  # the longest hold that may have been granted
    is_standby: bool = False
    maintenance: MaintenanceNote = field(default_factory=lambda: MaintenanceNote(0))
    maintenance_end_ns: int = 0

    def maintenance_note(self, now_ns: int) -> MaintenanceNote:
        """The note as it stands now."""
        note = self.maintenance
        return MaintenanceNote(note.number, max(0, self.maintenance_end_ns - now_ns), note.why, note.who)


class Disk:
    """``memory`` is the guard's copy, ``durable`` what a power cut leaves."""

    def __init__(self, later: Callable[[int, Callable[[], None]], None]) -> None:
        self.memory = Memory()
        self.durable = Memory()
        self.sync_ns = SYNC_NS
        self._later = later
        self._lives = 0
        self._written = self._synced = 0

    def write(self, **changes: Any) -> None:
        """Begin to write; until it is synced it can be lost."""
        self.memory = replace(self.memory, **changes)
        self._written += 1
        wanted, life, number = self.memory, self._lives, self._written

        def synced() -> None:
            if life == self._lives and number > self._synced:
                self.durable, self._synced = wanted, number

        self._later(self.sync_ns, synced)

    def write_through(self, **changes: Any) -> None:
        """Write before going on, as a guard does at its start."""
        self.memory = self.durable = replace(self.memory, **changes)

    def take_maintenance(self, note: MaintenanceNote, now_ns: int) -> None:
        """Remember until when it lasts."""
        self.write(maintenance=note, maintenance_end_ns=now_ns + note.remaining_ns)

    def lose_unsynced(self) -> None:
        """The power failed, or who was writing was killed."""
        self._lives += 1
        self.memory = self.durable
