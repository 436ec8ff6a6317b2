"""The fence devices of one Node: powers other Nodes off, level by level, and tests the devices in between.

A level is done when every device of it has powered its plug off and, where its agent offers `status`, says
that it is off. A device that hangs is ended at its timeout and the next level is tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ha_monitor.fence.agent import Agent, Told
from ha_monitor.model import FenceStep, Fencing
from ha_monitor.timebase import SECOND, lease_clock_ns

STATUS_EVERY_S = 0.5  # after an `off`: a machine may take a moment to lose its power


@dataclass(frozen=True)
class Outcome:
    """Whether the Node is off, and what did it or why nothing did."""

    is_off: bool
    detail: str
    took_ns: int


class Power:
    """All fence devices that this Node may have to use."""

    def __init__(self, fencing: Fencing, own_name: str) -> None:
        self._fencing = fencing
        others = [node for node in fencing.levels if node != own_name]
        self.devices = tuple(dict.fromkeys(d for node in others for d in fencing.devices_of(node)))
        self._agents = {name: Agent(fencing.device(name)) for name in self.devices}
        self._plugs = {name: plugs_of(fencing, others, name) for name in self.devices}
        self._testing: dict[str, asyncio.Task[Told]] = {}
        self._in_use = {name: asyncio.Lock() for name in self.devices}  # many allow one session only

    async def fence(self, node: str, only_ask: bool) -> Outcome:
        """Power that Node off, or only ask whether it is off. Never raises for what a device does."""
        began_ns = lease_clock_ns()
        tried = []
        for number, level in enumerate(self._fencing.levels.get(node, ()), 1):
            told = await asyncio.gather(*(self._use(step, only_ask) for step in level))
            text = ", ".join(f"{s.device} {t.detail}" for s, t in zip(level, told, strict=True))
            tried.append(f"level {number}: {text}")
            if all(one.is_done for one in told):
                return Outcome(True, tried[-1], lease_clock_ns() - began_ns)
        return Outcome(False, "; ".join(tried) or "no level is configured", lease_clock_ns() - began_ns)

    async def test(self, device: str) -> Told | None:
        """Ask the device whether it answers, and for each plug whether its status can be told.

        None: the test gave way to a fence.
        """
        task = asyncio.create_task(self._test(device))
        self._testing[device] = task
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
            del self._testing[device]
        return None if task.cancelled() else task.result()

    async def _use(self, step: FenceStep, only_ask: bool) -> Told:
        await self._end_test(step.device)
        agent = self._agents[step.device]
        async with self._in_use[step.device]:
            can_tell = (await agent.abilities()).offers("status")
            if only_ask:
                return await self._ask(agent, step.plug) if can_tell else Told(False, "cannot tell")
            told = await agent.off(step.plug)
            return await self._confirm(agent, step.plug) if told.is_done and can_tell else told

    async def _ask(self, agent: Agent, plug: str) -> Told:
        is_off, detail = await agent.status(plug)
        return Told(bool(is_off), detail)

    async def _confirm(self, agent: Agent, plug: str) -> Told:
        """Until the plug is off, for as long as one action may take."""
        until_ns = lease_clock_ns() + agent.device.timeout_ns
        while True:
            told = await self._ask(agent, plug)
            if told.is_done or lease_clock_ns() + STATUS_EVERY_S * SECOND > until_ns:
                return Told(told.is_done, f"off, then {told.detail}")
            await asyncio.sleep(STATUS_EVERY_S)

    async def _end_test(self, device: str) -> None:
        task = self._testing.get(device)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _test(self, device: str) -> Told:
        agent = self._agents[device]
        async with self._in_use[device]:
            able = await agent.abilities()
            told = await agent.monitor() if able.offers("monitor") else Told(True, "no monitor")
            if not told.is_done or not able.offers("status"):
                return told
            for plug in self._plugs[device]:
                is_off, detail = await agent.status(plug)
                if is_off is None:
                    return Told(False, f"plug {plug}: {detail}" if plug else detail)
        return told


def plugs_of(fencing: Fencing, nodes: Sequence[str], device: str) -> tuple[str, ...]:
    """Which plugs of the device the levels of those Nodes use."""
    steps = (step for node in nodes for level in fencing.levels.get(node, ()) for step in level)
    return tuple(dict.fromkeys(step.plug for step in steps if step.device == device))
