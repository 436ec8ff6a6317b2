"""What an outsider notes while a story goes on: one line each, in the words of operators.

A line says when (ms since the block's first command, to the nearest 10), who noted it, and what. Hosts that
note the same at the same time share a line. Times are rounded because a story is about what happens and in
which order; a millisecond more or less is the subject of measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ha_monitor.timebase import MS

GRAIN_NS = 10 * MS
NOTHING = "        nothing"
LINES_MAX = 200  # of one block; more than that nobody reads


@dataclass
class Note:
    """Something noted. ``by``: hosts, or what it is about."""

    at_ns: int
    by: list[str]
    text: str


@dataclass
class Teller:
    """Keeps the notes of one block. ``order``: hosts as they are named in the configuration."""

    order: Sequence[str]
    since_ns: int = 0
    notes: list[Note] = field(default_factory=list)

    def begin(self, at_ns: int) -> None:
        """A new block: time counts from here."""
        self.since_ns = at_ns
        self.notes.clear()

    def tell(self, at_ns: int, by: str, text: str) -> None:
        """Note something; together with others who note the same."""
        for note in reversed(self.notes):
            if self._rounded(note.at_ns) < self._rounded(at_ns):
                break
            if note.text == text and by in self.order and note.by[0] in self.order:
                if by not in note.by:
                    note.by.append(by)
                return
        self.notes.append(Note(at_ns, [by], text))

    def _rounded(self, at_ns: int) -> int:
        return max(0, at_ns - self.since_ns + GRAIN_NS // 2) // GRAIN_NS

    def lines(self) -> list[str]:
        """The block's trace."""
        notes = sorted(self.notes, key=lambda note: self._rounded(note.at_ns))
        lines = [f"{self._rounded(n.at_ns) * GRAIN_NS // MS:6}  {self._by(n)}: {n.text}" for n in notes]
        if len(lines) > LINES_MAX:
            lines[LINES_MAX:] = [f"        and {len(lines) - LINES_MAX} lines more"]
        return lines or [NOTHING]

    def _by(self, note: Note) -> str:
        return ", ".join(sorted(note.by, key=lambda by: self.order.index(by) if by in self.order else -1))
