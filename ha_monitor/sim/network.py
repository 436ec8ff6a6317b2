"""The simulated network: every whim of it comes from one seeded Random.

Random numbers are drawn before the branch, so that adding a cut to a story does not reshuffle the rest.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ha_monitor.sim.agenda import Agenda
from ha_monitor.timebase import MS

RECORDED_MAX = 400


@dataclass(frozen=True)
class Weather:
    """How bad it is. Parts of packets from 0 to 1; ``late_ns``: the longest delay of a late one."""

    loss: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    late_ns: int = 0
    delay_ns: tuple[int, int] = (30_000, 300_000)


CALM = Weather()


class Network:
    """Carries packets from host to host over named Links. ``cut`` holds (source, target, link)."""

    def __init__(
        self, agenda: Agenda, rng: random.Random, deliver: Callable[[int, int, str, Any], None]
    ) -> None:
        self._agenda = agenda
        self._rng = rng
        self._deliver = deliver
        self.weather = CALM
        self.cut: set[tuple[int, int, str]] = set()
        self._recorded: deque[tuple[int, int, str, Any]] = deque(maxlen=RECORDED_MAX)

    def send(self, source: int, target: int, link: str, packet: Any) -> None:
        """Carry one packet, or lose, double or delay it."""
        weather = self.weather
        lost, doubled = self._rng.random(), self._rng.random()
        first_ns, second_ns = self._draw_delay(), self._draw_delay()
        self._recorded.append((source, target, link, packet))
        if lost < weather.loss or (source, target, link) in self.cut:
            return
        self._carry(source, target, link, packet, first_ns)
        if doubled < weather.doubled:
            self._carry(source, target, link, packet, second_ns)

    def _draw_delay(self) -> int:
        late, delay_ns = self._rng.random(), self._rng.randint(*self.weather.delay_ns)
        late_ns = self._rng.randint(0, max(self.weather.late_ns, MS))
        return delay_ns + (late_ns if late < self.weather.late else 0)

    def _carry(self, source: int, target: int, link: str, packet: Any, delay_ns: int) -> None:
        self._agenda.after(delay_ns, lambda: self._deliver(source, target, link, packet))

    def replay(self) -> None:
        """Somebody sends again what was recorded at any time before, even what was lost or cut."""
        if self._recorded:
            self._deliver(*self._rng.choice(self._recorded))
