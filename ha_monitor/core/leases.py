"""One group's candidate and Owner side on one Node: ASK, PREPARE, arm, PROPOSE, renew, RELEASE.

The rules are in docs/lease.md. Pure: every method takes the moment and returns what is to be done, in that
order. The caller

- routes `Say` to that voter, its own index to its own VoterSeat, and answers back into `receive`;
- does `Arm` in the kernel and calls `armed` with the time that it read after the acknowledgement;
- on `Prepared` adds the addresses closed, probes for strangers, then calls `resume` (or `give_up`);
- on `Won` and `Renewed` activates ``sending`` for the group's addresses;
- on `Ended` closes the group at once;
- calls `beat` once per heartbeat interval in every phase, and `expire` when ``deadline_ns`` is reached.

`Won` and `Renewed` carry ballot and sending. A running Lease may pass to a higher ballot of the same Node
without an interruption: that is a `Renewed` with another ballot.
"""

from __future__ import annotations

from ha_monitor.core.bids import (
    Arm,
    Bid,
    Denied,
    Ended,
    Output,
    Phase,
    Poll,
    Prepared,
    Renewed,
    Say,
    Sending,
    SendingNumbers,
    Standing,
    Won,
)
from ha_monitor.core.lease_rules import LeaseRules
from ha_monitor.messages import (
    Accept,
    Answer,
    Asked,
    LeaseMessage,
    Promise,
    Propose,
    Refuse,
    Release,
)
from ha_monitor.model import Ballot, Cause
from ha_monitor.timebase import MS

__all__ = [
    "Arm",
    "Denied",
    "Ended",
    "LeaseSeeker",
    "Output",
    "Phase",
    "Prepared",
    "Renewed",
    "Say",
    "SendingNumbers",
    "Standing",
    "Won",
]


