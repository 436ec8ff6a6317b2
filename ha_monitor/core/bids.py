"""What a seeker of a Lease wants done, and what it remembers of a ballot and of each sending.

The values of `core.leases`, which re-exports those that its caller needs.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from ha_monitor.messages import Answer, Asked, LeaseMessage, Promise, Refuse
from ha_monitor.model import NO_BALLOT, Ballot, Cause
from ha_monitor.timebase import SECOND


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
    """No Lease for now: `seek` again at ``until_ns``. ``owner``: who holds it (voter index), -1 unknown."""

    until_ns: int
    owner: int


Output = Say | Arm | Prepared | Won | Renewed | Ended | Denied


@dataclass
class Standing:
    """Voters that are silent and whose vote counts nevertheless; see `core.quorum`, which keeps it.

    ``given``: to whoever seeks or holds a Lease here. ``kept``: to who holds one, for renewing it.
    """

    given: frozenset[int] = frozenset()
    kept: frozenset[int] = frozenset()


class Phase(enum.Enum):
    """How far a group's seeker is. HELD lasts through a change of ballot under a running Lease."""

    IDLE = "idle"
    ASKING = "asking"
    PREPARING = "preparing"
    PREPARED = "prepared"  # waits for `resume`
    PROPOSING = "proposing"  # armed or about to be, waits for a majority
    HELD = "held"


class SendingNumbers:
    """Strictly rising numbers for all groups of one core: they are the keys of one set in the kernel.

    Never below the Lease clock, so that they do not repeat after a restart within the same boot.
    """

    def __init__(self) -> None:
        self._last = 0

    def take(self, at_ns: int) -> int:
        """The next number."""
        self._last = max(self._last + 1, at_ns)
        return self._last


def ballot_floor(wall_ns: int) -> int:
    """The wall clock's seconds shifted left by 20 bits, with their fraction in the lower bits.

    A voter that lost its memory promises nothing below it, a core counts upwards from it. With whole seconds
    alone, what was promised just before a restart within the same second would be forgotten.
    """
    return (wall_ns << 20) // SECOND


@dataclass
class Poll:
    """What voters answered to ASK, and when it came. Answers are hints: they promise nothing."""

    answers: dict[int, tuple[Asked, int]] = field(default_factory=dict)

    def open_to(self, node: int) -> list[int]:
        """Who would let that Node have it: who is open, and who holds it for that Node's former life."""
        return [
            voter
            for voter, (asked, _) in self.answers.items()
            if asked.answer is Answer.OPEN or (asked.answer is Answer.HELD and asked.owner == node)
        ]

    def others_open_ns(self, node: int) -> list[int]:
        """When those that would not may be asked again, earliest first."""
        willing = self.open_to(node)
        return sorted(_opens_ns(*answer) for voter, answer in self.answers.items() if voter not in willing)

    def forget_due(self, node: int, at_ns: int) -> None:
        """Who should be open by now has not said anything that is still worth knowing."""
        willing = self.open_to(node)
        self.answers = {v: a for v, a in self.answers.items() if v in willing or _opens_ns(*a) > at_ns}

    def holders_word(self, ballot: Ballot) -> set[int]:
        """Voters by whose answers that ballot holds the group, and its owner, who grants it to itself."""
        told = self.answers.items()
        voters = {v for v, (a, _) in told if a.answer is Answer.HELD and a.epoch == ballot}
        return voters | {ballot.node}

    def holder(self, at_ns: int) -> tuple[int, Ballot, int] | None:
        """Who holds it as voters told, by the highest Epoch: owner, Epoch, remaining ns."""
        held = [
            (asked.epoch, asked.owner, came_ns + asked.remaining_ns - at_ns)
            for asked, came_ns in self.answers.values()
            if asked.answer is Answer.HELD and came_ns + asked.remaining_ns > at_ns
        ]
        if not held:
            return None
        epoch, owner, remaining_ns = max(held)
        return owner, epoch, remaining_ns


def _opens_ns(asked: Asked, came_ns: int) -> int:
    """When to ask again: a little later than told, since the two clocks may differ in rate."""
    return came_ns + asked.remaining_ns + asked.remaining_ns // 1000


@dataclass
class Bid:
    """What the voters said to one ballot."""

    ballot: Ballot
    since_ns: int
    promises: dict[int, Promise] = field(default_factory=dict)
    others: dict[int, Asked | Refuse] = field(default_factory=dict)  # what else they answered

    def highest_against(self) -> Ballot:
        """The highest ballot that stands against it somewhere."""
        return max((r.promised for r in self.others.values() if isinstance(r, Refuse)), default=NO_BALLOT)


@dataclass
class Sending:
    """One PROPOSE to some voters. ``sent_ns``: read after the kernel armed it and before it was built."""

    ballot: Ballot
    sent_ns: int
    targets: dict[int, int]  # voter to the incarnation that it promised as
    accepted: set[int] = field(default_factory=set)
