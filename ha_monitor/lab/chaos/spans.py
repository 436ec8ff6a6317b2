"""Who answered for a group, as spans of time: made from observers' records while they grow. Pure.

A chaos run lasts long and an observer writes hundreds of records a second; what is kept here grows
only with the number of changes. Times are nanoseconds of one clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ha_monitor.lab.observers.records import Answer

Interval = tuple[int, int]

# As in observers.analysis: three rounds of the asker.
SILENT_AFTER_NS = 12_000_000
_STALLS_KEPT = 400


@dataclass
class Span:
    """One host answered without a break, or without another host in between."""

    host: str
    first_ns: int
    last_ns: int


@dataclass
class KernelTrack:
    """When each Node's kernel answered for a group; one list of spans for each Node."""

    spans: dict[str, list[Span]] = field(default_factory=dict)
    _stalls: deque[Interval] = field(default_factory=lambda: deque(maxlen=_STALLS_KEPT))

    def take(self, answers: Iterable[Answer], stalls: Iterable[Interval]) -> None:
        """Take in what was recorded since; stalls of the asker do not end a span."""
        self._stalls.extend(stalls)
        for answer in sorted(answers, key=lambda a: a.first_ns):
            own = self.spans.setdefault(answer.host, [])
            if own and self._is_joined(own[-1].last_ns, answer.first_ns):
                own[-1].last_ns = max(own[-1].last_ns, answer.last_ns)
            else:
                own.append(Span(answer.host, answer.first_ns, answer.last_ns))

    def double_ns(self, from_ns: int, until_ns: int) -> int:
        """How long two kernels answered at the same time."""
        tracks = list(self.spans.values())
        return sum(
            _overlap(one, other, (from_ns, until_ns))
            for position, first in enumerate(tracks)
            for second in tracks[position + 1 :]
            for one in first
            for other in second
            if one.last_ns >= from_ns and other.last_ns >= from_ns
        )

    def _is_joined(self, last_ns: int, next_ns: int) -> bool:
        if next_ns - last_ns <= SILENT_AFTER_NS:
            return True
        stood_still = sum(max(0, min(b, next_ns) - max(a, last_ns)) for a, b in _union(self._stalls))
        return next_ns - last_ns - stood_still <= SILENT_AFTER_NS


@dataclass
class ProbeTrack:
    """Which host answered the client's probes, by the time of their sending; and the gaps between."""

    runs: list[Span] = field(default_factory=list)
    gaps: list[Interval] = field(default_factory=list)  # without an answer, longer than GAP_NS
    gap_ns: int = 100_000_000

    def take(self, answers: Iterable[Answer]) -> None:
        """Take in what was recorded since."""
        for answer in sorted(answers, key=lambda a: a.first_ns):
            if self.runs and answer.first_ns - self.runs[-1].last_ns > self.gap_ns:
                self.gaps.append((self.runs[-1].last_ns, answer.first_ns))
            if self.runs and self.runs[-1].host == answer.host:
                self.runs[-1].last_ns = max(self.runs[-1].last_ns, answer.first_ns)
            else:
                self.runs.append(Span(answer.host, answer.first_ns, answer.first_ns))

    def owner(self, since_ns: int) -> str | None:
        """Who answered last, if that was not before ``since_ns``."""
        return self.runs[-1].host if self.runs and self.runs[-1].last_ns >= since_ns else None

    def longest_gap_ns(self, from_ns: int, until_ns: int) -> int:
        """The longest time without an answer that began in a window; the part after its beginning."""
        ends = [(a, b) for a, b in self.gaps if a <= until_ns and b >= from_ns]
        return max((b - max(a, from_ns) for a, b in ends), default=0)

    def changes(self, from_ns: int, until_ns: int) -> list[Change]:
        """Each time that another host answered than before."""
        pairs = zip(self.runs, self.runs[1:], strict=False)
        return [
            Change(old.host, new.host, old.last_ns, new.first_ns)
            for old, new in pairs
            if from_ns <= new.first_ns <= until_ns
        ]

    def double_ns(self, from_ns: int, until_ns: int, is_told: Sequence[Change]) -> int:
        """How long a new host answered until the old one answered again.

        A host that answers again is no double Owner if its return was ``is_told``: a transition
        says that it became the Owner again in between. Whoever returns without one never left.
        """
        return sum(
            new.first_ns - between.first_ns
            for before, between, new in zip(self.runs, self.runs[1:], self.runs[2:], strict=False)
            if before.host == new.host and from_ns <= new.first_ns <= until_ns
            if Change(between.host, new.host, between.last_ns, new.first_ns) not in is_told
        )


@dataclass(frozen=True)
class Change:
    """The old host answered up to ``last_ns``, the new one from ``first_ns`` on."""

    old: str
    new: str
    last_ns: int
    first_ns: int


def _overlap(one: Span, other: Span, window: Interval) -> int:
    start = max(one.first_ns, other.first_ns, window[0])
    return max(0, min(one.last_ns, other.last_ns, window[1]) - start)


def _union(stalls: Iterable[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for start, end in sorted(stalls):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
