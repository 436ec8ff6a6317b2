"""What the observers wrote during a load, judged: takeovers, interruptions, and the stall beside each. Pure.

Times are nanoseconds of one clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ha_monitor.lab.observers.records import Answer

Interval = tuple[int, int]
INTERRUPTED_NS = 100_000_000  # shorter gaps of one Owner's answers are a busy machine's noise
MS = 1_000_000


@dataclass(frozen=True)
class Gap:
    """A time without an answer, at whose end another host, or the same one, answered."""

    from_ns: int
    until_ns: int
    host_from: str
    host_to: str

    @property
    def is_takeover(self) -> bool:
        """Whether another host answered after it."""
        return self.host_from != self.host_to


@dataclass
class Answers:
    """A client's answers as they come in, of which only takeovers and long gaps are kept."""

    last: Answer | None = None
    gaps: list[Gap] = field(default_factory=list)
    count: int = 0

    def add(self, answers: Iterable[Answer]) -> None:
        """Take in the next answers, in the order of their arrival."""
        for answer in answers:
            last, self.last = self.last, answer
            self.count += 1
            if last is None:
                continue
            is_long = answer.last_ns - last.last_ns > INTERRUPTED_NS
            if is_long or answer.host != last.host:
                self.gaps.append(Gap(last.last_ns, answer.last_ns, last.host, answer.host))


@dataclass(frozen=True)
class Event:
    """One takeover or interruption, as the report lists it. ``stall_ms``: the longest stall beside it."""

    after_s: float
    host_from: str
    host_to: str
    outage_ms: float
    stall_ms: float
    is_explained: bool


@dataclass
class Report:
    """One program at one timing under load. Needless takeovers are all that were seen: nothing failed."""

    program: str
    timing: str
    lease_ms: int
    seconds: int
    takeovers: int
    explained: int  # beside which the machine itself stalled for more than half the Lease
    unexplained: int
    interruptions: int  # of an Owner's answers, without a takeover
    worst_stall_ms: float
    stalls: int  # of the machine, longer than half the Lease
    events: list[dict[str, Any]]
    answers: int = 0  # to the observer
    told: dict[str, Any] = field(default_factory=dict)  # what the program says of itself
    said: list[str] = field(default_factory=list)  # its own lines about what happened, if anything did

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def judge(
    program: str,
    timing: str,
    lease_ns: int,
    answers: Answers,
    own_stalls: Sequence[Interval],
    stalls: Sequence[Interval],
    during: Interval,
) -> Report:
    """``own_stalls``: of the observer; ``stalls``: of the machine; ``during``: the time that counts."""
    seen = [g for g in answers.gaps if during[0] <= g.until_ns and g.from_ns <= during[1]]
    events = [(gap, event_of(gap, lease_ns, own_stalls, stalls, during[0])) for gap in seen]
    takeovers = [event for gap, event in events if gap.is_takeover]
    pauses = [event for gap, event in events if not gap.is_takeover and event.outage_ms * MS > INTERRUPTED_NS]
    lengths = [until - start for start, until in stalls if until > during[0] and start < during[1]]
    explained = sum(event.is_explained for event in takeovers)
    return Report(
        program=program,
        timing=timing,
        lease_ms=lease_ns // MS,
        seconds=round((during[1] - during[0]) / 1e9),
        takeovers=len(takeovers),
        explained=explained,
        unexplained=len(takeovers) - explained,
        interruptions=len(pauses),
        worst_stall_ms=round(max(lengths, default=0) / MS, 1),
        stalls=sum(length > lease_ns // 2 for length in lengths),
        events=[asdict(event) for event in sorted([*takeovers, *pauses], key=lambda e: e.after_s)],
    )


def event_of(
    gap: Gap, lease_ns: int, own_stalls: Sequence[Interval], stalls: Sequence[Interval], began_ns: int
) -> Event:
    """A gap with the machine's longest stall within the Lease before it, and during it."""
    beside = (gap.from_ns - lease_ns, gap.until_ns)
    stall_ns = longest(stalls, beside)
    return Event(
        after_s=round((gap.until_ns - began_ns) / 1e9, 1),
        host_from=gap.host_from,
        host_to=gap.host_to,
        outage_ms=round((gap.until_ns - gap.from_ns - overlap(own_stalls, gap)) / MS, 1),
        stall_ms=round(stall_ns / MS, 1),
        is_explained=stall_ns > lease_ns // 2,
    )


def longest(stalls: Iterable[Interval], window: Interval) -> int:
    """The longest stall that touches the window."""
    return max((end - start for start, end in stalls if end > window[0] and start < window[1]), default=0)


def overlap(stalls: Iterable[Interval], gap: Gap) -> int:
    """How much of a gap lies in stalls; those of one observer do not overlap each other by much."""
    parts = (min(end, gap.until_ns) - max(start, gap.from_ns) for start, end in stalls)
    return min(gap.until_ns - gap.from_ns, sum(part for part in parts if part > 0))


def total(reports: Sequence[Report]) -> dict[str, int]:
    """The sums of reports that were taken under one load."""
    names = ("takeovers", "explained", "unexplained", "interruptions")
    sums = {name: sum(getattr(report, name) for report in reports) for name in names}
    return {**sums, "seconds": max((report.seconds for report in reports), default=0)}
