"""One group's candidate and Owner side on one Node: ASK, PREPARE, arm, PROPOSE, renew, RELEASE.

Pure: every method takes the moment and returns what is to be done, in order. The caller

- routes `Say` to that voter, its own index to its own VoterSeat, and answers back into `receive`;
- does `Arm` in the kernel and calls `armed` with the time that it read after the acknowledgement;
- on `Prepared` adds the addresses closed, probes for strangers, then calls `resume` (or `give_up`);
- on `Won` and `Renewed` activates `sending` for the group's addresses;
- on `Ended` closes the group at once;
- calls `beat` once per heartbeat interval in every phase and `expire` when `deadline_ns` is reached.

Kept beside the briefed interface: `Won` and `Renewed` carry ballot and sending, `SendingNumbers` is shared by
all groups of a core because the numbers are keys in one kernel set.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from ha_monitor.messages import Accept, Asked, LeaseMessage, Promise, Refuse
from ha_monitor.model import Ballot, Cause, Timing


@dataclass(frozen=True)
class Say:
    """Send this to that voter (or to the own one)."""

    voter: int
    message: LeaseMessage


@dataclass(frozen=True)
class Arm:
    """Let the kernel know this sending for that long; then call `armed`."""

    sending: int
    timeout_ns: int


@dataclass(frozen=True)
class Prepared:
    """A majority promised OPEN: add the addresses closed, probe, then `resume`."""

    ballot: Ballot


@dataclass(frozen=True)
class Won:
    """The Lease begins. ``ballot`` is its Epoch."""

    ballot: Ballot
    sending: int
    end_ns: int


@dataclass(frozen=True)
class Renewed:
    """The Lease was extended; ``ballot`` may be higher than before. ``margin_ns``: what was left of it."""

    ballot: Ballot
    sending: int
    end_ns: int
    margin_ns: int


@dataclass(frozen=True)
class Ended:
    """The Lease is over here: close at once."""

    cause: Cause


@dataclass(frozen=True)
class Denied:
    """No Lease for now: `seek` again at ``until_ns``. ``owner``: voter index of who holds it, -1 if unknown."""

    until_ns: int
    owner: int


Output = Say | Arm | Prepared | Won | Renewed | Ended | Denied


class Phase(enum.Enum):
    """How far a group's seeker is. HELD lasts through a change of ballot under a running Lease."""

    IDLE = "idle"
    ASKING = "asking"
    PREPARING = "preparing"
    PREPARED = "prepared"  # waits for `resume`
    ARMING = "arming"
    PROPOSING = "proposing"
    HELD = "held"


class SendingNumbers:
    """Strictly rising numbers for all groups of one core: max(previous + 1, Lease clock)."""

    def __init__(self) -> None:
        self._last = 0

    def take(self, at_ns: int) -> int:
        """The next number."""
        self._last = max(self._last + 1, at_ns)
        return self._last


class LeaseSeeker:
    """Seeks, holds and lets go of one group's Lease."""

    phase: Phase
    ballot: Ballot  # Epoch while HELD, NO_BALLOT without a Lease
    end_ns: int  # of the Lease on the own clock, 0 without one
    counter: int  # highest used or heard
    ask_again_ns: int  # when to `seek` next, 0: now
    deadline_ns: int | None  # when to call `expire`
    released: Ballot  # highest RELEASE known

    def __init__(
        self,
        group: str,
        node: int,
        incarnation: int,
        voters: Sequence[int],
        timing: Timing,
        counter_floor: int,
        numbers: SendingNumbers | None = None,
        hold_ns: int = 0,
    ) -> None:
        raise NotImplementedError

    def seek(self, at_ns: int) -> list[Output]:
        """Begin: ASK every voter. Nothing while already busy."""
        raise NotImplementedError

    def reclaim(self, at_ns: int) -> list[Output]:
        """A restarted core whose own Node's Lease is still known: PREPARE at once, without ASK."""
        raise NotImplementedError

    def receive(
        self, sender: int, message: Asked | Promise | Accept | Refuse, at_ns: int
    ) -> list[Output]:
        """Take a voter's answer."""
        raise NotImplementedError

    def resume(self, at_ns: int) -> list[Output]:
        """After `Prepared`: the addresses are there, closed; go on to arm."""
        raise NotImplementedError

    def armed(self, sending: int, is_armed: bool, at_ns: int) -> list[Output]:
        """The kernel answered; ``at_ns`` was read after that and is the Lease's beginning if this sending wins."""
        raise NotImplementedError

    def beat(self, at_ns: int) -> list[Output]:
        """Once per interval: renew, or repeat to silent voters."""
        raise NotImplementedError

    def expire(self, at_ns: int) -> list[Output]:
        """Run what is due: `Ended` when the Lease is over, else nothing."""
        raise NotImplementedError

    def give_up(self, at_ns: int) -> list[Output]:
        """Stop being a candidate (a stranger has the address, no longer eligible). Nothing while HELD."""
        raise NotImplementedError

    def release(self, successor: int, cause: Cause, at_ns: int) -> list[Output]:
        """After the addresses are closed: RELEASE to all voters, forget ballot and sendings. No `Ended`."""
        raise NotImplementedError

    def releasable(self) -> tuple[Ballot, ...]:
        """The ballots that a goodbye by proxy must name; empty without a Lease."""
        raise NotImplementedError

    def hear_higher(self, epoch: Ballot, from_node: int) -> list[Output]:
        """A valid claim of a won Lease: `Ended` if it is higher, from another Node, and this one is HELD."""
        raise NotImplementedError

    def hear_ballot(self, ballot: Ballot) -> None:
        """Any ballot seen anywhere raises the counter, so that this one's next is higher."""
        raise NotImplementedError

    def hear_release(self, ballot: Ballot) -> None:
        """A RELEASE seen: the next ASK carries it to voters that missed it."""
        raise NotImplementedError

    def holder(self, at_ns: int) -> tuple[int, Ballot, int] | None:
        """Who holds it as voters told: owner, Epoch, remaining ns. None if nobody said so lately."""
        raise NotImplementedError
