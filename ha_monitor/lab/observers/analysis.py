"""Judges what the observers wrote down: outage and double ownership. Pure.

Times are nanoseconds of one clock; results are nanoseconds. An observer's own stalls are taken
out: while it stood still nobody can say what a client would have seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ha_monitor.lab.observers.records import Answer

Interval = tuple[int, int]

# Three rounds of the asker: one that was late or lost does not make a Node silent.
_KERNEL_SILENT_AFTER_NS = 12_000_000


@dataclass(frozen=True)
class Gap:
    """A time without an answer; ``stalled_ns`` of it the probe itself stood still."""

    from_ns: int
    until_ns: int
    stalled_ns: int
    ended: bool

    @property
    def outage_ns(self) -> int:
        """What a client would have missed."""
        return self.until_ns - self.from_ns - self.stalled_ns


def longest_gap(
    answers: Sequence[Answer], stalls: Sequence[Interval], from_ns: int, until_ns: int, watched_ns: int
) -> Gap:
    """The longest gap that begins before ``until_ns`` and reaches into what follows ``from_ns``.

    A gap that nothing ends lasts until ``watched_ns``, the end of the observation.
    """
    arrivals = sorted(answer.last_ns for answer in answers if answer.last_ns <= watched_ns)
    before = max((at_ns for at_ns in arrivals if at_ns <= from_ns), default=from_ns)
    inside = [at_ns for at_ns in arrivals if at_ns > from_ns]
    return _longest(_pairs(before, inside, watched_ns, begins_by_ns=until_ns), stalls, watched_ns)


def gap_after(answers: Sequence[Answer], stalls: Sequence[Interval], heal_ns: int, watched_ns: int) -> Gap:
    """The longest gap after healing; of one that began before, only the part after it."""
    arrivals = sorted(a.last_ns for a in answers if heal_ns < a.last_ns <= watched_ns)
    return _longest(_pairs(heal_ns, arrivals, watched_ns, begins_by_ns=watched_ns), stalls, watched_ns)


def double_observer_ns(answers: Iterable[Answer], from_ns: int, until_ns: int) -> int:
    """From the first probe that the new host answered to the last one that the old host answered.

    By the time of sending; 0 when the old host answered none after that. The window must hold
    one change of ownership at most: a later return to the old host would count as double.
    """
    inside = sorted(
        (answer for answer in answers if from_ns <= answer.first_ns <= until_ns),
        key=lambda answer: answer.first_ns,
    )
    if not inside:
        return 0
    old = inside[0].host
    of_new = [answer.first_ns for answer in inside if answer.host != old]
    of_old = [answer.first_ns for answer in inside if answer.host == old]
    return max(0, of_old[-1] - of_new[0]) if of_new else 0


def double_kernel_ns(
    answers: Iterable[Answer], stalls: Sequence[Interval], from_ns: int, until_ns: int
) -> int:
    """How long the kernels of both Nodes answered for the address at the same time."""
    rounds: dict[str, list[Interval]] = {}
    for answer in answers:
        if from_ns <= answer.last_ns and answer.first_ns <= until_ns:
            rounds.setdefault(answer.host, []).append((answer.first_ns, answer.last_ns))
    merged = _union(stalls)
    spans = [_joined(sorted(intervals), merged) for intervals in rounds.values()]
    return sum(
        _overlap(second, interval)
        for position, first in enumerate(spans)
        for second in spans[position + 1 :]
        for interval in first
    )


def longest_stall_ns(stalls: Iterable[Interval], from_ns: int, until_ns: int) -> int:
    """The longest time that the observer itself stood still in the window."""
    touching = (end - start for start, end in _union(stalls) if end > from_ns and start < until_ns)
    return max(touching, default=0)


def _pairs(start_ns: int, arrivals: Sequence[int], watched_ns: int, begins_by_ns: int) -> list[Interval]:
    pairs = zip([start_ns, *arrivals], [*arrivals, watched_ns], strict=True)
    return [pair for pair in pairs if pair[0] <= begins_by_ns]


def _longest(pairs: Iterable[Interval], stalls: Sequence[Interval], watched_ns: int) -> Gap:
    """Looks at the longest first, so that stalls are weighed for a few of many thousand only."""
    merged = _union(stalls)
    best: Gap | None = None
    for start, end in sorted(pairs, key=lambda pair: pair[0] - pair[1]):
        if best is not None and end - start <= best.outage_ns:
            break
        gap = Gap(start, end, _overlap(merged, (start, end)), ended=end < watched_ns)
        if best is None or gap.outage_ns > best.outage_ns:
            best = gap
    assert best is not None, "a window has at least one gap: the whole of it"
    return best


def _joined(intervals: Iterable[Interval], stalls: Sequence[Interval]) -> list[Interval]:
    """Rounds that follow closely become one span of answering."""
    spans: list[Interval] = []
    for start, end in intervals:
        if spans:
            silent_ns = start - spans[-1][1] - _overlap(stalls, (spans[-1][1], start))
            if silent_ns <= _KERNEL_SILENT_AFTER_NS:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
                continue
        spans.append((start, end))
    return spans


def _union(stalls: Iterable[Interval]) -> list[Interval]:
    """Stalls of several parts of an observer at the same time are one: none is taken out twice."""
    merged: list[Interval] = []
    for start, end in sorted(stalls):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _overlap(intervals: Iterable[Interval], window: Interval) -> int:
    return sum(max(0, min(end, window[1]) - max(start, window[0])) for start, end in intervals)