class LeaseSeeker(LeaseRules):
    """Seeks, holds and lets go of one group's Lease."""

    # becoming the Owner

    def seek(self, at_ns: int) -> list[Output]:
        """Begin: ASK every voter. Nothing while already busy."""
        if self.phase is not Phase.IDLE:
            return self.expire(at_ns)
        self.phase = Phase.ASKING
        self._poll = Poll()
        self._ask_once_more_ns = None
        return self._ask_all()

    def reclaim(self, at_ns: int) -> list[Output]:
        """A restarted core whose own Node's Lease is still known PREPAREs at once, without ASK."""
        return self._prepare(at_ns) if self.phase is Phase.IDLE else []

    def resume(self, at_ns: int) -> list[Output]:
        """After `Prepared`: the addresses are there, closed; go on to arm."""
        if self.phase is not Phase.PREPARED:
            return []
        self.phase = Phase.PROPOSING
        return self._arm(at_ns)

    def armed(self, sending: int, is_armed: bool, at_ns: int) -> list[Output]:
        """The kernel answered; ``at_ns`` was read after that: the Lease begins there if this one wins."""
        outputs = self.expire(at_ns)
        if sending != self._arming or self._bid is None:
            return outputs
        self._arming = 0
        if not is_armed:
            # Without the kernel's word there is no Lease to be had; one already held runs on.
            return outputs + (self._deny(at_ns, -1) if self.phase is Phase.PROPOSING else [])
        bid, targets = self._bid, self._targets(self._bid)
        self._sendings[sending] = Sending(bid.ballot, at_ns, targets)
        return outputs + [
            Say(v, Propose(self.group, bid.ballot, sending, incarnation, self.hold_ns))
            for v, incarnation in targets.items()
        ]

    def give_up(self, at_ns: int) -> list[Output]:
        """Stop being a candidate: a stranger has the address, or no longer eligible. Nothing while HELD."""
        if self.phase is not Phase.HELD:
            self._forget()
            self.ask_again_ns = at_ns + self._part_of_a_beat()
        return []

    # answers

    def receive(self, sender: int, message: LeaseMessage, at_ns: int) -> list[Output]:
        """Take a voter's answer; what is due comes first."""
        outputs = self.expire(at_ns)
        if message.group != self.group or sender not in self.voters:
            return outputs
        if isinstance(message, Asked):
            return outputs + self._take_asked(sender, message, at_ns)
        if isinstance(message, Promise):
            return outputs + self._take_promise(sender, message, at_ns)
        if isinstance(message, Refuse):
            return outputs + self._take_refuse(sender, message, at_ns)
        if isinstance(message, Accept):
            return outputs + self._take_accept(sender, message, at_ns)
        return outputs

    def _take_asked(self, sender: int, message: Asked, at_ns: int) -> list[Output]:
        self.hear_release(message.released)
        self.hear_ballot(message.epoch)
        self._poll.answers[sender] = message, at_ns
        if self.phase is Phase.ASKING:
            return self._judge_asked(at_ns)
        if self._bid is not None and message.answer is Answer.ABSTAIN:
            self._note_other(self._bid, sender, message)
            return self._judge_bid(at_ns)
        return []

    def _judge_asked(self, at_ns: int) -> list[Output]:
        self._poll.forget_due(self.node, at_ns)
        votes, opens = self._poll.open_to(self.node), self._poll.others_open_ns(self.node)
        if self._is_majority(votes):
            return self._prepare(at_ns)
        known = self._poll.answers.keys() | self._standing.given
        silent = len(self.voters) - len(known)  # may be open for all we know
        needed = max(1, self.majority - len(self._with_given(votes)) - silent)
        until_ns = max(opens[needed - 1], at_ns + MS) if opens else None
        if until_ns is None or len(opens) <= len(self.voters) - self.majority:
            self._ask_once_more_ns = until_ns
            return []
        held = self._poll.holder(at_ns)
        return self._deny(until_ns, held[0] if held else -1)

    def _take_promise(self, sender: int, message: Promise, at_ns: int) -> list[Output]:
        bid = self._bid
        if bid is None or message.ballot != bid.ballot:
            return []
        bid.promises[sender] = message
        bid.others.pop(sender, None)
        return self._judge_bid(at_ns)

    def _take_refuse(self, sender: int, message: Refuse, at_ns: int) -> list[Output]:
        self.hear_ballot(message.promised)
        bid = self._bid
        if bid is None or message.asked != bid.ballot:
            return []
        self._note_other(bid, sender, message)
        return self._judge_bid(at_ns)

    def _note_other(self, bid: Bid, sender: int, message: Asked | Refuse) -> None:
        bid.promises.pop(sender, None)
        bid.others[sender] = message

    def _judge_bid(self, at_ns: int) -> list[Output]:
        """Go on when a majority is OPEN; a mere candidate gives up when none can come."""
        bid = self._bid
        assert bid is not None, "only an answer to a bid leads here"
        if self._is_majority(self._open_voters(bid)):
            if self.phase is Phase.PREPARING:
                self.phase = Phase.PREPARED
                return [Prepared(bid.ballot)]
            # A held Lease on its way to a higher ballot need not wait for the next beat.
            is_new = self.phase is Phase.HELD and bid.ballot != self.ballot and not self._has_sent(bid)
            return self._arm(at_ns) if is_new and not self._arming else []
        shut = (bid.others.keys() | bid.promises.keys()) - self._with_given(self._open_voters(bid))
        if self.phase is Phase.HELD or len(shut) <= len(self.voters) - self.majority:
            return []
        return self._deny(at_ns + self._part_of_a_beat(), -1)

    def _take_accept(self, sender: int, message: Accept, at_ns: int) -> list[Output]:
        sending = self._sendings.get(message.sending)
        if sending is None or not self._counts(sending, sender, message):
            return []
        sending.accepted.add(sender)
        end_ns = self._lease_end_ns(sending, at_ns)
        if not self._is_majority(self._votes_for(sending)) or end_ns <= max(at_ns, self.end_ns):
            return []
        return self._extend(message.sending, sending.ballot, end_ns, at_ns)

    def _extend(self, number: int, ballot: Ballot, end_ns: int, at_ns: int) -> list[Output]:
        was_held, margin_ns = self.phase is Phase.HELD, self.end_ns - at_ns
        if ballot != self.ballot:
            self._sendings = {n: s for n, s in self._sendings.items() if s.ballot == ballot}
        self.phase, self.ballot, self.end_ns = Phase.HELD, ballot, end_ns
        if was_held:
            return [Renewed(ballot, number, end_ns, margin_ns)]
        self._raised_ns = at_ns
        self.lost = ()
        return [Won(ballot, number, end_ns)]

    # beat by beat

    def beat(self, at_ns: int) -> list[Output]:
        """Once per interval: renew, or repeat what silent voters did not answer."""
        outputs = self.expire(at_ns)
        self._prune(at_ns)
        if self.phase is Phase.ASKING:
            return outputs + self._ask_all()
        if self._bid is None or self.phase is Phase.PREPARED:
            return outputs
        if self.phase is Phase.HELD:
            return outputs + self._renew(self._bid, at_ns)
        if self._is_outbid(self._bid) or at_ns - self._bid.since_ns > self._candidate_max_ns():
            return outputs + self._deny(at_ns + self._part_of_a_beat(), -1)
        outputs += self._prepare_missing(self._bid)
        return outputs + (self._arm(at_ns) if self.phase is Phase.PROPOSING else [])

    def _renew(self, bid: Bid, at_ns: int) -> list[Output]:
        if self._must_raise(bid, at_ns):
            self._raised_ns = at_ns
            return self._bid_higher(at_ns)
        outputs = self._prepare_missing(bid)
        return outputs + (self._arm(at_ns) if self._is_majority(self._open_voters(bid)) else [])

    def _must_raise(self, bid: Bid, at_ns: int) -> bool:
        """A held Lease needs a higher ballot: its majority is lost, or a voter can never come back to it.

        The latter happens to every voter that lost its memory, since its floor is the wall clock's. Once
        per Lease is enough then: a majority still renews. A lost majority asks at each beat.
        """
        if bid.highest_against() < bid.ballot:
            return False
        is_lost = not self._is_majority(self._open_voters(bid)) or self._is_overdue(at_ns)
        return is_lost or at_ns - self._raised_ns >= self.timing.lease_ns

    def _is_outbid(self, bid: Bid) -> bool:
        """No majority, and a higher ballot stands in the way: silent voters are not worth waiting for."""
        return not self._is_majority(self._open_voters(bid)) and bid.highest_against() >= bid.ballot

    def _is_overdue(self, at_ns: int) -> bool:
        """No majority accepted what was sent two beats ago or later."""
        sent_ns = self.end_ns - self.timing.owner_lease_ns
        return at_ns - sent_ns > 2 * self.timing.interval_ns + self.timing.interval_ns // 2

    def _prune(self, at_ns: int) -> None:
        """Forget sendings whose acceptance could not extend anything any more."""
        oldest_ns = at_ns - self.timing.lease_ns
        self._sendings = {n: s for n, s in self._sendings.items() if s.sent_ns >= oldest_ns}

    # the end

    def expire(self, at_ns: int) -> list[Output]:
        """Run what is due: `Ended` when the Lease is over; a voter that should be open now is asked again."""
        if self.deadline_ns is None or at_ns < self.deadline_ns:
            return []
        if self.phase is Phase.ASKING:
            self._ask_once_more_ns = None
            self._poll.forget_due(self.node, at_ns)
            return self._ask_all()
        self.lost = self.releasable()
        self._forget()
        return [Ended(Cause.LEASE_LOST)]

    def release(self, successor: int, cause: Cause, at_ns: int) -> list[Output]:
        """After the addresses are closed: RELEASE to all voters, forget ballot and sendings. No `Ended`."""
        ballots = self.releasable()
        self._forget()
        self.ask_again_ns = at_ns + self._part_of_a_beat()
        for ballot in ballots:
            self.hear_release(ballot)
        return [Say(v, Release(self.group, b, successor, cause)) for b in ballots for v in self.voters]

    def release_lost(self, cause: Cause) -> list[Release]:
        """What may be said once nothing runs here any more that the Lease before allowed. Once."""
        ballots, self.lost = self.lost, ()
        for ballot in ballots:
            self.hear_release(ballot)
        return [Release(self.group, ballot, -1, cause) for ballot in ballots]

    def abandon(self) -> None:
        """Let go of a Lease without a RELEASE: voters hold it to its end."""
        self._forget()

    def hear_higher(self, epoch: Ballot, from_node: int) -> list[Output]:
        """A valid claim of a won Lease: if it is higher and another Node's, this one is over at once."""
        self.hear_ballot(epoch)
        if self.phase is not Phase.HELD or from_node == self.node or epoch <= self.ballot:
            return []
        self.lost = self.releasable()
        self._forget()
        return [Ended(Cause.HIGHER_EPOCH)]

    def hear_ballot(self, ballot: Ballot) -> None:
        """Any ballot seen anywhere: the own next one will be higher."""
        self.counter = max(self.counter, ballot.counter)

    def hear_release(self, ballot: Ballot) -> None:
        """A RELEASE seen: the next ASK carries it to voters that missed it."""
        self.hear_ballot(ballot)
        self.released = max(self.released, ballot)
