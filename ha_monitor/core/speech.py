"""What one voter says: heartbeats with its report, Lease messages, notes of transitions, and the goodbye.

Everything that a step wants said rides on as few packets as possible; every packet is a whole heartbeat.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ha_monitor.core.actions import PrepareGoodbye, SendHeartbeat
from ha_monitor.core.nodes import Peer
from ha_monitor.core.situation import Situation
from ha_monitor.core.switches import Switches
from ha_monitor.core.tenure import Tenure
from ha_monitor.messages import Heartbeat, LeaseMessage, NodeReport, TransitionNote
from ha_monitor.model import NodeState
from ha_monitor.timebase import SECOND

SPREAD_FOR_NS = 3 * SECOND  # how long notes of transitions ride on heartbeats
GREETINGS_A_BEAT = 4  # to one voter, or two that do not know each other yet would never rest


class Speech:
    """Gathers what is to be said in a step and says it at its end."""

    def __init__(
        self, situation: Situation, tenures: Mapping[str, Tenure], switches: Switches, version: str
    ) -> None:
        self.situation = situation
        self.tenures = tenures
        self.switches = switches
        self.version = version
        self.is_beat_due = False  # everybody is told, whether there is something to say or not
        self._greetings: set[int] = set()
        self._greet_from_ns: dict[int, int] = {}
        self._spread: list[tuple[int, TransitionNote]] = []  # (until, note)
        self._goodbye: tuple[Heartbeat, ...] = ()

    def greet(self, voter: int, at_ns: int) -> None:
        """Answer at once who does not know this life yet."""
        if at_ns >= self._greet_from_ns.get(voter, 0):
            self._greet_from_ns[voter] = at_ns + self.situation.config.timing.interval_ns // GREETINGS_A_BEAT
            self._greetings.add(voter)

    def spread(self, notes: Collection[TransitionNote], at_ns: int) -> None:
        """Let these ride on the next heartbeats, unless they already do."""
        kept = {note.ident for _, note in self._spread}
        self._spread.extend((at_ns + SPREAD_FOR_NS, note) for note in notes if note.ident not in kept)

    def forget_old(self, at_ns: int) -> None:
        """Once per beat: notes that were spread long enough."""
        self._spread = [(until, note) for until, note in self._spread if until > at_ns]

    def flush(self, at_ns: int, is_last: bool = False) -> None:
        """Send what is to be said; ``is_last``: it has stopped, nothing waits for the kernel."""
        if any(tenure.arming for tenure in self.tenures.values()) and not is_last:
            return  # the kernel answers next, and what follows from it rides on the same packets
        say, peers = self.situation.say, self.situation.peers
        targets = set(peers) if self.is_beat_due else set(say) | self._greetings
        if targets:
            report = self._node_report(at_ns, is_last)
            for index in sorted(targets):
                messages = tuple(say.pop(index, ()))
                for heartbeat in self._heartbeats(peers[index], report, messages, at_ns):
                    self.situation.emit(SendHeartbeat(heartbeat))
        if self.is_beat_due:
            self._renew_goodbye(at_ns)
        self.is_beat_due = False
        self._greetings.clear()

    def _heartbeats(
        self, peer: Peer, report: NodeReport, messages: tuple[LeaseMessage, ...], at_ns: int
    ) -> list[Heartbeat]:
        is_heard = peer.is_heard(self.situation.listened_at_ns(at_ns))
        return [
            Heartbeat(
                sender=self.situation.me.index,
                receiver=peer.voter.index,
                link=link,
                incarnation=self.situation.incarnation,
                hears_incarnation=peer.incarnation if is_heard else 0,
                sent_ns=at_ns,
                report=report,
                messages=messages,
                requests=self.switches.pending(),
                transitions=tuple(note for _, note in self._spread),
                echo_sent_ns=watch.sent_ns,
                echo_held_ns=max(0, at_ns - watch.heard_at_ns) if watch.sent_ns else 0,
            )
            for link, watch in peer.links.items()
        ]

    def _node_report(self, at_ns: int, has_stopped: bool = False) -> NodeReport:
        situation = self.situation
        state = NodeState.STANDBY if situation.is_standby else NodeState.ONLINE
        return NodeReport(
            state=NodeState.STOPPED if has_stopped else state,
            groups=tuple(t.report(at_ns) for t in self.tenures.values()),
            heard=situation.heard(at_ns),
            config_digest=situation.config.digest,
            version=self.version,
            stall_max_ms=situation.stalls.max_ms(at_ns),
            uptime_s=(at_ns - situation.started_at_ns) // SECOND,
            maintenance=situation.maintenance_note(at_ns),
        )

    def _renew_goodbye(self, at_ns: int) -> None:
        releases = tuple(r for t in self.tenures.values() for r in t.goodbye())
        if not releases and not self._goodbye:
            return
        report = self._node_report(at_ns)
        self._goodbye = tuple(
            heartbeat
            for peer in self.situation.peers.values()
            for heartbeat in self._heartbeats(peer, report, releases, at_ns)
            if releases
        )
        self.situation.emit(PrepareGoodbye(self._goodbye))
