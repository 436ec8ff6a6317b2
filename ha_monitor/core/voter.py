"""One voter's memory for all groups: what it promised, what it granted, what was released.

Answers the Lease's messages by the rules of docs/lease.md. Pure: the caller reads the clock *after* it took
the packet, and saves `dump()` before it sends an answer while `is_dirty`.

Two answers differ from a plain reading of the table, and both equal a packet that the network doubled:
a PREPARE whose ballot already stands promised as OPEN is promised again, a PROPOSE whose sending is the
one already taken is accepted again; neither changes anything. A PROPOSE older than that gets no answer, so
that a late copy never looks like a refusal.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from ha_monitor.messages import (
    Accept,
    Answer,
    Ask,
    Asked,
    LeaseMessage,
    Prepare,
    Promise,
    Propose,
    Refuse,
    Release,
)
from ha_monitor.model import NO_BALLOT, Ballot

Reply = Asked | Promise | Refuse | Accept

GROUPS_MAX = 1024  # a peer with the key could still name groups without end
_FORMAT = 1
FENCED, STOPPED = "fenced", "stopped"  # reasons of an Absence


@dataclass(frozen=True)
class Grant:
    """A Lease as its voter counts it. ``expires_ns`` is on this voter's Lease clock."""

    ballot: Ballot
    sending: int
    owner: int
    expires_ns: int


@dataclass(frozen=True)
class GroupMemory:
    """What one voter remembers of one group. ``sending``: the last one taken for ``promised``."""

    promised: Ballot = NO_BALLOT
    is_promised_open: bool = False
    sending: int = 0
    accepted: Grant | None = None
    released: Ballot = NO_BALLOT

    def granted(self, at_ns: int) -> Grant | None:
        """What is granted now: an expired grant is nothing."""
        return self.accepted if self.accepted and self.accepted.expires_ns > at_ns else None


@dataclass(frozen=True)
class Absence:
    """Why a silent voter's vote counts as given: it was fenced, or said goodbye."""

    life: int  # which one ended: incarnation of its core, 0 if it was never heard
    reason: str


