"""Resources that are systemd units: what their states mean, whichever way systemd is asked.

The ways are in `systemd_bus` (job results and signals, no polling) and `systemctl` (where no bus
answers). ActiveState is read by its word; a unit that `failed` counts as STOPPED only after a stop, and
only when no process is left in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ha_monitor.agents.base import Answer, Surroundings, resource_state
from ha_monitor.errors import AgentError
from ha_monitor.model import Resource, ResourceState
from ha_monitor.timebase import SECOND

CGROUP_ROOTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")
UNIT_TYPES = ("service", "socket", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope")
DONE = "done"


@dataclass(frozen=True)
class UnitStatus:
    """What systemd says of one unit, in its own words."""

    load: str  # loaded, not-found, masked, bad-setting, error
    active: str
    sub: str = ""
    result: str = ""
    main_pid: int = 0
    control_group: str = ""


class Manager(Protocol):
    """The ways to systemd. Every method raises AgentError when systemd cannot be asked."""

    async def job(self, method: str, unit: str, cgroup: str = "") -> str:
        """Run StartUnit or StopUnit to the end of its job: ``done``, ``failed``, ``canceled``...

        ``cgroup``: it is ordered by a program inside that one, or not at all (`Surroundings`).
        """
        ...

    async def status(self, unit: str) -> UnitStatus:
        """The unit as it is now."""
        ...

    async def reset_failed(self, unit: str) -> None:
        """Let a failed unit be inactive."""
        ...

    async def listen(self, unit: str, changed: Callable[[], None]) -> None:
        """Call ``changed`` at every change of the unit's ActiveState; returns when that cannot be had."""
        ...


class SystemdAgent:
    """One `systemd` Resource."""

    def __init__(self, resource: Resource, manager: Manager) -> None:
        self.resource = resource
        self._manager = manager
        self._name = unit_name(resource.unit)
        self._main_pid = 0

    async def start(self, surroundings: Surroundings) -> Answer:
        """Start the unit and wait for its job, then read the unit's state."""
        outcome = await self._job("StartUnit", self.resource.start_timeout_ns, surroundings.cgroup)
        after = await self.status(surroundings)
        if outcome == DONE or after.state is ResourceState.RUNNING:
            return after
        state = ResourceState.UNKNOWN if after.state is ResourceState.UNKNOWN else ResourceState.FAILED
        return Answer(state, _joined(f"start {outcome}", after.detail))

    async def stop(self, surroundings: Surroundings) -> Answer:  # noqa: ARG002
        """Stop the unit and wait for its job; STOPPED only when the unit then is."""
        outcome = await self._job("StopUnit", self.resource.stop_timeout_ns)
        unit = await self._unit()
        if isinstance(unit, Answer):
            return unit
        if unit.active == "failed" and not has_processes(unit.control_group):
            # It ended badly, by its TimeoutStopSec or its exit code; but it did end.
            unit = await self._reset(unit)
        state = resource_state("systemd ActiveState", unit.active)
        if state is ResourceState.STOPPED:
            return Answer(state)
        return Answer(ResourceState.FAILED, _joined(f"stop {outcome}", describe(unit)))

    async def status(self, surroundings: Surroundings) -> Answer:  # noqa: ARG002 - a unit is told nothing
        """Read ActiveState; a unit that cannot be loaded is FAILED, whatever else it is."""
        unit = await self._unit()
        return unit if isinstance(unit, Answer) else unit_answer(unit)

    def main_pid(self) -> int:
        """The unit's MainPID at the latest probe; 0 when it has none, or when signals make it needless."""
        return self._main_pid

    async def listen(self, changed: Callable[[], None]) -> None:
        """Pass on systemd's signals; returns where there is no bus."""
        await self._manager.listen(self._name, changed)

    async def _job(self, method: str, timeout_ns: int, cgroup: str = "") -> str:
        try:
            async with asyncio.timeout(timeout_ns / SECOND):
                return await self._manager.job(method, self._name, cgroup)
        except TimeoutError:
            return f"did not end within {timeout_ns / SECOND:g} s"
        except AgentError as error:
            return str(error)

    async def _unit(self) -> UnitStatus | Answer:
        timeout_ns = self.resource.status_timeout_ns
        try:
            async with asyncio.timeout(timeout_ns / SECOND):
                unit = await self._manager.status(self._name)
        except TimeoutError:
            return Answer(ResourceState.UNKNOWN, f"systemd did not answer within {timeout_ns / SECOND:g} s")
        except AgentError as error:
            return Answer(ResourceState.UNKNOWN, str(error))
        self._main_pid = unit.main_pid
        return unit

    async def _reset(self, unit: UnitStatus) -> UnitStatus:
        try:
            await self._manager.reset_failed(self._name)
            after = await self._unit()
        except AgentError:
            return unit
        return unit if isinstance(after, Answer) else after


def unit_answer(unit: UnitStatus) -> Answer:
    """What a probe reports: the table's state, and why when that is not RUNNING or STOPPED."""
    state = resource_state("systemd ActiveState", unit.active)
    if state is ResourceState.STOPPED and unit.load != "loaded":
        # It does not run, but it could not either: this Node must not take its group.
        return Answer(ResourceState.FAILED, f"unit is {unit.load} here")
    settled = state in (ResourceState.RUNNING, ResourceState.STOPPED)
    return Answer(state, "" if settled else describe(unit))


def describe(unit: UnitStatus) -> str:
    """``failed (failed), result signal``: systemd's words, as `systemctl status` has them."""
    text = f"{unit.active} ({unit.sub})" if unit.sub else unit.active
    return f"{text}, result {unit.result}" if unit.result not in ("", "success") else text


def has_processes(control_group: str, roots: tuple[str, ...] = CGROUP_ROOTS) -> bool:
    """Whether a process stands in the unit's cgroup or below. Empty: systemd has removed the group."""
    if not control_group:
        return False
    return any(
        _lists_process(file) for root in roots for file in Path(root + control_group).rglob("cgroup.procs")
    )


def _lists_process(procs: Path) -> bool:
    try:
        return bool(procs.read_text().strip())
    except FileNotFoundError:  # removed while we looked, so it was empty
        return False


def unit_name(unit: str) -> str:
    """With its suffix, as systemd's methods want it: ``nginx`` is ``nginx.service``."""
    return unit if unit.rpartition(".")[2] in UNIT_TYPES else f"{unit}.service"


def _joined(what: str, detail: str) -> str:
    return f"{what}: {detail}" if detail else what


def unit_status(properties: Mapping[str, str]) -> UnitStatus:
    """From systemd's property names."""
    pid = properties.get("MainPID", "")
    return UnitStatus(
        load=properties.get("LoadState", ""),
        active=properties.get("ActiveState", ""),
        sub=properties.get("SubState", ""),
        result=properties.get("Result", ""),
        main_pid=int(pid) if pid.isdigit() else 0,
        control_group=properties.get("ControlGroup", ""),
    )
