"""What all groups of one core share: who is heard, what may be said, and this Node's own condition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from ha_monitor.core.actions import Action, Log
from ha_monitor.core.leases import SendingNumbers
from ha_monitor.core.links import LinkWatch
from ha_monitor.core.nodes import Peer
from ha_monitor.core.placement import SelfHealth, isolated_links
from ha_monitor.core.quorum import Votes
from ha_monitor.core.stalls import StallWatch
from ha_monitor.core.voter import FENCED, VoterSeat
from ha_monitor.messages import Answer, Asked, Heard, LeaseMessage, MaintenanceNote
from ha_monitor.model import Cause, ClusterConfig, NodeState, Protection, Voter
from ha_monitor.timebase import MS, format_duration

STALLED_BEATS = 3  # two beats before a peer counts as silent


class Situation:
    """Shared by the cluster's core and its groups; holds no decision."""

    def __init__(
        self, config: ClusterConfig, self_index: int, incarnation: int, seat: VoterSeat, at_ns: int
    ) -> None:
        self.config = config
        self.me: Voter = config.voters[self_index]
        self.incarnation = incarnation
        self.seat = seat
        self.started_at_ns = at_ns
        self.numbers = SendingNumbers()
        self.is_standby = False
        self.is_stopping = False
        self.stop_cause = Cause.DAEMON_STOPPED
        self.maintenance = MaintenanceNote(0)
        self.maintenance_end_ns = 0
        self.protection: tuple[int, str] = (Protection.KERNEL_LEASE, "")
        self.lost_carrier: set[str] = set()
        self._carrier_lost_ns = -config.timing.lease_ns
        self.carriers_told_ns = 0  # by then others have told whether theirs was lost in the same moment
        self.fenced: set[tuple[int, int]] = set()  # Node and incarnation: lives that are over for certain
        self.failback_open: dict[str, bool] = {}
        self.stalls = StallWatch(config.timing.lease_ns)
        self.accuse_from_ns = 0  # rule 11: after a pause nobody is called silent before
        self.stalled_at_ns = 0  # when that pause began
        self.peers = {v.index: self._peer(v, at_ns) for v in config.voters if v.index != self_index}
        self.votes = Votes(config, seat, self.peers, at_ns)
        self.out: list[Action] = []
        self.say: dict[int, list[LeaseMessage]] = defaultdict(list)
        self._last_id = 0

    def _peer(self, voter: Voter, at_ns: int) -> Peer:
        shared = [link for link in self.me.addresses if link in voter.addresses]
        links = {link: LinkWatch(link, self.config.timing.interval_ns) for link in shared}
        return Peer(voter, links, at_ns, self.config.timing.lease_ns)

    # Doing

    def emit(self, action: Action) -> None:
        """Have an action done, after those before it."""
        self.out.append(action)

    def log(self, line: str, level: str = "info") -> None:
        """Write one line to the journal."""
        self.emit(Log(level, line))

    def take_id(self) -> int:
        """A number for an operation, unique in this life and unlike those of an earlier one."""
        self._last_id += 1
        return (self.incarnation & 0xFFFF_FFFF) << 16 | (self._last_id & 0xFFFF)

    def lose_carrier(self, addresses: Collection[str], at_ns: int) -> None:
        """The device of these service addresses has no carrier any more."""
        if addresses and at_ns >= self._carrier_lost_ns + self.config.timing.lease_ns:
            self.carriers_told_ns = at_ns + self.config.timing.interval_ns // 2
        if addresses:
            self._carrier_lost_ns = at_ns  # lost again within a Lease: a loose plug, and no more waiting
        self.lost_carrier.update(addresses)

    # Knowing

    @property
    def node_peers(self) -> list[Peer]:
        """The other Nodes, without the Witness."""
        return [p for p in self.peers.values() if not p.voter.is_witness]

    def is_quorate(self, at_ns: int) -> bool:
        """Whether a majority of votes is to be had through this voter."""
        return self.votes.is_quorate(at_ns)

    def is_held_by_fenced(self, told: Asked) -> bool:
        """Whether a voter still holds a group for a life that a confirmed fence ended."""
        absence = self.seat.absences.get(told.owner) if told.answer is Answer.HELD else None
        return absence is not None and absence.reason == FENCED and absence.life == told.epoch.incarnation

    def is_common(self, group: str, reason: str, at_ns: int) -> bool:
        """Whether the same keeps every other Node that takes part, and there is one, from serving it."""
        here = [p.group(group) for p in self.node_peers if p.is_mutual(at_ns)]
        return bool(here) and all(report is not None and report.reason == reason for report in here)

    def in_maintenance(self, at_ns: int) -> bool:
        """Whether an operator has asked that nothing be moved."""
        return self.maintenance_end_ns > at_ns

    def take_maintenance(self, note: MaintenanceNote, at_ns: int) -> bool:
        """The highest number wins; True if it was news."""
        if note.number <= self.maintenance.number:
            return False
        self.maintenance = note
        self.maintenance_end_ns = at_ns + note.remaining_ns if note.remaining_ns else 0
        if note.remaining_ns:
            length = format_duration(note.remaining_ns)
            self.log(
                f"maintenance on for {length}, by {note.who or 'unknown'}: {note.why or 'no reason given'}"
            )
        else:
            self.log(f"maintenance off, by {note.who or 'unknown'}")
        return True

    def maintenance_note(self, at_ns: int) -> MaintenanceNote:
        """The note as it is to be spread now."""
        left_ns = max(0, self.maintenance_end_ns - at_ns)
        note = self.maintenance
        return MaintenanceNote(note.number, left_ns, note.why, note.who)

    def health(self, held_down: str, is_owner: bool, at_ns: int) -> SelfHealth:
        """What may keep this Node from serving."""
        return SelfHealth(
            is_standby=self.is_standby,
            is_stopping=self.is_stopping,
            lost_carrier=frozenset(self.lost_carrier),
            isolated_links=self.isolated(at_ns),
            held_down=held_down,
            is_owner=is_owner,
        )

    def isolated(self, at_ns: int) -> frozenset[str]:
        """Links on which only this Node hears nobody. Empty while this Node was itself stalled."""
        # A Link that was never heard since start says nothing yet about this Node.
        if at_ns < max(self.accuse_from_ns, self.started_at_ns + self.config.timing.lease_ns):
            return frozenset()
        return isolated_links(self.peers.values(), self.me.addresses, at_ns)

    def note_stall(self, due_ns: int, at_ns: int) -> None:
        """This core was called at ``at_ns`` instead of ``due_ns``."""
        timing = self.config.timing
        if at_ns - due_ns > min(self.stalls.lease_ns // 2, STALLED_BEATS * timing.interval_ns):
            # It accuses nobody before the sockets are drained and one more beat has passed.
            self.accuse_from_ns, self.stalled_at_ns = at_ns + timing.interval_ns, due_ns
        if self.stalls.note(max(0, at_ns - due_ns), at_ns):
            self.log(f"this process was stalled for {(at_ns - due_ns) // MS} ms", "warning")

    def listened_at_ns(self, at_ns: int) -> int:
        """The moment by which to say whom this voter hears: after a pause, when it began."""
        return at_ns if at_ns >= self.accuse_from_ns else min(at_ns, self.stalled_at_ns)

    def heard(self, at_ns: int) -> tuple[Heard, ...]:
        """What this voter hears of whom on which Link, for its report."""
        listened_ns = self.listened_at_ns(at_ns)
        return tuple(
            Heard(index, link, watch.is_heard(listened_ns))
            for index, peer in self.peers.items()
            for link, watch in peer.links.items()
        )

    def look_at_peers(self, at_ns: int) -> None:
        """Judge silence, and tell the journal what changed."""
        if at_ns >= self.accuse_from_ns:
            for peer in self.peers.values():
                peer.look(at_ns)
        for peer in self.peers.values():
            for before, after in peer.changes:
                self._log_change(peer, before, after, at_ns)
            peer.changes.clear()
            for watch in peer.links.values():
                is_news = peer.state is not NodeState.STOPPED and watch.note_lateness(at_ns)
                if is_news and watch.late <= 1:
                    self.log(f"heartbeat of {peer.voter.name} on {watch.link} is late", "warning")

    def _log_change(self, peer: Peer, before: NodeState, after: NodeState, at_ns: int) -> None:
        kind = "witness" if peer.voter.is_witness else "node"
        silent = after in (NodeState.SUSPECT, NodeState.LOST)
        reason = ""
        if silent:
            links = ", ".join(peer.links)
            since = format_duration(at_ns - max(peer.reported_at_ns, peer.started_at_ns))
            reason = f" (silent on {links} for {since})"
        line = f"{kind} {peer.voter.name}: {before.name} -> {after.name}{reason}"
        self.log(line, "warning" if silent else "info")