class VoterSeat:
    """One voter's memory for all groups, and its answers.

    ``floor_counter``: no ballot below it is promised by this life (wall clock's seconds shifted left by 20
    bits, so that Epochs rise across the loss of all state). ``abstain_until_ns``: 0 for a life that
    remembers all that it granted. ``turned_away`` counts messages for groups beyond the bound.
    """

    def __init__(
        self,
        index: int,
        incarnation: int,
        abstain_until_ns: int,
        floor_counter: int,
        longest_hold_ns: int,
        boot_id: str = "",
    ) -> None:
        self.index = index
        self.incarnation = incarnation
        self.abstain_until_ns = abstain_until_ns
        self.longest_hold_ns = longest_hold_ns
        self.boot_id = boot_id
        self.is_dirty = True  # a life that is on no tmpfs yet
        self.turned_away = 0
        self._floor_counter = floor_counter
        self._blank = GroupMemory(promised=Ballot(floor_counter, 0, 0))
        self._groups: dict[str, GroupMemory] = {}
        self.absences: dict[int, Absence] = {}  # of Nodes, until each votes again
        self.met: frozenset[int] = frozenset()  # Nodes heard both ways within this boot

    def answer(self, sender: int, message: LeaseMessage, at_ns: int) -> Reply | None:
        """Answer one message of ``sender`` (voter index); None where nothing is to be said."""
        if message.group not in self._groups and len(self._groups) >= GROUPS_MAX:
            self.turned_away += 1
            return None
        if isinstance(message, Ask):
            return self._asked(message, at_ns)
        if isinstance(message, Prepare):
            return self._prepared(sender, message, at_ns)
        if isinstance(message, Propose):
            return self._proposed(sender, message, at_ns)
        if isinstance(message, Release) and message.ballot.node == sender:
            self._release(message.group, message.ballot, at_ns)
        return None

    def hear_ballot(self, group: str, ballot: Ballot, at_ns: int) -> None:
        """A ballot seen anywhere for that group: while abstaining nothing lower is promised afterwards."""
        memory = self.memory(group)
        if self.is_abstaining(at_ns) and ballot > memory.promised:
            self._remember(group, replace(memory, promised=ballot, is_promised_open=False, sending=0))

    def is_abstaining(self, at_ns: int) -> bool:
        """Still within the longest hold of a former life whose memory is lost."""
        return at_ns < self.abstain_until_ns

    def is_open(self, group: str, at_ns: int) -> bool:
        """Nothing is granted here, abstaining or not."""
        return self.memory(group).granted(at_ns) is None

    def held(self, group: str, at_ns: int) -> tuple[int, Ballot, int] | None:
        """Owner, ballot and remaining ns of what is granted here."""
        grant = self.memory(group).granted(at_ns)
        return (grant.owner, grant.ballot, grant.expires_ns - at_ns) if grant else None

    def memory(self, group: str) -> GroupMemory:
        """What is remembered of that group."""
        return self._groups.get(group, self._blank)

    # the other Nodes, where their absence matters: docs/fencing.md

    def note_absent(self, voter: int, absence: Absence) -> None:
        """It was fenced, or said goodbye."""
        if self.absences.get(voter) != absence:
            self.absences = {**self.absences, voter: absence}
            self.is_dirty = True

    def note_present(self, voter: int, life: int) -> None:
        """A later life of it votes, or is granted something here."""
        absence = self.absences.get(voter)
        if absence is not None and absence.life != life:
            self.absences = {v: a for v, a in self.absences.items() if v != voter}
            self.is_dirty = True

    def note_met(self, voter: int) -> None:
        """Only who was met may be powered off unasked: a Node that comes back alone joins passively."""
        if voter not in self.met:
            self.met |= {voter}
            self.is_dirty = True

    def forget_others(self) -> None:
        """Before a goodbye: the other one goes on alone, so the next life here must not."""
        if self.met or self.absences:
            self.met, self.absences, self.is_dirty = frozenset(), {}, True

    def end_holds(self, owner: int, at_ns: int) -> list[tuple[str, Ballot]]:
        """That Node is off: what it was granted or promised here is released. Group and ballot of each."""
        ended = []
        for group, memory in list(self._groups.items()):
            grant = memory.accepted
            ballots = {grant.ballot} if grant and grant.owner == owner else set()
            if memory.promised.node == owner and memory.is_promised_open:
                ballots.add(memory.promised)
            for ballot in sorted(ballots):
                self._release(group, ballot, at_ns)
                ended.append((group, ballot))
        return ended

    # the four messages

    def _asked(self, message: Ask, at_ns: int) -> Asked:
        if message.released != NO_BALLOT:
            self._release(message.group, message.released, at_ns)
        if self.is_abstaining(at_ns):
            return self._abstained(message.group, at_ns)
        memory = self.memory(message.group)
        grant = memory.granted(at_ns)
        if grant is None:
            return Asked(message.group, Answer.OPEN, epoch=memory.promised, released=memory.released)
        return self._asked_held(message.group, memory, grant, at_ns)

    def _asked_held(self, group: str, memory: GroupMemory, grant: Grant, at_ns: int) -> Asked:
        remaining_ns = grant.expires_ns - at_ns
        return Asked(group, Answer.HELD, grant.owner, grant.ballot, remaining_ns, memory.released)

    def _prepared(self, sender: int, message: Prepare, at_ns: int) -> Reply | None:
        if message.ballot.node != sender:
            return None
        self.hear_ballot(message.group, message.ballot, at_ns)
        if self.is_abstaining(at_ns):
            return self._abstained(message.group, at_ns)
        memory = self.memory(message.group)
        is_repeated = message.ballot == memory.promised and memory.is_promised_open
        if is_repeated and message.ballot > memory.released:
            return Promise(message.group, message.ballot, self.incarnation, is_open=True)
        if message.ballot <= max(memory.promised, memory.released):
            return self._refused(message.group, message.ballot)
        is_open = self._is_open_to(sender, memory, at_ns)
        self._remember(
            message.group,
            replace(memory, promised=message.ballot, is_promised_open=is_open, sending=0),
        )
        return Promise(message.group, message.ballot, self.incarnation, is_open)

    def _proposed(self, sender: int, message: Propose, at_ns: int) -> Reply | None:
        if message.ballot.node != sender:
            return None
        self.hear_ballot(message.group, message.ballot, at_ns)
        if self.is_abstaining(at_ns):
            return self._abstained(message.group, at_ns)
        memory = self.memory(message.group)
        if not 0 < message.hold_ns <= self.longest_hold_ns:
            return None  # another configuration: a refusal would only make its Owner try higher ballots
        if not self._may_grant(memory, message):
            return self._refused(message.group, message.ballot)
        if message.sending > memory.sending:
            grant = Grant(message.ballot, message.sending, sender, at_ns + message.hold_ns)
            self._remember(message.group, replace(memory, sending=message.sending, accepted=grant))
        elif message.sending < memory.sending or memory.granted(at_ns) is None:
            return None
        return Accept(message.group, message.ballot, message.sending, self.incarnation)

    def _release(self, group: str, ballot: Ballot, at_ns: int) -> None:
        self.hear_ballot(group, ballot, at_ns)
        memory = self.memory(group)
        self._remember(
            group,
            replace(
                memory,
                accepted=None if self._is_ended_by(memory.accepted, ballot) else memory.accepted,
                is_promised_open=memory.is_promised_open and memory.promised != ballot,
                released=max(memory.released, ballot),
            ),
        )

    # the rules, one each

    def _is_open_to(self, sender: int, memory: GroupMemory, at_ns: int) -> bool:
        """Nothing accepted, or the asking Node's own Lease."""
        grant = memory.granted(at_ns)
        return grant is None or grant.owner == sender

    def _may_grant(self, memory: GroupMemory, message: Propose) -> bool:
        return (
            self._is_of_this_life(message)
            and self._is_promised_ballot(memory, message)
            and self._is_marked_open(memory)
            and message.ballot > memory.released
        )

    def _is_of_this_life(self, message: Propose) -> bool:
        return message.voter_incarnation == self.incarnation

    def _is_promised_ballot(self, memory: GroupMemory, message: Propose) -> bool:
        return message.ballot == memory.promised

    def _is_marked_open(self, memory: GroupMemory) -> bool:
        return memory.is_promised_open

    def _is_ended_by(self, accepted: Grant | None, released: Ballot) -> bool:
        """A RELEASE ends the very ballot that it names and no other."""
        return accepted is not None and accepted.ballot == released

    # answers and memory

    def _abstained(self, group: str, at_ns: int) -> Asked:
        memory, remaining_ns = self.memory(group), self.abstain_until_ns - at_ns
        return Asked(group, Answer.ABSTAIN, 0, memory.promised, remaining_ns, memory.released)

    def _refused(self, group: str, asked: Ballot) -> Refuse:
        memory = self.memory(group)
        return Refuse(group, asked, max(memory.promised, memory.released))

    def _remember(self, group: str, memory: GroupMemory) -> None:
        if memory != self.memory(group):
            self._groups[group] = memory
            self.is_dirty = True

    def dump(self) -> bytes:
        """The whole memory for the tmpfs file, the same bytes for the same memory; clears `is_dirty`."""
        self.is_dirty = False
        state = {
            "format": _FORMAT,
            "index": self.index,
            "boot": self.boot_id,
            "incarnation": self.incarnation,
            "abstain_until_ns": self.abstain_until_ns,
            "floor": self._floor_counter,
            "groups": {group: _as_json(memory) for group, memory in self._groups.items()},
            "met": sorted(self.met),
            "absences": {voter: [a.life, a.reason] for voter, a in self.absences.items()},
        }
        body = json.dumps(state, sort_keys=True, separators=(",", ":")).encode()
        return hashlib.sha256(body).hexdigest().encode() + b"\n" + body

    @classmethod
    def load(cls, state: bytes, index: int, longest_hold_ns: int, boot_id: str = "") -> VoterSeat:
        """Go on as the same incarnation.

        Raises ValueError when the state is damaged, another voter's, or of another boot, whose clock it
        counts by: then the voter must begin as a new incarnation and abstain.
        """
        checksum, _, body = state.partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != checksum:
            raise ValueError("voter state: checksum does not match, so the file is damaged")
        read = json.loads(body)
        # The checksum holds, so this is what a `dump` wrote; format stays the first thing to look at.
        found = [read["format"], read["index"], read["boot"]]
        if found != [_FORMAT, index, boot_id]:
            raise ValueError(f"voter state: format, voter, boot are {found}, not {[_FORMAT, index, boot_id]}")
        abstain_until_ns, floor = read["abstain_until_ns"], read["floor"]
        seat = cls(index, read["incarnation"], abstain_until_ns, floor, longest_hold_ns, boot_id)
        seat._groups = {group: _from_json(memory) for group, memory in read["groups"].items()}
        seat.met = frozenset(read.get("met", ()))  # a file of an older version has neither
        seat.absences = {int(voter): Absence(*told) for voter, told in read.get("absences", {}).items()}
        seat.is_dirty = False
        return seat


def _as_json(memory: GroupMemory) -> list[Any]:
    grant = memory.accepted
    accepted = [list(grant.ballot), grant.sending, grant.owner, grant.expires_ns] if grant else None
    return [list(memory.promised), memory.is_promised_open, memory.sending, accepted, list(memory.released)]


def _from_json(read: list[Any]) -> GroupMemory:
    promised, is_promised_open, sending, accepted, released = read
    grant = Grant(Ballot(*accepted[0]), *accepted[1:]) if accepted else None
    return GroupMemory(Ballot(*promised), is_promised_open, sending, grant, Ballot(*released))
