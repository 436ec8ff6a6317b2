"""What the seeker of one group's Lease remembers, and the rules on it that can be said in a line or two.

The steps that change it stand in `core.leases`. Each rule is a method of its own, so that a planted bug can
break exactly one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ha_monitor.core.bids import (
    Arm,
    Bid,
    Denied,
    Output,
    Phase,
    Poll,
    Say,
    Sending,
    SendingNumbers,
    Standing,
)
from ha_monitor.messages import Accept, Ask, Prepare
from ha_monitor.model import NO_BALLOT, Ballot, Timing
from ha_monitor.timebase import MS

ARM_LEAST_NS = 20 * MS  # a kernel may read a timeout below a jiffy as "none"
JIFFY_NS = 10 * MS  # at the lowest tick rate, 100 Hz
UNHEARD_BALLOTS = 1_000_000  # more than a Node makes between its last packet and the end of its power
CANDIDATE_BEATS_MAX = 30  # a candidate whose answers are older than this asks again


class LeaseRules:
    """The state of a seeker.

    ``ballot`` is the Epoch while HELD; ``end_ns`` the Lease's end on the own clock; ``counter`` the highest
    used or heard; ``ask_again_ns`` when to `seek` next; ``released`` the highest RELEASE known.
    """

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
        standing: Standing | None = None,
    ) -> None:
        self.group = group
        self.node = node
        self.incarnation = incarnation
        self.voters = tuple(voters)
        self.timing = timing
        self.hold_ns = hold_ns or timing.lease_ns
        self.counter = counter_floor
        self.phase = Phase.IDLE
        self.ballot = NO_BALLOT
        self.end_ns = 0
        self.ask_again_ns = 0
        self.released = NO_BALLOT
        self.lost: tuple[Ballot, ...] = ()  # of the Lease that ended last, while voters may still hold it
        self._numbers = numbers or SendingNumbers()
        self._standing = standing or Standing()
        self._poll = Poll()
        self._ask_once_more_ns: int | None = None  # while ASKING: when one that was not open may be
        self._bid: Bid | None = None  # the ballot in use: wanted, or held and renewed
        self._arming = 0
        self._sendings: dict[int, Sending] = {}
        self._raised_ns = 0  # when a held Lease last asked for a higher ballot

    # what the caller asks

    @property
    def deadline_ns(self) -> int | None:
        """When `expire` must be called: at the Lease's end, or when a voter that held it should be open."""
        if self.phase is Phase.HELD:
            return self.end_ns
        return self._ask_once_more_ns if self.phase is Phase.ASKING else None

    @property
    def majority(self) -> int:
        """Votes needed."""
        return len(self.voters) // 2 + 1

    def releasable(self) -> tuple[Ballot, ...]:
        """The ballots under which voters may hold something for this core; empty without a Lease.

        Two while a held Lease passes to a higher ballot.
        """
        if self.phase is not Phase.HELD:
            return ()
        used = [sending.ballot for sending in self._sendings.values()]
        return tuple(sorted({self.ballot, *used}))

    def holder(self, at_ns: int) -> tuple[int, Ballot, int] | None:
        """Who holds it as voters told, by the highest Epoch: owner, Epoch, remaining ns."""
        return self._poll.holder(at_ns)

    def is_surely_held(self, epoch: Ballot) -> bool:
        """Whether so many voters told of it that it was won, and not only proposed."""
        return self._is_majority(self._poll.holders_word(epoch))

    def pass_unheard(self) -> None:
        """A Node was fenced: the next ballot stands above whatever it may have made since it was heard."""
        self.counter += UNHEARD_BALLOTS

    def _forget(self) -> None:
        """A ballot dies with its Lease: a later ACCEPT finds nothing that it could extend."""
        self.phase, self.ballot, self.end_ns = Phase.IDLE, NO_BALLOT, 0
        self._bid, self._arming = None, 0
        self._sendings = {}

    # small parts, one rule each

    def _ask_all(self) -> list[Output]:
        return [Say(voter, Ask(self.group, self.released)) for voter in self.voters]

    def _prepare(self, at_ns: int) -> list[Output]:
        self.phase = Phase.PREPARING
        return self._bid_higher(at_ns)

    def _bid_higher(self, at_ns: int) -> list[Output]:
        self._bid = Bid(self._next_ballot(), at_ns)
        self._arming = 0
        return self._prepare_missing(self._bid)

    def _prepare_missing(self, bid: Bid) -> list[Output]:
        is_open = self._open_voters(bid)
        return [Say(v, Prepare(self.group, bid.ballot)) for v in self.voters if v not in is_open]

    def _next_ballot(self) -> Ballot:
        self.counter += 1
        return Ballot(self.counter, self.node, self.incarnation)

    def _arm(self, at_ns: int) -> list[Output]:
        self._arming = self._numbers.take(at_ns)
        # The kernel's timers follow the slewed clock (up to 10 % slow) and round up to a jiffy.
        timeout_ns = self.timing.owner_lease_ns * 9 // 10 - JIFFY_NS
        return [Arm(self._arming, max(ARM_LEAST_NS, timeout_ns))]

    def _has_sent(self, bid: Bid) -> bool:
        return any(sending.ballot == bid.ballot for sending in self._sendings.values())

    def _open_voters(self, bid: Bid) -> list[int]:
        """Who promised it as OPEN and did not take that back."""
        return [voter for voter, promise in bid.promises.items() if promise.is_open]

    def _targets(self, bid: Bid) -> dict[int, int]:
        """PROPOSE goes only to voters that promised OPEN, under the incarnation of that promise."""
        return {voter: bid.promises[voter].voter_incarnation for voter in self._open_voters(bid)}

    def _counts(self, sending: Sending, sender: int, message: Accept) -> bool:
        """Only ACCEPTs of that very ballot and sending, by the life of the voter that promised."""
        is_asked = sending.targets.get(sender) == message.voter_incarnation
        return is_asked and message.ballot == sending.ballot

    def _votes_for(self, sending: Sending) -> Collection[int]:
        """ACCEPTs of different sendings are never added up."""
        return sending.accepted

    def _lease_end_ns(self, sending: Sending, at_ns: int) -> int:  # noqa: ARG002  the arrival must not matter
        """Counted from before the sending, never from the answer."""
        return sending.sent_ns + self.timing.owner_lease_ns

    def _is_majority(self, votes: Collection[int]) -> bool:
        return len(self._with_given(votes)) >= self.majority

    def _with_given(self, votes: Collection[int]) -> frozenset[int]:
        """With those of a pair that count although their voter is silent; nobody's in other modes."""
        kept = self._standing.kept if self.phase is Phase.HELD else frozenset()
        return self._standing.given.union(kept, votes)

    def _deny(self, until_ns: int, owner: int) -> list[Output]:
        self._forget()
        self.ask_again_ns = until_ns
        return [Denied(until_ns, owner)]

    def _candidate_max_ns(self) -> int:
        return CANDIDATE_BEATS_MAX * self.timing.interval_ns

    def _part_of_a_beat(self) -> int:
        """Drawn from index and counter, so that two candidates that met once do not meet again."""
        drawn = ((self.node + 1) * 2_654_435_761 + self.counter * 40_503) % 997
        return self.timing.interval_ns * (1 + drawn) // 998
