"""Whose vote counts as given although the voter is silent, and what the quorum mode promises now.

With a Witness, or with three Nodes and more, nobody's. In a pair (modes `fencing` and `ping`) one Node must
be able to go on without the other's vote, or the death of either would stop everything. docs/quorum.md says
why each rule here is safe, or that it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ha_monitor.core.bids import Standing
from ha_monitor.core.events import TargetsPinged
from ha_monitor.core.nodes import Peer
from ha_monitor.core.voter import VoterSeat
from ha_monitor.model import ClusterConfig, Protection, Quorum
from ha_monitor.timebase import SECOND

NO_TARGET = "no ping target answers"
PING_SILENT_LEASES = 2  # of the peer, before its vote counts as given: its own Lease is over by then
TARGETS_LOST_NS = 5 * SECOND  # without an answer before a Node counts as unfit: a new worker needs a second
OWNER_PATIENCE_NS = 2 * SECOND
NOBODY: frozenset[int] = frozenset()


@dataclass
class Targets:
    """What the ping targets answered last. ``newest_ns``: when the newest answered request left here."""

    reached: int = 0
    targets: int = 0
    newest_ns: int = 0
    is_known: bool = False  # the worker has said something

    def are_reached(self, lease_ns: int, at_ns: int) -> bool:
        """One answered lately: within three quarters of a Lease, so that a Node cut off from everything
        stops renewing early enough for its Lease to end before the other one begins.
        """
        return self.newest_ns > 0 and at_ns < self.newest_ns + lease_ns * 3 // 4


class Votes:
    """Which of a pair's votes count as given. ``standing`` is shared with every group's seeker."""

    def __init__(self, config: ClusterConfig, seat: VoterSeat, peers: Mapping[int, Peer], at_ns: int) -> None:
        self._config = config
        self._seat = seat
        self._peers = peers
        self._started_at_ns = at_ns
        self.standing = Standing()
        self.targets = Targets(targets=len(config.ping))
        self._told_reached = False

    def look(self, at_ns: int) -> None:
        """At the begin of a step, and again after its event."""
        if self._config.quorum.is_pair:
            self.standing.given, self.standing.kept = self._given(at_ns), self._kept(at_ns)

    def take_targets(self, event: TargetsPinged, log: Callable[[str, str], None], at_ns: int) -> None:
        """The worker has pinged; the journal is told of the first answer and of the first silence."""
        lease_ns = self._config.timing.lease_ns
        before = self.targets.are_reached(lease_ns, at_ns)
        self.targets = Targets(
            event.reached, event.targets, max(event.newest_ns, self.targets.newest_ns), is_known=True
        )
        if self.targets.are_reached(lease_ns, at_ns) and not before:
            log(f"ping: {event.reached} of {event.targets} targets answer", "info")
        elif not event.reached and self._told_reached:
            log("ping: no target answers", "warning")
        self._told_reached = bool(event.reached)

    def say_goodbye(self, at_ns: int) -> None:
        """Before it: the other Node of a pair goes on alone, so the next life here must not."""
        if self._config.quorum.is_pair and (self._mutual(at_ns) or self._is_heard_anew()):
            self._seat.forget_others()

    def _is_heard_anew(self) -> bool:
        """Whether an absent Node's next life was heard: it takes this goodbye, mutual or not."""
        absences = self._seat.absences.items()
        return any(self._peers[index].incarnation not in (0, absence.life) for index, absence in absences)

    def present(self, at_ns: int) -> int:
        """How many votes a candidate here can reckon with, its own included."""
        return 1 + len(self._mutual(at_ns) | self.standing.given)

    def is_quorate(self, at_ns: int) -> bool:
        """Whether a candidate here can win."""
        return self.present(at_ns) >= self._config.majority

    def may_keep(self, at_ns: int) -> bool:
        """Whether an Owner here can renew."""
        known = self._mutual(at_ns) | self.standing.given | self.standing.kept
        return 1 + len(known) >= self._config.majority

    def unfit_reason(self, is_owner: bool, at_ns: int) -> str:
        """Mode ping: a Node that has reached no target for a while should not serve.

        An Owner finds that of itself later than others do: a target that died moves nothing.
        """
        if self._config.quorum is not Quorum.PING:
            return ""
        since_ns = max(self.targets.newest_ns, self._started_at_ns)
        patience_ns = TARGETS_LOST_NS + (OWNER_PATIENCE_NS if is_owner else 0)
        return NO_TARGET if at_ns >= since_ns + patience_ns else ""

    def _mutual(self, at_ns: int) -> frozenset[int]:
        return frozenset(index for index, peer in self._peers.items() if peer.is_mutual(at_ns))

    def _given(self, at_ns: int) -> frozenset[int]:
        absent = frozenset(self._seat.absences)
        if self._config.quorum is not Quorum.PING or not self._reaches(at_ns):
            return absent
        return absent | {index for index, peer in self._peers.items() if self._is_silent(peer, at_ns)}

    def _kept(self, at_ns: int) -> frozenset[int]:
        """Whose vote the Owner of a pair needs to win, but not to renew.

        Fencing: the other one takes over only after this one is off. Ping: while a target answers.
        """
        if self._config.quorum is Quorum.PING and not self._reaches(at_ns):
            return NOBODY
        return frozenset(self._peers)

    def _reaches(self, at_ns: int) -> bool:
        return self.targets.are_reached(self._config.timing.lease_ns, at_ns)

    def _is_silent(self, peer: Peer, at_ns: int) -> bool:
        heard_ns = max((watch.heard_at_ns for watch in peer.links.values()), default=0)
        # Never heard since this core began: the peer may be starting, as this one is.
        since_ns = max(heard_ns, self._started_at_ns + (0 if heard_ns else self._config.start_grace_ns))
        return at_ns >= since_ns + PING_SILENT_LEASES * self._config.timing.lease_ns


PROMISES = {  # with the condition
    Quorum.WITNESS: "at most one Owner while its kernel runs: a majority of Nodes and Witness decides",
    Quorum.MAJORITY: "at most one Owner while its kernel runs: a majority of the Nodes decides",
    Quorum.FENCING: "at most one Owner while fence devices tell the truth: the other Node was powered off",
    Quorum.PING: "best effort: both Nodes serve if both reach a target and not each other",
    Quorum.SINGLE: "one Node, nobody takes over",
}


def protection_now(quorum: Quorum, kernel: tuple[int, str], broken_fence: str) -> tuple[int, str]:
    """How far "at most one Owner" is enforced; the mode's promise and its condition in words.

    ``kernel``: what the kernel does, and what it lacks. ``broken_fence``: why the other Node could not be
    fenced now.
    """
    level, lacking = kernel
    promise = PROMISES[quorum]
    if quorum is Quorum.PING:
        return Protection.BEST_EFFORT, promise
    if quorum is Quorum.FENCING and not broken_fence:
        return Protection.FENCING, promise
    if quorum is Quorum.FENCING:
        level, promise = min(level, Protection.KERNEL_LEASE), f"no takeover is possible: {broken_fence}"
    return level, f"{lacking}; {promise}" if lacking else promise
