"""True time in a simulated world: what happens when, and how each host's own clocks see it."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from ha_monitor.model import CLOCK_DRIFT
from ha_monitor.timebase import SECOND

SLEW = 0.1  # NTP may slow or speed the kernel's timers by this part


class Agenda:
    """What is still to happen, in the order of true time; ties keep the order of planning."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._planned: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = itertools.count()

    def at(self, when_ns: int, do: Callable[[], None]) -> None:
        """Plan ``do``; a moment that is over means now."""
        heapq.heappush(self._planned, (max(when_ns, self.now_ns), next(self._serial), do))

    def after(self, delay_ns: int, do: Callable[[], None]) -> None:
        """Plan ``do`` a while from now."""
        self.at(self.now_ns + delay_ns, do)

    def run_one(self, until_ns: int) -> bool:
        """Let the next thing happen; False when nothing is left before ``until_ns``."""
        if not self._planned or self._planned[0][0] > until_ns:
            self.now_ns = until_ns
            return False
        self.now_ns, _, do = heapq.heappop(self._planned)
        do()
        return True


@dataclass(frozen=True)
class HostClock:
    """One machine's clocks. ``rate``: of its Lease clock; ``timer_rate``: of its kernel's timers."""

    offset_ns: int
    rate: float
    timer_rate: float

    @classmethod
    def draw(cls, rng: random.Random) -> HostClock:
        """Rates at the bounds are drawn often: that is where a forgotten margin shows."""
        half = CLOCK_DRIFT / 2
        rate = 1 + rng.choice((-half, half, rng.uniform(-half, half)))
        timer_rate = 1 + rng.choice((-SLEW, SLEW, rng.uniform(-SLEW, SLEW)))
        return cls(rng.randint(SECOND, 1000 * SECOND), rate, timer_rate)

    def own_ns(self, true_ns: int) -> int:
        """The Lease clock's reading at a true moment."""
        return self.offset_ns + int(true_ns * self.rate)

    def true_ns(self, own_ns: int) -> int:
        """The first true moment at which the Lease clock reads at least this."""
        true = int((own_ns - self.offset_ns) / self.rate)
        while self.own_ns(true) < own_ns:
            true += 1
        return true

    def stopped(self, length_ns: int) -> HostClock:
        """The same clock after it stood still for a while."""
        return replace(self, offset_ns=self.offset_ns - int(length_ns * self.rate))

    def booted(self, true_ns: int, since_ns: int) -> HostClock:
        """The same machine's clock after a boot that began ``since_ns`` ago."""
        return replace(self, offset_ns=since_ns - int(true_ns * self.rate))

    def timer_ns(self, length_ns: int) -> int:
        """How long a timer of the kernel truly takes."""
        return int(length_ns / self.timer_rate)
