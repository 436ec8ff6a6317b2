"""The simulated network: every whim of it comes from the world's seed.

Each direction of each Link draws from a Random of its own, and draws before it decides, so that a fault that
is left out does not reshuffle what happens elsewhere.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ha_monitor.sim.agenda import Agenda

RECORDED_MAX = 400

Route = tuple[int, int, str]  # source, target, Link


@dataclass(frozen=True)
class Weather:
    """How bad it is. Parts of packets from 0 to 1; ``late_ns``: the longest delay of a late one."""

    loss: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    late_ns: int = 0
    delay_ns: tuple[int, int] = (30_000, 300_000)

    def worse(self, other: Weather) -> Weather:
        """Both at once: the worse of the two in every respect."""
        return Weather(
            max(self.loss, other.loss),
            max(self.doubled, other.doubled),
            max(self.late, other.late),
            max(self.late_ns, other.late_ns),
            max(self.delay_ns, other.delay_ns),
        )


CALM = Weather()


class Network:
    """Carries packets from host to host over named Links. ``cut`` holds (source, target, link)."""

    def __init__(
        self, agenda: Agenda, rng: random.Random, deliver: Callable[[int, int, str, Any], None]
    ) -> None:
        self._agenda = agenda
        self._rng = rng
        self._base = rng.getrandbits(64)
        self._routes: dict[Route, random.Random] = {}
        self._deliver = deliver
        self._storms: dict[Route, list[Weather]] = {}
        self._felt: dict[Route, Weather] = {}  # the general weather and all storms of a route together
        self._weather = CALM
        self.cut: set[Route] = set()
        self._recorded: deque[tuple[int, int, str, Any]] = deque(maxlen=RECORDED_MAX)

    @property
    def weather(self) -> Weather:
        """What holds on every route."""
        return self._weather

    @weather.setter
    def weather(self, weather: Weather) -> None:
        self._weather = weather
        self._felt.clear()

    def storm(self, routes: Iterable[Route], weather: Weather, length_ns: int) -> None:
        """Worse weather on some routes for a while."""
        routes = list(routes)
        for route in routes:
            self._storms.setdefault(route, []).append(weather)
        self._felt.clear()

        def end() -> None:
            for route in routes:
                if weather in self._storms.get(route, ()):
                    self._storms[route].remove(weather)
            self._felt.clear()

        self._agenda.after(length_ns, end)

    def calm(self) -> None:
        """Every storm and every cut ends; what is on its way stays on its way."""
        self._storms.clear()
        self.cut.clear()
        self.weather = CALM

    def send(self, source: int, target: int, link: str, packet: Any) -> None:
        """Carry one packet, or lose, double or delay it."""
        route = source, target, link
        draw = self._draws(route)
        weather = self._felt.get(route) or self._feel(route)
        lost, doubled, late = draw(), draw(), draw()
        least_ns, most_ns = weather.delay_ns
        first_ns = least_ns + int(draw() * (most_ns - least_ns))
        self._recorded.append((source, target, link, packet))
        if lost < weather.loss or route in self.cut:
            return
        if late < weather.late:
            first_ns += int(draw() * weather.late_ns)
        self._carry(source, target, link, packet, first_ns)
        if doubled < weather.doubled:
            self._carry(source, target, link, packet, first_ns + int(draw() * max(weather.late_ns, most_ns)))

    def _draws(self, route: Route) -> Callable[[], float]:
        if route not in self._routes:
            self._routes[route] = random.Random(f"{self._base} {route}")
        return self._routes[route].random

    def _feel(self, route: Route) -> Weather:
        felt = self._weather
        for storm in self._storms.get(route, ()):
            felt = felt.worse(storm)
        self._felt[route] = felt
        return felt

    def is_clear(self, route: Route) -> bool:
        """Whether every packet passes now, and at once."""
        return route not in self.cut and (self._felt.get(route) or self._feel(route)) == CALM

    def _carry(self, source: int, target: int, link: str, packet: Any, delay_ns: int) -> None:
        self._agenda.after(delay_ns, lambda: self._deliver(source, target, link, packet))

    def replay(self, which: float | None = None) -> None:
        """Somebody sends again what was recorded at any time before, even what was lost or cut.

        ``which``: the place in what is recorded, from 0 to 1.
        """
        if self._recorded:
            part = self._rng.random() if which is None else which
            self._deliver(*self._recorded[int(part * len(self._recorded))])
