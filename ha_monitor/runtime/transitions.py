"""Transitions on their way to the publisher: stamped, kept on tmpfs, sent again until acknowledged.

The file lets them outlive this core; a power cut in the milliseconds before the publisher has them on disk is
told by the other Node's own transition.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ha_monitor.core.actions import ReportTransition
from ha_monitor.messages import TransitionNote
from ha_monitor.timebase import MS

KEPT_MAX = 1000
FILE_NAME = "transitions.json"


def stamp(action: ReportTransition, ident: str, wall_ns: int) -> TransitionNote:
    """The note that goes round the cluster and to both monitoring systems."""
    return TransitionNote(
        ident=ident,
        group=action.group,
        at_ns=wall_ns,
        kind=action.kind.value,
        cause=action.cause.value,
        sentence=action.sentence,
        node_from=action.node_from,
        node_to=action.node_to,
        epoch=f"{action.epoch.counter}.{action.epoch.node}.{action.epoch.incarnation:x}",
        phases_ms=tuple((name, round(length / MS, 3)) for name, length in action.phases_ns),
    )


def line_of(note: TransitionNote) -> str:
    """One line for the journal: who, from where to where, why, how long."""
    way = f"{note.node_from or 'nobody'} -> {note.node_to or 'nobody'}"
    total = dict(note.phases_ms).get("total")
    took = f", {total:.0f} ms" if total is not None else ""
    return f"group {note.group}: {way} ({note.cause}{took}): {note.sentence}"


class TransitionOutbox:
    """What the publisher has not acknowledged yet, oldest first, bounded; what the bound drops is counted."""

    def __init__(self, directory: Path, name: str, incarnation: int) -> None:
        self._path = directory / FILE_NAME
        self._prefix = f"{name}-{incarnation:016x}"
        self._number = 0
        self.dropped = 0
        self._waiting: dict[str, dict[str, Any]] = {}
        self._last: dict[str, dict[str, Any]] = {}  # of each group, made here
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            kept = json.loads(self._path.read_bytes())
            self._waiting = {str(row["ident"]): row for row in kept["waiting"][-KEPT_MAX:]}
            self._last = {str(row["group"]): row for row in kept["last"]}

    def next_ident(self) -> str:
        """Unique: Node, Incarnation and number."""
        self._number += 1
        return f"{self._prefix}-{self._number}"

    def put(self, note: TransitionNote) -> Mapping[str, Any]:
        """Keep one until it is acknowledged; as the publisher gets it."""
        row = {**asdict(note), "phases_ms": dict(note.phases_ms)}
        self._waiting[note.ident] = self._last[note.group] = row
        while len(self._waiting) > KEPT_MAX:
            del self._waiting[next(iter(self._waiting))]
            self.dropped += 1
        self._store()
        return row

    def acknowledge(self, ident: str) -> None:
        """The publisher has it on disk."""
        if self._waiting.pop(ident, None) is not None:
            self._store()

    def waiting(self) -> list[Mapping[str, Any]]:
        """What must be sent again."""
        return list(self._waiting.values())

    def last_notes(self) -> list[TransitionNote]:
        """The latest of each group that this host made, for a new core that knows of none."""
        notes = []
        for row in self._last.values():
            with contextlib.suppress(TypeError, AttributeError):
                notes.append(TransitionNote(**{**row, "phases_ms": tuple(row["phases_ms"].items())}))
        return notes

    def _store(self) -> None:
        new = self._path.with_suffix(".new")
        kept = {"waiting": list(self._waiting.values()), "last": list(self._last.values())}
        with contextlib.suppress(OSError):  # tmpfs; if it is full they still wait in memory
            new.write_text(json.dumps(kept), encoding="utf-8")
            new.replace(self._path)
