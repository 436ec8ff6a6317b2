"""A simulated host's services and the worker that starts, stops and probes them: slow, failing, or both."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from ha_monitor.core import events as ev
from ha_monitor.model import ClusterConfig, ResourceKind, ResourceState, Run
from ha_monitor.sim.agenda import Agenda
from ha_monitor.timebase import MS, SECOND


@dataclass(frozen=True)
class AgentWeather:
    """How agents behave. Chances from 0 to 1; ``delay_ns``: how long an operation takes."""

    start_fails: float = 0.0
    stop_fails: float = 0.0
    delay_ns: tuple[int, int] = (MS, 30 * MS)


class Services:
    """What runs on one host. ``states`` is the truth; the core hears of it late."""

    def __init__(
        self, config: ClusterConfig, agenda: Agenda, rng: random.Random, tell: Callable[[ev.Event], None]
    ) -> None:
        self._agenda = agenda
        self._rng = rng
        self._tell = tell
        self._boots = 0
        self.weather = AgentWeather()
        self.groups: dict[str, str] = {}
        self.states: dict[str, ResourceState] = {}
        for group in config.groups:
            for resource in group.resources:
                if resource.kind is not ResourceKind.VIP:
                    is_up = resource.run is Run.EVERYWHERE
                    self.groups[resource.name] = group.name
                    self.states[resource.name] = ResourceState.RUNNING if is_up else ResourceState.STOPPED

    def start(self, resource: str, operation_id: int) -> None:
        """Begin to start it."""
        fails = self._rng.random() < self.weather.start_fails
        state = ResourceState.FAILED if fails else ResourceState.RUNNING
        self._begin(resource, "start", operation_id, state)

    def stop(self, resource: str, operation_id: int) -> None:
        """Begin to stop it."""
        fails = self._rng.random() < self.weather.stop_fails
        state = self.states[resource] if fails else ResourceState.STOPPED
        self._begin(resource, "stop", operation_id, state)

    def _begin(self, resource: str, operation: str, operation_id: int, state: ResourceState) -> None:
        delay_ns, boots = self._rng.randint(*self.weather.delay_ns), self._boots

        def end() -> None:
            if boots != self._boots:
                return
            self.states[resource] = state
            self.report(resource, operation, operation_id, delay_ns)

        self._agenda.after(delay_ns, end)

    def probe(self, resource: str, operation_id: int = 0) -> None:
        """Look, and tell a little later."""
        self._agenda.after(2 * MS, lambda: self.report(resource, "probe", operation_id, 2 * MS))

    def report(self, resource: str, operation: str, operation_id: int, took_ns: int) -> None:
        """What is seen now."""
        state, group = self.states[resource], self.groups[resource]
        if operation == "stop" and state is not ResourceState.STOPPED:
            state = ResourceState.FAILED
        self._tell(ev.ResourceReported(group, resource, state, operation, operation_id, took_ns, ""))

    def probe_all(self) -> None:
        """The periodic probe."""
        for resource in self.states:
            self.probe(resource)

    def crash(self, resource: str) -> None:
        """The service ends by itself; its exit is seen at once."""
        self.states[resource] = ResourceState.STOPPED
        self.report(resource, "probe", 0, 0)

    def power_off(self) -> None:
        """Nothing runs without power, and no operation ends any more."""
        self._boots += 1
        self.states = dict.fromkeys(self.states, ResourceState.STOPPED)


PROBE_EVERY_NS = SECOND
