"""When a group has moved too often it stays where it is and asks an operator: what that keeps from happening.

A hold restrains moves away from a living Owner, Failback, and Nodes that pass a group round which none of
them can serve. It never restrains a Takeover from a dead Owner, except for some seconds in a livelock, where
the Takeovers themselves are the fault. Every Node judges by its own record; the first that finds something
says so on its heartbeats, and the note with the highest number counts everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ha_monitor.core.damping import History, HoldDown, Move, Stint, long_ns
from ha_monitor.core.nodes import Peer
from ha_monitor.core.placement import is_mendable
from ha_monitor.core.situation import Situation
from ha_monitor.core.transitions import Passage, tell_hold
from ha_monitor.messages import HoldNote
from ha_monitor.model import REPORTER, Cause, Group, Hold, MoveLimit, NodeState
from ha_monitor.timebase import SECOND, format_duration

LIVELOCK_STINTS = 4  # and at least two for each Node
STAY_NS: Mapping[Hold, int] = {
    # A held group's Resources are started again on the Owner first; if that does not help, it leaves.
    Hold.NONE: 0,
    Hold.MOVES: 5 * SECOND,
    Hold.LIVELOCK: 60 * SECOND,
}
SILENT_NS, SILENT_LEASES = 5 * SECOND, 10  # a frozen Node that is silent gets so long to come back
HEARD_NS = 60 * SECOND  # and one that is heard so long to serve again
BEATS_PER_RANK = 2  # so that one voter says it, not all
MOVES_TOLD = 4
_ORDER = tuple(Hold)


@dataclass(frozen=True)
class Finding:
    """What the record shows. ``node`` keeps the group; ``why`` completes "held on pub2: ..."."""

    hold: Hold
    node: str
    why: str


class Holding:
    """One group's hold, as this voter knows it."""

    def __init__(
        self, situation: Situation, spec: Group, history: History, hold_down: HoldDown, passage: Passage
    ) -> None:
        self.situation = situation
        self.spec = spec
        self.history = history
        self.hold_down = hold_down
        self.passage = passage
        self.note = HoldNote()
        self.why = ""  # known where it was found
        self.since_ns = 0
        self._found_since_ns = 0
        self._ailing_since_ns = 0
        self._long_ns = long_ns(situation.config.timing)

    # The note

    @property
    def is_held(self) -> bool:
        """Whether an operator is asked."""
        return self.note.hold is not Hold.NONE

    @property
    def node(self) -> str:
        """The Node that keeps the group, "" without a hold."""
        voters = self.situation.config.voters
        return voters[self.note.node].name if self.is_held and self.note.node < len(voters) else ""

    @property
    def is_frozen_here(self) -> bool:
        """Whether only this Node is to serve it."""
        return self.note.hold is Hold.LIVELOCK and self.note.node == self.situation.me.index

    def take(self, note: HoldNote, at_ns: int, who: str = "") -> bool:
        """The highest note counts; True if it was news. ``who``: an operator, "" if nobody ordered it."""
        if _key(note) <= _key(self.note):
            return False
        was_held, self.note = self.is_held, note
        if not self.is_held:
            self.why = ""
            self.history.forget(at_ns)
            self.hold_down.forgive()
        elif not was_held:
            self.since_ns = at_ns
        self._log(was_held, who)
        return True

    def clear(self, at_ns: int, who: str = "") -> bool:
        """An operator has looked, or a hold is over; False if there was nothing to answer.

        An operator's word also ends this Node's own hold-down: it was mended, and may be tried again.
        """
        was_held_down = bool(self.hold_down.reason)
        if who:
            self.hold_down.forgive()
        if self.is_held:
            return self.take(HoldNote(self.note.number + 1), at_ns, who)
        return bool(who) and was_held_down

    def _log(self, was_held: bool, who: str) -> None:
        name = self.spec.name
        if self.is_held:
            self.situation.log(f"group {name}: held on {self.node} ({self.note.hold.value})", "warning")
        elif was_held:
            by = f", by {who}" if who else ""
            self.situation.log(f"group {name}: no longer held{by}")

    # Once per beat

    def look(self, at_ns: int) -> None:
        """See whether the record asks for a hold, or a hold is out of date."""
        if self.spec.name == REPORTER:
            return
        self._look_at_held(at_ns)
        finding = self._finding(at_ns)
        if finding is None:
            self._found_since_ns = 0
            return
        self._found_since_ns = self._found_since_ns or at_ns
        wait_ns = self._rank(finding, at_ns) * BEATS_PER_RANK * self.situation.config.timing.interval_ns
        if at_ns - self._found_since_ns >= wait_ns:
            self._declare(finding, at_ns)

    def _look_at_held(self, at_ns: int) -> None:
        """The hold goes with an Owner that settled elsewhere, and ends when all was quiet for long."""
        stints, me = self.history.stints, self.situation.me
        if not self.is_held or not stints or stints[-1].node != me.name:
            return
        quiet_since_ns = max(self.since_ns, self.history.last_unasked_ns())
        if at_ns - quiet_since_ns >= (self.spec.max_moves.within_ns or MoveLimit().within_ns):
            self.clear(at_ns)
        elif self.note.node != me.index and stints[-1].served_ns >= self._long_ns:
            self.take(HoldNote(self.note.number + 1, self.note.hold, me.index), at_ns)

    def _finding(self, at_ns: int) -> Finding | None:
        if self.note.hold is not Hold.LIVELOCK:
            times = max(LIVELOCK_STINTS, 2 * len(self.spec.prefer))
            if round_ := self.history.passed_round(times, self._long_ns, at_ns):
                return Finding(Hold.LIVELOCK, self._last_good(round_), _round_text(round_, self._long_ns))
        limit = self.spec.max_moves
        moves = self.history.unasked(limit.within_ns, at_ns)
        is_too_often = bool(limit.moves) and len(moves) >= limit.moves
        last = self.history.stints[-1] if self.history.stints else None
        if is_too_often and not self.is_held and last is not None and last.serving_since_ns:
            return Finding(Hold.MOVES, last.node, _moves_text(moves, limit))
        return None

    def _last_good(self, round_: Sequence[Stint]) -> str:
        """The last Node that served it for long, else the most preferred of those that tried; here now."""
        tried = {stint.node for stint in round_}
        good = self.history.last_good(self._long_ns)
        order = [name for name in (good, *self.spec.prefer) if name and (name == good or name in tried)]
        return next((name for name in order if self._is_here(name)), order[0])

    def _is_here(self, name: str) -> bool:
        peers = (p for p in self.situation.node_peers if p.voter.name == name)
        return name == self.situation.me.name or any(p.state is NodeState.ONLINE for p in peers)

    def _rank(self, finding: Finding, at_ns: int) -> int:
        me = self.situation.me
        if finding.node == me.name:
            return 0
        return 1 + sum(1 for i, p in self.situation.peers.items() if i < me.index and p.is_mutual(at_ns))

    def _declare(self, finding: Finding, at_ns: int) -> None:
        self._found_since_ns = 0
        index = self.situation.config.voter(finding.node).index
        self.take(HoldNote(self.note.number + 1, finding.hold, index), at_ns)
        self.why = finding.why
        cause = Cause.LIVELOCK if finding.hold is Hold.LIVELOCK else Cause.HELD
        told = tell_hold(self.spec.name, finding.node, cause, finding.why, self.passage.epoch)
        self.situation.log(f"{told.sentence}; answer with: ha-monitor clear {self.spec.name}", "error")
        self.situation.emit(told)

    # What it restrains

    def keeps_here(self, reason: str, retry_ns: int, at_ns: int) -> bool:
        """In each step of an Owner: whether it stays although ``reason`` makes it unfit ("": it is fit).

        ``retry_ns``: when the last of its Resources is started again. It does not stay only to wait for that.
        """
        if not reason:
            self._ailing_since_ns = 0
            return False
        self._ailing_since_ns = self._ailing_since_ns or at_ns
        until_ns = self._ailing_since_ns + STAY_NS[self.note.hold]
        return is_mendable(reason) and max(at_ns, retry_ns) < until_ns

    def keeps_away(self, at_ns: int) -> bool:
        """Whether this Node leaves a free group to the one on which it is frozen."""
        if self.note.hold is not Hold.LIVELOCK or self.is_frozen_here:
            return False
        unserved_since_ns = max(self.since_ns, self.history.last_served_ns)
        return at_ns - unserved_since_ns < self._patience_ns(self.situation.peers.get(self.note.node))

    def _patience_ns(self, frozen: Peer | None) -> int:
        """How long the Node on which it is frozen may take to serve it again; 0 if it cannot."""
        if frozen is None:
            return 0
        if frozen.state in (NodeState.JOINING, NodeState.SUSPECT, NodeState.LOST):
            return max(SILENT_NS, SILENT_LEASES * self.situation.config.timing.lease_ns)
        report = frozen.group(self.spec.name)
        is_able = report is not None and (not report.reason or is_mendable(report.reason))
        return HEARD_NS if frozen.state is NodeState.ONLINE and is_able else 0

    def heir(self, able: Sequence[Peer]) -> Peer | None:
        """To whom a group goes that could not be started here: a frozen one only to its Node."""
        if self.note.hold is not Hold.LIVELOCK:
            return able[0] if able else None
        return next((p for p in able if p.voter.index == self.note.node), None)


def _key(note: HoldNote) -> tuple[int, int, int]:
    return note.number, _ORDER.index(note.hold), note.node


def _round_text(round_: Sequence[Stint], long_enough_ns: int) -> str:
    stints = "; ".join(str(stint) for stint in round_)
    return f"passed round {len(round_)} times, never served for {format_duration(long_enough_ns)} ({stints})"


def _moves_text(moves: Sequence[Move], limit: MoveLimit) -> str:
    causes = ", ".join(move.cause.value for move in moves[-MOVES_TOLD:])
    return (
        f"{len(moves)} moves that nobody ordered within {format_duration(limit.within_ns)} (last: {causes})"
    )
