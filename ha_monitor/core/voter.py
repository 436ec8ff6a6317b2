"""One voter's memory for all groups: what it promised, what it granted, what was released.

Rules of lease-protocol "A voter's state" and "Messages". Pure: the caller reads the clock after it took
the packet, and saves `dump()` before it sends an answer while `is_dirty`.

Two answers differ from a plain reading of the table, and both equal a packet that the network doubled:
a PREPARE whose ballot already stands promised as OPEN is promised again, a PROPOSE whose sending is the
one already taken is accepted again, and neither changes anything. A PROPOSE older than that gets no
answer, so that a late copy never looks like a refusal.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from ha_monitor.messages import Accept, Answer, Ask, Asked, LeaseMessage, Prepare, Promise, Propose, Refuse, Release
from ha_monitor.model import NO_BALLOT, Ballot

Reply = Asked | Promise | Refuse | Accept


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


class VoterSeat:
    """One voter's memory for all groups, and its answers."""

    def __init__(
        self,
        index: int,
        incarnation: int,
        abstain_until_ns: int,
        floor_counter: int,
        longest_hold_ns: int,
        boot_id: str = "",
    ) -> None:
        raise NotImplementedError

    @property
    def is_dirty(self) -> bool:
        """State changed since `dump`."""
        raise NotImplementedError

    def answer(self, sender: int, message: LeaseMessage, at_ns: int) -> Reply | None:
        """Answer one message of ``sender`` (voter index); None where nothing is to be said."""
        raise NotImplementedError

    def hear_ballot(self, group: str, ballot: Ballot) -> None:
        """A ballot seen anywhere for that group; raises the floor while abstaining."""
        raise NotImplementedError

    def is_abstaining(self, at_ns: int) -> bool:
        """Still within the longest hold of a life whose state was lost."""
        raise NotImplementedError

    def is_open(self, group: str, at_ns: int) -> bool:
        """Nothing is granted here (abstaining or not)."""
        raise NotImplementedError

    def held(self, group: str, at_ns: int) -> tuple[int, Ballot, int] | None:
        """Owner, ballot, remaining ns of what is granted here."""
        raise NotImplementedError

    def dump(self) -> bytes:
        """The whole state as bytes for the tmpfs file; clears `is_dirty`."""
        raise NotImplementedError

    @classmethod
    def load(cls, state: bytes, index: int, longest_hold_ns: int, boot_id: str = "") -> VoterSeat:
        """The same incarnation again. Raises ValueError when damaged, of another voter or another boot."""
        raise NotImplementedError
