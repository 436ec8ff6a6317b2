"""A simulated host's services and the worker that starts, stops and probes them.

``states`` is the truth; the core hears of it late, and from a lying agent not even that. As the real worker
it carries out one order of a Resource at a time: a stop ends a start that is still under way, a newer order
takes the place of one that waits, and what takes longer than its limit ends as UNKNOWN.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ha_monitor.core import events as ev
from ha_monitor.model import ClusterConfig, Resource, ResourceKind, ResourceState, Run
from ha_monitor.sim.agenda import Agenda
from ha_monitor.timebase import MS

PROBE_NS = 2 * MS


@dataclass(frozen=True)
class AgentWeather:
    """How agents behave. Chances from 0 to 1; ``delay_ns``: how long an operation takes."""

    start_fails: float = 0.0
    stop_fails: float = 0.0
    delay_ns: tuple[int, int] = (MS, 30 * MS)
    hangs: float = 0.0  # an operation that does not end by itself
    lies: float = 0.0  # an outcome, or a probe's answer, that is not true


@dataclass
class Operation:
    """What the worker does to one Resource."""

    verb: str
    ident: int
    state: ResourceState  # what it will be
    told: ResourceState  # what will be said of it
    length_ns: int


class Services:
    """What runs on one host."""

    def __init__(
        self,
        config: ClusterConfig,
        agenda: Agenda,
        rng: random.Random,
        tell: Callable[[ev.Event], None],
        later: Callable[[int, Callable[[], None]], None] | None = None,
    ) -> None:
        self._agenda = agenda
        self._later = later or agenda.after
        self._rng = rng
        self._tell = tell
        self._boots = 0
        self._current: dict[str, Operation] = {}
        self._waiting: dict[str, Operation] = {}
        self._limits: dict[str, Resource] = {}
        self.changes = 0  # grows whenever something begins to run
        self.is_away = False  # the worker died, and the next one has not begun: orders reach nobody
        self.weather = AgentWeather()
        self.groups: dict[str, str] = {}
        self.states: dict[str, ResourceState] = {}
        self.configure(config)

    def configure(self, config: ClusterConfig) -> None:
        """Know the Resources of a configuration; what runs goes on running."""
        self.groups = {}
        for group in config.groups:
            for resource in group.resources:
                if resource.kind is not ResourceKind.VIP:
                    is_up = resource.run is Run.EVERYWHERE
                    state = ResourceState.RUNNING if is_up else ResourceState.STOPPED
                    self.groups[resource.name] = group.name
                    self._limits[resource.name] = resource
                    self.states.setdefault(resource.name, state)

    # orders

    def start(self, resource: str, operation_id: int) -> None:
        """Begin to start it."""
        fails = self._rng.random() < self.weather.start_fails
        state = ResourceState.FAILED if fails else ResourceState.RUNNING
        self._order(resource, "start", operation_id, state)

    def stop(self, resource: str, operation_id: int) -> None:
        """Begin to stop it."""
        fails = self._rng.random() < self.weather.stop_fails
        state = self.states[resource] if fails else ResourceState.STOPPED
        self._order(resource, "stop", operation_id, state)

    def _order(self, resource: str, verb: str, ident: int, state: ResourceState) -> None:
        if self.is_away:
            return
        draw, weather = self._rng.random, self.weather
        least_ns, most_ns = weather.delay_ns
        length_ns = least_ns + int(draw() * (most_ns - least_ns))
        hangs, lies, stands = draw() < weather.hangs, draw() < weather.lies, draw() < 0.5
        limits = self._limits[resource]
        limit_ns = limits.start_timeout_ns if verb == "start" else limits.stop_timeout_ns
        told = state
        if hangs or length_ns > limit_ns:
            # The worker gives up and cannot say; what became of it shows in a later probe.
            length_ns, told = limit_ns, ResourceState.UNKNOWN
            state = state if stands else self.states[resource]
        elif lies:
            state = self.states[resource]
        operation = Operation(verb, ident, state, told, length_ns)
        current = self._current.get(resource)
        if current is None:
            self._begin(resource, operation)
            return
        if (waiting := self._waiting.get(resource)) is not None:
            self._say(resource, waiting, ResourceState.UNKNOWN, 0)
        self._waiting[resource] = operation
        if (current.verb, verb) == ("start", "stop"):
            self._end(resource, current, ResourceState.FAILED)

    def _begin(self, resource: str, operation: Operation) -> None:
        boots = self._boots
        self._current[resource] = operation
        self.changes += 1

        def end() -> None:
            if boots == self._boots and self._current.get(resource) is operation:
                self.states[resource] = operation.state
                self._end(resource, operation, operation.told)

        self._later(operation.length_ns, end)

    def _end(self, resource: str, operation: Operation, told: ResourceState) -> None:
        del self._current[resource]
        self._say(resource, operation, told, operation.length_ns)
        if (waiting := self._waiting.pop(resource, None)) is not None:
            self._begin(resource, waiting)

    def _say(self, resource: str, operation: Operation, told: ResourceState, took_ns: int) -> None:
        if operation.verb == "stop" and told not in (ResourceState.STOPPED, ResourceState.UNKNOWN):
            told = ResourceState.FAILED
        if (group := self.groups.get(resource)) is not None:
            self._tell(ev.ResourceReported(group, resource, told, operation.verb, operation.ident, took_ns))

    # looking

    def probe(self, resource: str, operation_id: int = 0) -> None:
        """Look, and tell a little later."""
        self._later(PROBE_NS, lambda: self._report(resource, operation_id))

    def _report(self, resource: str, operation_id: int) -> None:
        group = self.groups.get(resource)
        if self.is_away or group is None or resource in self._current:
            return  # what a probe saw before an operation is not told after it
        state = self.states[resource]
        if self.weather.lies and self._rng.random() < self.weather.lies:
            state = ResourceState.RUNNING if state is ResourceState.STOPPED else ResourceState.STOPPED
        elif self.weather.hangs and self._rng.random() < self.weather.hangs:
            state = ResourceState.UNKNOWN
        self._tell(ev.ResourceReported(group, resource, state, "probe", operation_id, PROBE_NS, ""))

    def probe_all(self) -> None:
        """The periodic probe."""
        for resource in self.groups:
            self.probe(resource)

    # what happens to them

    def crash(self, resource: str) -> None:
        """The service ends by itself; its exit is seen at once."""
        self.states[resource] = ResourceState.STOPPED
        is_seen = not self.is_away and resource not in self._current
        if is_seen and (group := self.groups.get(resource)) is not None:
            self._tell(ev.ResourceReported(group, resource, ResourceState.STOPPED, "probe", 0, 0, ""))

    def is_live(self, resource: str) -> bool:
        """Whether anything of it may run now: it does, or a start is under way."""
        operation = self._current.get(resource)
        is_starting = operation is not None and operation.verb == "start"
        return is_starting or self.states.get(resource) not in (ResourceState.STOPPED, None)

    def kill(self, resources: Iterable[str]) -> None:
        """The guard ends them with all that a start of theirs began: nothing under way comes about."""
        for resource in resources:
            self.states[resource] = ResourceState.STOPPED
            self._waiting.pop(resource, None)
            if (operation := self._current.get(resource)) is not None:
                is_stop = operation.verb == "stop"
                self._end(resource, operation, ResourceState.STOPPED if is_stop else ResourceState.FAILED)

    def refuse(self, resource: str, operation_id: int) -> None:
        """A start for which there is no cgroup any more."""
        operation = Operation("start", operation_id, ResourceState.STOPPED, ResourceState.FAILED, MS)
        self._later(MS, lambda: self._say(resource, operation, ResourceState.FAILED, MS))

    def worker_dies(self) -> None:
        """What was under way is not told any more, and may or may not have come about."""
        for resource, operation in self._current.items():
            if self._rng.random() < 0.5:
                self.states[resource] = operation.state
        self._forget_orders()
        self.is_away = True

    def power_off(self) -> None:
        """Nothing runs without power, and no operation ends any more."""
        self.is_away = True
        self._forget_orders()
        self.states = dict.fromkeys(self.states, ResourceState.STOPPED)

    def _forget_orders(self) -> None:
        self._boots += 1
        self._current.clear()
        self._waiting.clear()
