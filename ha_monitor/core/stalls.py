"""How late this core was called: a Lease is lost without any fault where the host stalls for as long.

The record keeps the longest stall of each second with its time, bounded, and of each hour for a day.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from ha_monitor.model import STALLS_PER_LEASE
from ha_monitor.timebase import MS, SECOND

NOTED_NS = MS
RECENT_NS = 60 * SECOND
HOUR_NS = 3600 * SECOND
DAY_NS = 24 * HOUR_NS
SECONDS_KEPT = 256  # of those in which something worth noting happened
HOURS_KEPT = 25
SHOWN = 16

Stall = tuple[int, int]  # when it was over, how long


@dataclass
class StallWatch:
    """One core's. A stall of half a Lease is a pause: whoever was away so long accuses nobody."""

    lease_ns: int
    pauses: int = 0
    seconds: deque[Stall] = field(default_factory=lambda: deque(maxlen=SECONDS_KEPT))
    hours: deque[Stall] = field(default_factory=lambda: deque(maxlen=HOURS_KEPT))
    _is_told: bool = False

    def note(self, late_ns: int, at_ns: int) -> bool:
        """Take in a lateness; True if it was a pause."""
        if late_ns > NOTED_NS:
            _keep(self.seconds, (at_ns, late_ns), SECOND)
            _keep(self.hours, (at_ns, late_ns), HOUR_NS)
        if late_ns <= self.lease_ns // 2:
            return False
        self.pauses += 1
        return True

    def max_ms(self, at_ns: int) -> int:
        """The worst lateness of the last minute in ms."""
        return _worst(self.seconds, at_ns - RECENT_NS) // MS

    def worst_ms(self, at_ns: int) -> int:
        """The worst of the last day in ms, as measured at the start and ever since."""
        return _worst(self.hours, at_ns - DAY_NS) // MS

    def shown(self, at_ns: int) -> tuple[Stall, ...]:
        """The longest lately, newest first: how long ago and how long, in ms."""
        longest = sorted(self.seconds, key=lambda stall: -stall[1])[:SHOWN]
        return tuple(((at_ns - at) // MS, late // MS) for at, late in sorted(longest, reverse=True))

    def complaint(self, at_ns: int) -> str:
        """A sentence about a Lease that is too short for this host, once; "" otherwise."""
        worst_ms, lease_ms = self.worst_ms(at_ns), self.lease_ns // MS
        if self._is_told or worst_ms * STALLS_PER_LEASE <= lease_ms:
            return ""
        self._is_told = True
        least = worst_ms * STALLS_PER_LEASE
        return (
            f"this host stalled for {worst_ms} ms, the Lease lasts {lease_ms} ms:"
            f" give it at least {least} ms, or find what stalls"
        )


def _keep(kept: deque[Stall], stall: Stall, within_ns: int) -> None:
    """The longest of each ``within_ns``, at its time."""
    if not kept or stall[0] - kept[-1][0] >= within_ns:
        kept.append(stall)
    elif stall[1] > kept[-1][1]:
        kept[-1] = (kept[-1][0], stall[1])


def _worst(kept: Iterable[Stall], from_ns: int) -> int:
    return max((late for at, late in kept if at > from_ns), default=0)
