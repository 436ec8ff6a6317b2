"""Bugs to plant in the real voter and the real seeker: each replaces one small method, or two together.

What they are planted into, and which world they need to show, is in plants.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection

from ha_monitor.core.bids import Bid, Sending
from ha_monitor.core.leases import Arm, LeaseSeeker, Output, Phase, Won
from ha_monitor.core.voter import Grant, GroupMemory, VoterSeat
from ha_monitor.messages import Accept, Answer, Asked, LeaseMessage, Propose
from ha_monitor.model import Ballot

# -- in the voter --


class ForgetfulSeat(VoterSeat):
    """Clears any ballot of the Owner that released one."""

    def _is_ended_by(self, accepted: Grant | None, released: Ballot) -> bool:
        return accepted is not None and accepted.owner == released.node


class GenerousSeat(VoterSeat):
    """Says OPEN whatever it holds."""

    def _is_open_to(self, sender: int, memory: GroupMemory, at_ns: int) -> bool:  # noqa: ARG002  that is the bug
        return True

    def held(self, group: str, at_ns: int) -> tuple[int, Ballot, int] | None:  # noqa: ARG002  that is the bug
        """Nothing is held, whatever was accepted."""
        return None

    def _asked_held(self, group: str, memory: GroupMemory, grant: Grant, at_ns: int) -> Asked:  # noqa: ARG002
        return Asked(group, Answer.OPEN)


class UnmarkedSeat(VoterSeat):
    """Keeps no OPEN mark with a promise."""

    def _is_marked_open(self, memory: GroupMemory) -> bool:  # noqa: ARG002  that is the bug
        return True


class UnmarkedLifelessSeat(UnmarkedSeat):
    """Nor looks at the incarnation that a proposal names."""

    def _is_of_this_life(self, message: Propose) -> bool:  # noqa: ARG002  that is the bug
        return True


class LaxSeat(VoterSeat):
    """Looks at no incarnation and grants any ballot from the promised one upwards."""

    def _is_of_this_life(self, message: Propose) -> bool:  # noqa: ARG002  that is the bug
        return True

    def _is_promised_ballot(self, memory: GroupMemory, message: Propose) -> bool:
        return message.ballot >= memory.promised


class DeafSeat(VoterSeat):
    """Takes nothing that it hears as its floor."""

    def hear_ballot(self, group: str, ballot: Ballot, at_ns: int) -> None:
        """Do nothing, which is the bug."""


class RestlessSeat(VoterSeat):
    """Never counts as written."""

    def dump(self) -> bytes:
        """To be written again at once."""
        state = super().dump()
        self.is_dirty = True
        return state


# -- in the seeker --


class ArrivalSeeker(LeaseSeeker):
    """Counts the Lease from the ACCEPT's arrival."""

    def _lease_end_ns(self, sending: Sending, at_ns: int) -> int:  # noqa: ARG002  that is the bug
        return at_ns + self.timing.owner_lease_ns


class LateAcceptSeeker(LeaseSeeker):
    """Lets a late ACCEPT of an older sending extend a newer one."""

    def _lease_end_ns(self, sending: Sending, at_ns: int) -> int:  # noqa: ARG002  one signature
        newest_ns = max(s.sent_ns for s in self._sendings.values() if s.ballot == sending.ballot)
        return newest_ns + self.timing.owner_lease_ns


class AddingSeeker(LeaseSeeker):
    """Adds up ACCEPTs of different sendings."""

    def _votes_for(self, sending: Sending) -> Collection[int]:
        same = (s.accepted for s in self._sendings.values() if s.ballot == sending.ballot)
        return set().union(*same)


class NoMarginSeeker(LeaseSeeker):
    """Leaves no room for the drift of clock rates."""

    def _lease_end_ns(self, sending: Sending, at_ns: int) -> int:  # noqa: ARG002  one signature
        return sending.sent_ns + self.timing.lease_ns


class OwnVoteSeeker(LeaseSeeker):
    """Counts its own vote without asking for it."""

    def _is_majority(self, votes: Collection[int]) -> bool:
        return super()._is_majority({*votes, self.node})


class UsedOnSeeker(LeaseSeeker):
    """Goes on with its ballot after the Lease's end."""

    def _forget(self) -> None:
        if self.phase is not Phase.HELD or self._bid is None:
            super()._forget()
            return
        self._bid.since_ns = self.end_ns
        self.phase, self.end_ns = Phase.PROPOSING, 0


class AdoptingSeeker(LeaseSeeker):
    """Adopts the Lease of its former life from a voter's HELD."""

    def _take_asked(self, sender: int, message: Asked, at_ns: int) -> list[Output]:
        is_mine = message.answer is Answer.HELD and message.owner == self.node
        if self.phase is not Phase.ASKING or not is_mine:
            return super()._take_asked(sender, message, at_ns)
        number = self._numbers.take(at_ns)
        self._bid = Bid(message.epoch, at_ns)
        self.phase, self.ballot, self.end_ns = Phase.HELD, message.epoch, at_ns + message.remaining_ns
        return [Arm(number, message.remaining_ns * 9 // 10), Won(self.ballot, number, self.end_ns)]


class CarelessSeeker(LeaseSeeker):
    """Counts, and PROPOSEs to, voters that did not promise OPEN."""

    def _open_voters(self, bid: Bid) -> list[int]:
        return list(bid.promises)


class LifelessSeeker(LeaseSeeker):
    """Does not look at which life of a voter accepted."""

    def _counts(self, sending: Sending, sender: int, message: Accept) -> bool:
        return sender in sending.targets and message.ballot == sending.ballot


class FencingSeeker(LeaseSeeker):
    """Counts the vote of a Node that it fenced, although there are three voters."""

    fence: Callable[[int], None]

    @functools.cached_property
    def fenced(self) -> set[int]:
        """Whose vote is counted."""
        return set()

    @functools.cached_property
    def asking_since(self) -> list[int]:
        """When it began to ask in vain."""
        return []

    def beat(self, at_ns: int) -> list[Output]:
        """Fence the last silent voter after two Leases of asking."""
        if self.phase is not Phase.ASKING:
            self.asking_since.clear()
        self.asking_since.append(at_ns)
        silent = [v for v in self.voters if v != self.node and v not in self._poll.answers]
        if silent and at_ns - self.asking_since[0] > 2 * self.timing.lease_ns:
            self.fence(silent[-1])
            self.fenced.add(silent[-1])
        return super().beat(at_ns)

    def receive(self, sender: int, message: LeaseMessage, at_ns: int) -> list[Output]:
        """A voter that votes again is no longer counted as fenced."""
        self.fenced.discard(sender)
        return super().receive(sender, message, at_ns)

    def _is_majority(self, votes: Collection[int]) -> bool:
        return super()._is_majority({*votes, *self.fenced})


class ResignedSeeker(LeaseSeeker):
    """Never asks again once it was denied."""

    def _deny(self, until_ns: int, owner: int) -> list[Output]:
        return super()._deny(until_ns + 1000 * self.timing.lease_ns, owner)
