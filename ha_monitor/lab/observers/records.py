"""What the observers write down: records of one size, appended to a file while they run.

Times are CLOCK_MONOTONIC in nanoseconds: one kernel runs all hosts, so they can be compared.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

RECORD = struct.Struct("<c15sQQ")

ANSWER = b"A"  # a probe was answered: host, when it was sent, when the answer was here
KERNEL = b"K"  # a Node's kernel answered in one round: host, first answer, last answer
STALL = b"S"  # the observer itself stood still: no host, from, until
ALIVE = b"T"  # everything before this is written: no host, 0, when

_STALLED_AFTER_NS = 3_000_000
_FLUSH_EVERY_NS = 100_000_000


class Recorder:
    """Collects records and writes them ten times a second, so that a stop loses nothing old."""

    def __init__(self, path: str, at_ns: int) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_TRUNC)
        self._pending = bytearray()
        self._woke_ns = at_ns
        self._flush_at_ns = at_ns

    def add(self, kind: bytes, host: bytes, first_ns: int, last_ns: int) -> None:
        """Note one record."""
        self._pending += RECORD.pack(kind, host, first_ns, last_ns)

    def awake(self, at_ns: int, every_ns: int) -> None:
        """The observer's loop is here: note it when it should have been here long ago."""
        self.stalled(self._woke_ns + every_ns, at_ns)
        self._woke_ns = at_ns

    def stalled(self, from_ns: int, until_ns: int) -> None:
        """A part of the observer stood still; shorter times are no stall but the usual jitter."""
        if until_ns - from_ns > _STALLED_AFTER_NS:
            self.add(STALL, b"", from_ns, until_ns)

    def is_flush_due(self, at_ns: int) -> bool:
        """Whether it is time to write."""
        return at_ns >= self._flush_at_ns

    def flush(self, at_ns: int) -> None:
        """Write what is pending."""
        self.add(ALIVE, b"", 0, at_ns)
        os.write(self._file, self._pending)
        self._pending.clear()
        self._flush_at_ns = at_ns + _FLUSH_EVERY_NS


@dataclass(frozen=True)
class Answer:
    """An answered probe, or one round of answers by a Node's kernel (then both are arrivals)."""

    host: str
    first_ns: int
    last_ns: int


@dataclass
class Records:
    """The records of one file, read on from where the last reading ended."""

    path: Path
    answers: list[Answer] = field(default_factory=list)
    stalls: list[tuple[int, int]] = field(default_factory=list)
    complete_until_ns: int = 0
    _offset: int = 0

    def read_on(self) -> None:
        """Take in what was written since."""
        for kind, host, first_ns, last_ns in self._new():
            if kind in (ANSWER, KERNEL):
                self.answers.append(Answer(host.rstrip(b"\0").decode(), first_ns, last_ns))
            elif kind == STALL:
                self.stalls.append((first_ns, last_ns))
            else:
                self.complete_until_ns = last_ns

    def _new(self) -> Iterator[tuple[bytes, bytes, int, int]]:
        if not self.path.exists():
            return iter(())
        with open(self.path, "rb") as file:
            file.seek(self._offset)
            raw = file.read()
        whole = len(raw) - len(raw) % RECORD.size
        self._offset += whole
        return iter(RECORD.iter_unpack(raw[:whole]))
