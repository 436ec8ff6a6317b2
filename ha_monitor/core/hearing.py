"""What one voter hears: heartbeats with reports, Lease messages, orders and notes that ride along."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ha_monitor.core import events as ev
from ha_monitor.core.actions import SaveMaintenance
from ha_monitor.core.fencing import Fences
from ha_monitor.core.nodes import Peer
from ha_monitor.core.situation import Situation
from ha_monitor.core.speech import Speech
from ha_monitor.core.switches import Switches
from ha_monitor.core.tenure import Tenure
from ha_monitor.messages import (
    Accept,
    Ask,
    Asked,
    Heartbeat,
    LeaseMessage,
    Prepare,
    Promise,
    Propose,
    Refuse,
    Release,
    TransitionNote,
)


class Hearing:
    """Takes heartbeats apart. ``keep``: takes a note of a transition; ``reappeared``: somebody is back."""

    def __init__(
        self,
        situation: Situation,
        tenures: Mapping[str, Tenure],
        switches: Switches,
        speech: Speech,
        fences: Fences,
        keep: Callable[[TransitionNote], None],
        reappeared: Callable[[int], None],
    ) -> None:
        self.situation = situation
        self.tenures = tenures
        self.switches = switches
        self.speech = speech
        self.fences = fences
        self._keep = keep
        self._reappeared = reappeared

    def take(self, event: ev.HeartbeatReceived, at_ns: int) -> None:
        """One packet."""
        heartbeat, situation = event.heartbeat, self.situation
        peer = situation.peers.get(heartbeat.sender)
        if peer is None or heartbeat.link not in peer.links:
            return
        if self.fences.is_dead(heartbeat.sender, heartbeat.incarnation):
            self.fences.hear_dead(heartbeat.sender, at_ns)
            return
        is_mutual = heartbeat.hears_incarnation == situation.incarnation
        was_away = not peer.is_mutual(at_ns)
        peer.hear(heartbeat, event.arrived_ns, situation.me.index, is_mutual)
        if not is_mutual:
            self.speech.greet(heartbeat.sender, at_ns)
            return
        self.fences.hear_life(peer, at_ns)
        if was_away:
            self._reappeared(at_ns)
        self._take_reports(peer, heartbeat, at_ns)
        for message in heartbeat.messages:
            self._take_message(peer, message, at_ns)
        for request in heartbeat.requests:
            self.switches.take(request, at_ns)

    def _take_reports(self, peer: Peer, heartbeat: Heartbeat, at_ns: int) -> None:
        if self.situation.take_maintenance(heartbeat.report.maintenance, at_ns):
            self.situation.emit(SaveMaintenance(self.situation.maintenance_note(at_ns)))
        for report in heartbeat.report.groups:
            if (tenure := self.tenures.get(report.group)) is not None:
                tenure.see_report(peer, report, at_ns)
                self.situation.seat.hear_ballot(report.group, report.epoch, at_ns)
        for note in heartbeat.transitions:
            self._keep(note)

    def _take_message(self, peer: Peer, message: LeaseMessage, at_ns: int) -> None:
        tenure = self.tenures.get(message.group)
        if tenure is None:
            return  # configured there and not here: the configurations differ, which is a fact of its own
        if isinstance(message, Ask | Prepare | Propose | Release):
            self._answer(peer, tenure, message, at_ns)
            return
        assert isinstance(message, Asked | Promise | Accept | Refuse)
        if isinstance(message, Accept) or (isinstance(message, Promise) and message.is_open):
            self.fences.hear_vote(peer, at_ns)
        tenure.take_answer(peer.voter.index, message, at_ns)

    def _answer(
        self, peer: Peer, tenure: Tenure, message: Ask | Prepare | Propose | Release, at_ns: int
    ) -> None:
        answer = self.situation.seat.answer(peer.voter.index, message, at_ns)
        if answer is not None:
            self.situation.say[peer.voter.index].append(answer)
        if isinstance(message, Release):
            tenure.see_release(peer, message, at_ns)
        elif isinstance(message, Prepare | Propose):
            tenure.seeker.hear_ballot(message.ballot)
        if isinstance(answer, Accept):
            self.fences.hear_vote(peer, at_ns)  # whoever may own something here again is not absent
