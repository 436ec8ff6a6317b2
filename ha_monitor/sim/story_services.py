"""Services of a story's host: agents do what the story says of them, and what truly runs is told.

Answers are those of the real agents (ha_monitor/agents/): a start or a stop is believed when `status`
confirms it, what does not end within its timeout is a failure, a `status` without an answer is UNKNOWN.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ha_monitor.core import events as ev
from ha_monitor.model import ClusterConfig, Resource, ResourceState
from ha_monitor.sim.agenda import Agenda
from ha_monitor.sim.services import AgentWeather, Services
from ha_monitor.timebase import MS, format_duration

AGENT_NS = 20 * MS  # how long a start or a stop takes, unless a story says otherwise
STATUS_NS = 2 * MS
SAYS = {
    "running": ResourceState.RUNNING,
    "stopped": ResourceState.STOPPED,
    "failed": ResourceState.FAILED,
    "nothing": ResourceState.UNKNOWN,
}


@dataclass
class Script:
    """How one Resource's agent behaves on one host."""

    does: dict[str, str] = field(default_factory=dict)  # start or stop: fails, hangs
    takes_ns: dict[str, int] = field(default_factory=dict)
    says: ResourceState | None = None  # what `status` answers, whatever is true


class StoryServices(Services):
    """What runs on one host, by script."""

    def __init__(
        self,
        config: ClusterConfig,
        agenda: Agenda,
        rng: random.Random,
        tell: Callable[[ev.Event], None],
        note: Callable[[str], None],
        later: Callable[[int, Callable[[], None]], None],
    ) -> None:
        super().__init__(config, agenda, rng, tell, later)
        self.weather = AgentWeather(delay_ns=(AGENT_NS, AGENT_NS))
        self.scripts = {name: Script() for name in self.states}
        self._specs: dict[str, Resource] = {r.name: r for g in config.groups for r in g.resources}
        self._note = note
        self._starting: set[str] = set()
        self._kills = dict.fromkeys(self.states, 0)  # what was under way before comes about no more

    def start(self, resource: str, operation_id: int) -> None:
        """Begin to start it."""
        self._operate(resource, "start", operation_id, ResourceState.RUNNING)

    def stop(self, resource: str, operation_id: int) -> None:
        """Begin to stop it."""
        self._operate(resource, "stop", operation_id, ResourceState.STOPPED)

    def _operate(self, resource: str, operation: str, operation_id: int, aim: ResourceState) -> None:
        script, spec = self.scripts[resource], self._specs[resource]
        life = self._life(resource)
        does = script.does.get(operation, "works")
        timeout_ns = spec.start_timeout_ns if operation == "start" else spec.stop_timeout_ns
        took_ns = script.takes_ns.get(operation, AGENT_NS)
        hangs = does == "hangs" or took_ns > timeout_ns
        if operation == "start":
            self._starting.add(resource)
            self.changes += 1

        def end() -> None:
            if life != self._life(resource):
                return
            self._starting.discard(resource)
            if hangs:
                text = f"{operation} did not end within {format_duration(timeout_ns)}"
                self._answer(resource, operation, operation_id, timeout_ns, (ResourceState.FAILED, text))
                return
            if does == "works":
                self._become(resource, aim)
            answer = self._confirmed(resource, operation, aim, does)
            self._answer(resource, operation, operation_id, took_ns, answer)

        self._later(timeout_ns if hangs else took_ns, end)

    def _life(self, resource: str) -> tuple[int, int]:
        return self._boots, self._kills[resource]

    def is_live(self, resource: str) -> bool:
        """Whether anything of it may run now: it does, or a start is under way."""
        return resource in self._starting or self.states[resource] is ResourceState.RUNNING

    def kill(self, resources: Iterable[str]) -> None:
        """The guard ends them: nothing that is under way comes about."""
        for resource in resources:
            self._kills[resource] += 1
            self._starting.discard(resource)
            self._become(resource, ResourceState.STOPPED)

    def power_off(self) -> None:
        """Nothing runs without power."""
        self._starting.clear()
        super().power_off()

    def _confirmed(
        self, resource: str, operation: str, aim: ResourceState, does: str
    ) -> tuple[ResourceState, str]:
        if does == "fails":
            return ResourceState.FAILED, f"{operation} ended with 1"
        seen = self._seen(resource)
        if seen is aim:
            return aim, ""
        return ResourceState.FAILED, f"{operation} ended with 0, but status says {seen.value}"

    def _seen(self, resource: str) -> ResourceState:
        says = self.scripts[resource].says
        return self.states[resource] if says is None else says

    def _answer(
        self,
        resource: str,
        operation: str,
        operation_id: int,
        took_ns: int,
        answer: tuple[ResourceState, str],
    ) -> None:
        state, detail = answer
        group = self.groups[resource]
        self._tell(ev.ResourceReported(group, resource, state, operation, operation_id, took_ns, detail))

    def probe(self, resource: str, operation_id: int = 0) -> None:
        """Look, and tell a little later; after its timeout where `status` does not answer."""
        is_mute = self.scripts[resource].says is ResourceState.UNKNOWN
        took_ns = self._specs[resource].status_timeout_ns if is_mute else STATUS_NS
        self._later(took_ns, lambda: self.report(resource, "probe", operation_id, took_ns))

    def report(self, resource: str, operation: str, operation_id: int, took_ns: int) -> None:
        """What `status` says now."""
        state = self._seen(resource)
        text = f"status did not end within {format_duration(took_ns)}"
        detail = text if state is ResourceState.UNKNOWN else ""
        self._answer(resource, operation, operation_id, took_ns, (state, detail))

    def crash(self, resource: str) -> None:
        """The service fails; its end is seen at once."""
        self._become(resource, ResourceState.FAILED)
        self.report(resource, "probe", 0, 0)

    def end(self, resource: str) -> None:
        """The service ends, by itself or by hand; its end is seen at once."""
        self._become(resource, ResourceState.STOPPED)
        self.report(resource, "probe", 0, 0)

    def start_by_hand(self, resource: str) -> None:
        """Somebody starts it without asking; the next probe sees it."""
        self._become(resource, ResourceState.RUNNING)

    def forget_operations(self) -> None:
        """The worker is gone: what it was doing ends without an answer, services run on."""
        self._boots += 1
        self._starting.clear()

    def _become(self, resource: str, state: ResourceState) -> None:
        if self.states[resource] is not state:
            self.states[resource] = state
            self.changes += 1
            self._note(f"{resource} {'runs' if state is ResourceState.RUNNING else state.value}")
