"""The core process's only loop: wait, take, step, do.

Rule 4 of the Lease lives here: take the packet, *then* read the clock, *then* run every deadline that is due,
*then* handle the packet.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.runtime.effects import Effects
from ha_monitor.timebase import SECOND

ROUNDS_MAX = 8  # of deadlines that become due while earlier ones are carried out
ANSWERS_MAX = 1000  # in one step; the core asks for a few
WAIT_MAX_NS = SECOND


class Core(Protocol):
    """What the loop needs of `core.cluster.ClusterCore`."""

    is_stopped: bool

    @property
    def next_deadline_ns(self) -> int: ...  # noqa: D102

    def step(self, event: ev.Event, at_ns: int) -> tuple[ac.Action, ...]: ...  # noqa: D102


class Stepper:
    """Gives events to the core and carries out what it answers, in order."""

    def __init__(self, core: Core, effects: Effects, clock: Callable[[], int]) -> None:
        self._core = core
        self._effects = effects
        self._clock = clock
        self.dropped_answers = 0

    def feed(self, event: ev.Event) -> None:
        """One event that was taken already: deadlines that are over come before it."""
        self.run_due()
        self._step(event)

    def run_due(self) -> None:
        """Every deadline that is due now."""
        for _ in range(ROUNDS_MAX):
            if self._core.is_stopped or self._core.next_deadline_ns > self._clock():
                return
            self._step(ev.DeadlinePassed())

    def _step(self, event: ev.Event) -> None:
        queue: deque[ev.Event] = deque([event])
        for _ in range(ANSWERS_MAX):
            if not queue or self._core.is_stopped:
                return
            # Read here: an answer's time is after the kernel's acknowledgement.
            actions = self._core.step(queue.popleft(), self._clock())
            self._effects.begin_step()
            answers = [answer for action in actions for answer in self._effects.do(action)]
            queue.extendleft(reversed(answers))
        self.dropped_answers += len(queue)


class Source(Protocol):
    """Something to select on. ``take`` is called when it is readable, ``tick`` when its time has come."""

    def filenos(self) -> Sequence[int]: ...  # noqa: D102
    def take(self, fileno: int) -> None: ...  # noqa: D102
    def next_deadline_ns(self) -> int | None: ...  # noqa: D102
    def tick(self, at_ns: int) -> None: ...  # noqa: D102


def run(core: Core, stepper: Stepper, sources: Sequence[Source], clock: Callable[[], int]) -> None:
    """Until the core has stopped. Sources are served in the order given."""
    while not core.is_stopped:
        owner = {fileno: source for source in sources for fileno in source.filenos()}
        deadlines = [d for source in sources if (d := source.next_deadline_ns()) is not None]
        wait_ns = min([core.next_deadline_ns, *deadlines]) - clock()
        readable, _, _ = select.select(list(owner), [], [], max(0, min(wait_ns, WAIT_MAX_NS)) / SECOND)
        stepper.run_due()  # the own Lease first, whatever waits in the sockets
        for fileno in readable:
            owner[fileno].take(fileno)
        for source in sources:
            due = source.next_deadline_ns()
            if due is not None and due <= clock():
                source.tick(clock())
