"""What keeps a group from moving again and again: the hold-down of a Node where it failed, and a record of
who had the group, for how long it was served, and how it came to the next.

Pure, one of each per group and voter. What is made of the record stands in holding.py.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ha_monitor.core.transitions import is_ordered
from ha_monitor.model import NO_BALLOT, Ballot, Cause, Timing
from ha_monitor.timebase import SECOND, format_duration

HOLD_DOWN_NS = 60 * SECOND  # a Node where the group failed is not tried again before; doubled each time
HOLD_DOWN_MAX_NS = 3600 * SECOND
ALONE_NS = 5 * SECOND  # the same while no other Node could take it
ALONE_MAX_NS = 60 * SECOND
FORGIVEN_AFTER_NS = 600 * SECOND  # of running there
MOVES_KEPT = 1000
STINTS_KEPT = 32
LONG_LEASES, LONG_LEAST_NS = 10, 10 * SECOND
PASSED_WITHIN_NS = 600 * SECOND  # what took longer is no livelock


def long_ns(timing: Timing) -> int:
    """How long a group must be served in a row to count as settled on a Node."""
    return max(LONG_LEAST_NS, LONG_LEASES * timing.lease_ns)


@dataclass
class HoldDown:
    """Why and how long this Node stands back from a group that failed here: doubled with each failure.

    A Node that is alone waits far less: an outage must not follow from standing back.
    """

    reason: str = ""
    failures: int = 0  # in a row: without `FORGIVEN_AFTER_NS` of running here in between
    since_ns: int = 0
    running_since_ns: int = 0

    def note(self, reason: str, at_ns: int) -> None:
        """The group failed here."""
        self.failures += 1
        self.reason, self.since_ns, self.running_since_ns = reason, at_ns, 0

    def end(self) -> None:
        """It has the group again. What happened before is not forgotten by that."""
        self.reason = ""

    def forgive(self) -> None:
        """An operator says so."""
        self.reason, self.failures = "", 0

    def see(self, is_running: bool, at_ns: int) -> None:
        """Once per beat on the Owner: running here for long enough forgives earlier failures."""
        if not is_running:
            self.running_since_ns = 0
        elif not self.running_since_ns:
            self.running_since_ns = at_ns
        elif at_ns - self.running_since_ns >= FORGIVEN_AFTER_NS:
            self.failures = 0

    def until_ns(self, is_alone: bool) -> int:
        """When it is over; 0 if there is none."""
        if not self.reason:
            return 0
        first, most = (ALONE_NS, ALONE_MAX_NS) if is_alone else (HOLD_DOWN_NS, HOLD_DOWN_MAX_NS)
        doublings = min(max(self.failures, 1) - 1, 16)
        return self.since_ns + min(first << doublings, most)

    def reason_at(self, at_ns: int, is_alone: bool) -> str:
        """Why this Node stands back now, "" if it does not."""
        return self.reason if at_ns < self.until_ns(is_alone) else ""


@dataclass
class Stint:
    """One Node's time with the group. ``served_ns``: the longest that it was served in a row."""

    node: str
    began_ns: int
    served_ns: int = 0
    end: Cause | None = None  # why it ended, None while it lasts
    serving_since_ns: int = 0  # 0: not served now

    def see(self, is_served: bool, at_ns: int) -> None:
        """It has the group, and serves it or not."""
        if not is_served:
            self.serving_since_ns = 0
            return
        self.serving_since_ns = self.serving_since_ns or at_ns
        self.served_ns = max(self.served_ns, at_ns - self.serving_since_ns)

    def __str__(self) -> str:
        why = f", {self.end.value}" if self.end is not None else ""
        return f"{self.node} {format_duration(self.served_ns)}{why}"


@dataclass(frozen=True)
class Move:
    """The group came to another Node."""

    at_ns: int
    cause: Cause

    @property
    def is_unasked(self) -> bool:
        """Whether no operator ordered it: a failure, or a Failback."""
        return not is_ordered(self.cause)


class History:
    """One group's, as this voter saw it. The first Owner that is seen is no move."""

    def __init__(self) -> None:
        self.moves: deque[Move] = deque(maxlen=MOVES_KEPT)
        self.stints: deque[Stint] = deque(maxlen=STINTS_KEPT)
        self.last_served_ns = 0
        self._ended = NO_BALLOT  # the highest Epoch that is over
        self._judged_from_ns = 0  # earlier moves were answered for by an operator

    def see(self, node: str, epoch: Ballot, is_served: bool, cause: Cause, at_ns: int) -> None:
        """A Node has the group. ``cause``: how it came there, where nobody said why."""
        if epoch <= self._ended:
            return  # said before it let go, and came later
        stint = self._stint_of(node, cause, at_ns)
        stint.end = None
        stint.see(is_served, at_ns)
        if is_served:
            self.last_served_ns = at_ns

    def see_end(self, node: str, epoch: Ballot, cause: Cause, at_ns: int) -> None:
        """A Node let go of it, perhaps before anything else was heard of its stint.

        What was ordered ends a series: then people are at work.
        """
        if epoch <= self._ended:
            return  # said again
        self._ended = epoch
        stint = self._stint_of(node, cause, at_ns)
        stint.see(False, at_ns)
        stint.end = cause
        if is_ordered(cause):
            self.stints = deque([stint], maxlen=STINTS_KEPT)

    def _stint_of(self, node: str, cause: Cause, at_ns: int) -> Stint:
        last = self.stints[-1] if self.stints else None
        if last is not None and last.node == node:
            return last
        if last is not None:
            last.end = last.end or cause
            self.moves.append(Move(at_ns, last.end))
        self.stints.append(Stint(node, at_ns))
        return self.stints[-1]

    def forget(self, at_ns: int) -> None:
        """An operator has answered: what happened before is not held against the group any more."""
        self._judged_from_ns = at_ns
        self.stints = deque(list(self.stints)[-1:], maxlen=STINTS_KEPT)

    def count(self, within_ns: int, at_ns: int, *, only_unasked: bool = False) -> int:
        """How often it moved lately."""
        return sum(
            1 for m in self.moves if at_ns - m.at_ns < within_ns and (m.is_unasked or not only_unasked)
        )

    def unasked(self, within_ns: int, at_ns: int) -> list[Move]:
        """Moves lately that nobody ordered and nobody has answered for."""
        from_ns = max(self._judged_from_ns, at_ns - within_ns)
        return [m for m in self.moves if m.at_ns > from_ns and m.is_unasked]

    def last_unasked_ns(self) -> int:
        """When it last moved without an order, 0 if never."""
        return max((m.at_ns for m in self.moves if m.is_unasked), default=0)

    def passed_round(self, times: int, long_enough_ns: int, at_ns: int) -> list[Stint]:
        """The last ``times`` stints if they make a livelock, else nothing.

        That is: all are over, none was served for long, more than one Node took part, and it went on lately.
        """
        round_ = list(self.stints)[-times:]
        is_recent = len(round_) == times and at_ns - round_[0].began_ns < PASSED_WITHIN_NS
        is_fruitless = all(s.end is not None and s.served_ns < long_enough_ns for s in round_)
        return round_ if is_recent and is_fruitless and len({s.node for s in round_}) > 1 else []

    def last_good(self, long_enough_ns: int) -> str:
        """The last Node that served it for long, "" if none did."""
        return next((s.node for s in reversed(self.stints) if s.served_ns >= long_enough_ns), "")
