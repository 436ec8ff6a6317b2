"""A sink's own thread: takes from its outbox, sends, remembers what was taken, backs off when nobody answers.

A sink that hangs holds up its own courier and nothing else.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ha_monitor.errors import SinkError
from ha_monitor.publish.outbox import Delivery, Waiting
from ha_monitor.sinks.base import Sink
from ha_monitor.sinks.store import Depth, Outbox
from ha_monitor.timebase import SECOND
from ha_monitor.view import SinkView

BACK_OFF_FIRST_S = 0.2
BACK_OFF_MAX_S = 5.0
IDLE_S = 1.0
BEHIND_S = 30  # what waits for longer makes a backlog


@dataclass
class BackOff:
    """How long to wait after a failure: doubled each time, with jitter so that hosts do not march in step."""

    delay_s: float = 0.0

    def failed(self, jitter: float) -> float:
        """The next wait in seconds; ``jitter`` from 0 to 1."""
        self.delay_s = min(BACK_OFF_MAX_S, max(BACK_OFF_FIRST_S, 2 * self.delay_s))
        return self.delay_s * (0.75 + 0.5 * jitter)

    def succeeded(self) -> None:
        """Start anew."""
        self.delay_s = 0.0


class Courier:
    """Carries one outbox to one sink."""

    def __init__(
        self,
        sink: Sink,
        outbox: Outbox,
        wall_ns: Callable[[], int],
        jitter: Callable[[], float] = random.random,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.sink = sink
        self.outbox = outbox
        self._wall_ns = wall_ns
        self._jitter = jitter
        self._say = say  # one line when the sink goes down, one when it answers again
        self._back_off = BackOff()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"courier-{sink.name}", daemon=True)
        self._fetching = threading.Lock()
        self._lost_ack: tuple[int, ...] = ()  # taken by the sink, but the disk did not let us note it
        self.sent = 0
        self.delay_s = 0.0
        self.detail = ""

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    def wake(self) -> None:
        """Something new waits."""
        self._wake.set()

    def stop(self, within_s: float) -> None:
        """Carry on until the outbox is empty or the time is over, then end."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(within_s)

    def retract(self, host: str) -> None:
        """Take back the states of a host that somebody else tells now, also those on their way.

        Raises SinkError when the disk refuses.
        """
        with self._fetching:
            self.sink.abort()
            self.outbox.forget_states(host)

    def view(self, at_ns: int) -> SinkView:
        """How it stands, for facts and people."""
        try:
            depth = self.outbox.depth(at_ns)
        except SinkError as error:
            depth, self.detail = Depth(), str(error)
        oldest_s = max(0, at_ns - depth.oldest_ns) // SECOND if depth.oldest_ns else 0
        return SinkView(
            self.sink.name,
            self.sink.kind,
            self._state(oldest_s),
            depth.queue,
            oldest_s,
            self.sent,
            self.outbox.refused,
            self.outbox.dropped,
            round(self.delay_s, 3),
            self.detail[:200],
        )

    def _state(self, oldest_s: int) -> str:
        if self._back_off.delay_s > 0:
            return "down"
        return "backlog" if oldest_s > BEHIND_S else "ok"

    def carry_once(self) -> bool:
        """One batch. True when more may wait. Raises SinkError when the sink or the disk fails."""
        self._note(self._lost_ack)
        with self._fetching:
            self.sink.arm()
            batch = self.outbox.batch(self.sink.batch_max, self._wall_ns())
        if not batch:
            return False
        delivery = self._send(batch)
        now_ns = self._wall_ns()
        self._account(batch, delivery, now_ns)
        self._lost_ack = delivery.taken
        if delivery.refused:
            self.outbox.refuse(delivery.refused, now_ns)
        self._note(delivery.taken)
        is_partial = len(delivery.taken) + len(delivery.refused) < len(batch)
        if is_partial and delivery.detail and not delivery.refused:
            raise SinkError(delivery.detail)
        has_moved = bool(delivery.taken or delivery.refused)
        return has_moved and (is_partial or len(batch) == self.sink.batch_max)

    def _send(self, batch: Sequence[Waiting]) -> Delivery:
        try:
            return self.sink.send(batch)
        except ValueError as error:
            # Something that we packed ourselves, in another version: it must not block what follows.
            if len(batch) > 1:
                return self._send(batch[:1])
            return Delivery(refused=(batch[0].row,), detail=f"unreadable parcel: {error}")

    def _note(self, taken: tuple[int, ...]) -> None:
        if taken:
            self.outbox.taken(taken)
        self._lost_ack = ()

    def _account(self, batch: Sequence[Waiting], delivery: Delivery, now_ns: int) -> None:
        self.sent += len(delivery.taken)
        self.detail = delivery.detail
        last = [entry.parcel.at_ns for entry in batch if entry.row in delivery.taken]
        if last:
            self.delay_s = max(0, now_ns - max(last)) / SECOND

    def _run(self) -> None:
        while True:
            wait_s = IDLE_S
            was_down = self._back_off.delay_s > 0
            try:
                more = self.carry_once()
                self._back_off.succeeded()
                if was_down:
                    self._say(f"{self.sink.name}: answers again, what waited on disk is sent")
            except SinkError as error:
                self.detail, more = str(error), False
                wait_s = self._back_off.failed(self._jitter())
                if not was_down:
                    self._say(f"{self.sink.name}: down, results wait on disk: {error}")
            if self._stopping.is_set() and not more:
                return
            if not more:
                self._wait(wait_s)

    def _wait(self, wait_s: float) -> None:
        """Until woken or over; while backing off nothing but the end wakes it."""
        if self._back_off.delay_s > 0:
            self._stopping.wait(wait_s)
        else:
            self._wake.wait(wait_s)
        self._wake.clear()
