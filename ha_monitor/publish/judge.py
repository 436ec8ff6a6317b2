"""How bad a value is now: the alarms of its Fact, how long each has held, how much a counter rose.

Zabbix judges by its own triggers, made from the same alarms. Nagios cannot look back, so for Nagios the
judge remembers: since when a value has been bad, and where a counter stood.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from ha_monitor.publish.declare import Alarm, Fact, Level, Rose, Value

S_NS = 1_000_000_000
HISTORY_MAX = 512  # points kept of one counter: an hour of changes at the usual refresh
HISTORY_STEP_NS = 30 * S_NS


@dataclass(frozen=True)
class Verdict:
    """A Fact's level, and the alarm that says so. ``waiting_s``: bad for so long, but not yet long enough."""

    level: Level = Level.OK
    alarm: Alarm | None = None
    waiting_s: int = 0


@dataclass
class _Rise:
    """Where a counter stood, so that its rise within a time is known. Restarted counters begin at 0."""

    points: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=HISTORY_MAX))
    newest: float = 0.0

    def within(self, value: float, within_ns: int, at_ns: int) -> float:
        if value < self.newest:
            self.points.clear()
            self.points.append((at_ns, 0.0))
        is_new = not self.points or value != self.newest
        self.newest = value
        if is_new or at_ns - self.points[-1][0] >= HISTORY_STEP_NS:
            self.points.append((at_ns, value))
        while len(self.points) > 1 and self.points[1][0] <= at_ns - within_ns:
            self.points.popleft()
        return value - self.points[0][1]


class Judge:
    """Keeps what a judgement needs from one look to the next. Bounded by the number of facts told."""

    def __init__(self) -> None:
        self._bad_since_ns: dict[tuple[object, ...], int] = {}
        self._rises: dict[tuple[object, ...], _Rise] = {}

    def judge(
        self, where: tuple[object, ...], fact: Fact, value: Value, others: Mapping[str, Value], at_ns: int
    ) -> Verdict:
        """The worst alarm of ``fact`` that holds, or OK. ``where``: host and names of the subject."""
        verdicts = [
            self._verdict((*where, fact.ident, n), a, value, others, at_ns) for n, a in enumerate(fact.alarms)
        ]
        return max(verdicts, key=lambda v: (v.level, v.alarm is not None, v.waiting_s), default=Verdict())

    def _verdict(
        self, key: tuple[object, ...], alarm: Alarm, value: Value, others: Mapping[str, Value], at_ns: int
    ) -> Verdict:
        if isinstance(alarm.test, Rose) and not isinstance(value, str):
            value = self._rises.setdefault(key, _Rise()).within(value, alarm.test.within_s * S_NS, at_ns)
        if not alarm.test.is_bad(value, others):
            self._bad_since_ns.pop(key, None)
            return Verdict()
        since_ns = self._bad_since_ns.setdefault(key, at_ns)
        if at_ns - since_ns < alarm.hold_s * S_NS:
            return Verdict(waiting_s=max(1, (at_ns - since_ns) // S_NS))
        return Verdict(alarm.level, alarm)

    def forget(self, host: str) -> None:
        """Forget a host that is now told by somebody else."""
        for memory in (self._bad_since_ns, self._rises):
            for key in [key for key in memory if key[0] == host]:
                del memory[key]
