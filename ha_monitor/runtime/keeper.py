"""Keeps one Resource for the worker: one operation at a time, probes in between, exits seen at once.

It holds at most one operation under way and one that waits; a newer order takes the place of the waiting
one, and a stop ends a start that is still under way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from ha_monitor.agents.base import Agent, Answer, Surroundings
from ha_monitor.agents.programs import exit_of
from ha_monitor.core.events import ResourceReported
from ha_monitor.model import NO_BALLOT, Ballot, ResourceState
from ha_monitor.timebase import MS, SECOND, lease_clock_ns

RECHECK_NS = 50 * MS
RECHECKS = 5  # after an exit: its parent may need a moment to notice it
AGAIN_NS = 200 * MS  # between two attempts at a stop for which there were no means
IDLE_FACTOR = 5  # what is not expected to run is probed so many times more seldom


@dataclass(frozen=True)
class Order:
    """What the core wants: ``start``, ``stop`` or ``probe``. ``operation_id`` 0: our own probe."""

    operation: str
    operation_id: int = 0
    epoch: Ballot = NO_BALLOT


class Keeper:
    """Carries out orders for one Resource and reports each outcome through ``report``, in order."""

    def __init__(
        self,
        surroundings: Surroundings,
        agent: Agent,
        report: Callable[[ResourceReported], None],
        first_probe_ns: int,
    ) -> None:
        self._surroundings = surroundings
        self._agent = agent
        self._report = report
        self._interval_ns = agent.resource.status_interval_ns
        self._next_probe_ns = first_probe_ns
        self._waiting: Order | None = None
        self._probe: Order | None = None
        self._current: Order | None = None
        self._task: asyncio.Task[Answer] | None = None
        self._wake = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._watched_pid = self._exited_pid = 0
        self._rechecks = 0

    def order(self, order: Order) -> None:
        """Take an order; never waits."""
        if order.operation == "probe":
            self._probe = order
        else:
            if self._waiting is not None:
                self._tell(self._waiting, Answer(ResourceState.UNKNOWN, "a later order took its place"), 0)
            self._waiting = order
            self._give_way(order)
        self._wake.set()

    def _give_way(self, order: Order) -> None:
        current = self._current
        if current is None or self._task is None:
            return
        # What a probe saw before the operation must not be told after it.
        if current.operation == "probe" or (current.operation, order.operation) == ("start", "stop"):
            self._task.cancel()

    def expect(self, state: ResourceState) -> None:
        """The core expects this state: probe as often as that deserves."""
        factor = 1 if state is ResourceState.RUNNING else IDLE_FACTOR
        self._interval_ns = factor * self._agent.resource.status_interval_ns
        self._next_probe_ns = min(self._next_probe_ns, lease_clock_ns() + self._interval_ns)
        self._wake.set()

    def look(self) -> None:
        """Something may have happened to the Resource: probe it now."""
        if self._probe is None:
            self._probe = Order("probe")
        self._wake.set()

    async def run(self) -> None:
        """Serve until cancelled; an operation under way is ended then, a running service is not touched."""
        listening = asyncio.create_task(self._agent.listen(self.look))
        try:
            while True:
                await self._carry_out(await self._next_order())
        finally:
            listening.cancel()
            if self._watch is not None:
                self._watch.cancel()

    async def _next_order(self) -> Order:
        while True:
            self._wake.clear()
            if self._waiting is not None:
                order, self._waiting = self._waiting, None
                return order
            left_ns = self._next_probe_ns - lease_clock_ns()
            if self._probe is not None or left_ns <= 0:
                order, self._probe = self._probe or Order("probe"), None
                return order
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_ns / SECOND):
                    await self._wake.wait()

    async def _carry_out(self, order: Order) -> None:
        began_ns = lease_clock_ns()
        task = asyncio.create_task(self._operate(order))
        self._current, self._task = order, task
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait((task,))
            raise
        finally:
            self._current = self._task = None
        ended_ns = lease_clock_ns()
        if not task.cancelled():
            self._settle(task.result())
            self._tell(order, task.result(), ended_ns - began_ns)
        elif order.operation != "probe":
            self._tell(order, Answer(ResourceState.FAILED, "given up for a stop"), ended_ns - began_ns)

    async def _operate(self, order: Order) -> Answer:
        if order.operation == "start":
            self._surroundings = replace(self._surroundings, epoch=order.epoch)
        operation = {"start": self._agent.start, "stop": self._agent.stop, "probe": self._agent.status}
        deadline_ns = lease_clock_ns() + self._agent.resource.stop_timeout_ns - AGAIN_NS
        while True:
            try:
                return await operation[order.operation](self._surroundings)
            except OSError as error:  # no memory, no process or file left, a full tmpfs
                if order.operation != "stop" or lease_clock_ns() > deadline_ns:
                    detail = f"{order.operation} could not be carried out: {error}"
                    return Answer(ResourceState.UNKNOWN, detail)
            # A stop that fails blocks the group for good: want of means may pass within its time.
            await asyncio.sleep(AGAIN_NS / SECOND)

    def _settle(self, answer: Answer) -> None:
        pause_ns = self._interval_ns
        if answer.state is not ResourceState.RUNNING:
            self._rechecks = 0
        elif self._rechecks:
            self._rechecks -= 1
            pause_ns = RECHECK_NS
        self._next_probe_ns = lease_clock_ns() + pause_ns
        if answer.state is ResourceState.RUNNING:
            self._watch_process(self._agent.main_pid())

    def _watch_process(self, pid: int) -> None:
        if pid in (0, self._watched_pid, self._exited_pid):
            return  # also what has exited and is not reaped yet: it would "exit" again and again
        if self._watch is not None:
            self._watch.cancel()
        self._watched_pid = pid
        self._watch = asyncio.create_task(self._see_exit(pid))

    async def _see_exit(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            await exit_of(pid)
            self._exited_pid, self._rechecks = pid, RECHECKS
            self.look()
        self._watched_pid = 0

    def _tell(self, order: Order, answer: Answer, took_ns: int) -> None:
        group, name = self._surroundings.group, self._agent.resource.name
        operation, ident = order.operation, order.operation_id
        self._report(ResourceReported(group, name, answer.state, operation, ident, took_ns, answer.detail))
