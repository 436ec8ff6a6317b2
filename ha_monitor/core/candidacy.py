"""When a Node may ask for a group's Lease: open, in rank order, after those who are waited for."""

from __future__ import annotations

from ha_monitor.core import placement
from ha_monitor.core.leases import LeaseSeeker, Phase
from ha_monitor.core.situation import Situation
from ha_monitor.core.transitions import Passage
from ha_monitor.model import REPORTER, Group

SUCCESSOR_BEATS = 4  # by which others stand back for a named successor: a busy host may be late, not dead
NO_RELEASE = -2


class Candidacy:
    """One group's, on one Node."""

    def __init__(self, situation: Situation, spec: Group, seeker: LeaseSeeker, passage: Passage) -> None:
        self.situation = situation
        self.spec = spec
        self.seeker = seeker
        self.passage = passage
        self.open_since_ns = 0  # 0: not open, or not known since when
        self._was_quorate = self._is_cut_off = self._had_to_wait = False
        self._listen_until_ns = 0
        self.successor_named = NO_RELEASE  # by the last RELEASE: voter index, -1 nobody

    def listen_first(self, has_to: bool = True) -> None:
        """At start: as after a cut, others may be about to be heard."""
        self._is_cut_off = has_to

    def note_openness(self, at_ns: int) -> None:
        """In each step: since when the group is open, as far as the own voter knows."""
        if self.seeker.phase is Phase.HELD or self._held_by_another(at_ns) is not None:
            self.open_since_ns = 0
            return
        self._listen_after_a_cut(at_ns)
        has_to_wait = self._has_to_wait(at_ns)
        if not self.open_since_ns or has_to_wait or self._had_to_wait:
            self.open_since_ns = at_ns  # ranks count from the moment when the wait is over
        self._had_to_wait = has_to_wait

    def _listen_after_a_cut(self, at_ns: int) -> None:
        """Who is heard first is not all who can be heard: for a beat let the better ones be heard too."""
        is_paused = at_ns < self.situation.accuse_from_ns  # what it has not heard then says nothing
        is_quorate = self.situation.is_quorate(at_ns) or is_paused
        if is_quorate and self._is_cut_off:
            self._listen_until_ns = at_ns + self.situation.config.timing.interval_ns
        self._is_cut_off = not is_quorate and (self._is_cut_off or self._was_quorate)
        self._was_quorate = is_quorate

    def may_seek(self, at_ns: int) -> bool:
        """Whether it is this Node's turn now. Whether it could serve the group is another question."""
        if self.situation.me.is_witness or self.situation.is_stopping or self._has_to_wait(at_ns):
            return False
        seek_at_ns = self._seek_at_ns()
        return seek_at_ns is not None and at_ns >= seek_at_ns

    def _has_to_wait(self, at_ns: int) -> bool:
        """Whether things must change first that concern all Nodes alike."""
        situation = self.situation
        if not self._was_quorate or at_ns < max(situation.accuse_from_ns, self._listen_until_ns):
            return True
        if situation.in_maintenance(at_ns) and self.spec.name != REPORTER:
            return True
        return self._awaits_better(at_ns)

    def deadline_ns(self, at_ns: int) -> int | None:
        """When `may_seek` may become true if nothing else happens."""
        remaining_ns = self._held_by_another(at_ns)
        if remaining_ns is not None:
            return at_ns + remaining_ns
        if at_ns < self._listen_until_ns:
            return self._listen_until_ns
        seek_at_ns = self._seek_at_ns()
        return seek_at_ns if seek_at_ns is not None and seek_at_ns > at_ns else None

    def _seek_at_ns(self) -> int | None:
        """When this Node may ask for the Lease if nothing else happens; None: not before something does."""
        if not self.open_since_ns or self.situation.me.name not in self.spec.prefer:
            return None
        # Ranks count from a denial's end too, or all would ask at once when voters stop abstaining.
        return max(self.open_since_ns, self.seeker.ask_again_ns) + self._patience_ns()

    def _patience_ns(self) -> int:
        situation = self.situation
        if self.successor_named == situation.me.index:
            return 0
        ranks = placement.rank(self.spec, situation.me.name, situation.node_peers)
        if self.successor_named >= 0:
            ranks += SUCCESSOR_BEATS
        return ranks * situation.config.timing.interval_ns

    def _awaits_better(self, at_ns: int) -> bool:
        """At a cluster's first start a preferred Node gets some time to become ready."""
        situation = self.situation
        # Before its abstention is over no voter of a first start could grant anything.
        able_ns = max(situation.started_at_ns, situation.seat.abstain_until_ns)
        if self.passage.owner or at_ns >= able_ns + situation.config.start_grace_ns:
            return False
        return bool(placement.awaited_at_start(self.spec, situation.me.name, situation.node_peers))

    def _held_by_another(self, at_ns: int) -> int | None:
        """How long the own voter still grants the group to another Node.

        What it grants to this Node is left from a Lease, or from a race for one, that is over.
        """
        held = self.situation.seat.held(self.spec.name, at_ns)
        return held[2] if held is not None and held[0] != self.situation.me.index else None
