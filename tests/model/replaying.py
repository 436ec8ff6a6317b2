"""Plays what the model said on the real VoterSeat and LeaseSeeker, and compares every answer.

Each voter and each core has a clock of its own, which stands still until the model says that its time is
over: nobody compares clocks, so nothing else may matter.
"""

from __future__ import annotations

import re

from ha_monitor.core.leases import Arm, Ended, LeaseSeeker, Phase, Prepared, Renewed, Say, Won
from ha_monitor.core.voter import VoterSeat
from ha_monitor.messages import Accept, Answer, Asked, Prepare, Promise, Propose, Refuse, Release
from ha_monitor.model import Ballot, Cause, Timing
from ha_monitor.timebase import SECOND

GROUP = "www"
TIMING = Timing()
VOTERS = (0, 1, 2)


class Differs(AssertionError):
    """The code does something else than the model said."""


class Replay:
    """The real code, driven line by line. ``played``: how many lines of each kind."""

    def __init__(self, seat=VoterSeat, seeker=LeaseSeeker, abstains=True):
        self.seat_class, self.seeker_class, self.abstains = seat, seeker, abstains
        self.lives = 0
        self.clocks = {("voter", i): 1000 * SECOND for i in VOTERS} | {
            ("node", i): 1000 * SECOND for i in (0, 1)
        }
        self.seats = [self._new_seat(i, 0) for i in VOTERS]
        self.seekers = [self._new_seeker(i) for i in (0, 1)]
        self.ballots: dict[int, Ballot] = {}
        self.promises: dict[tuple[int, int], Promise] = {}
        self.sendings: dict[tuple[int, int], int] = {}
        self.proposals: dict[tuple[int, int, int], Propose] = {}
        self.accepts: dict[tuple[int, int, int], Accept] = {}
        self.releases: dict[int, Release] = {}
        self.played: dict[str, int] = {}

    def play(self, lines):
        """Raise Differs at the first line on which code and model differ."""
        for number, line in enumerate(lines):
            try:
                self._play(line)
            except (Differs, KeyError) as differs:
                raise Differs(f"line {number}: {line}: {differs!r}") from differs

    def _play(self, line):
        told, _, answer = line.partition(" -> ")
        word = told.split()[0]
        values = {name: int(value) for name, value in re.findall(r"([a-z]+) (\d+)", told)}
        kind = f"{word} {answer.split()[0]}" if answer else word
        self.played[kind] = self.played.get(kind, 0) + 1
        handler = getattr(self, f"_{word.lower()}")
        handler(values, answer) if answer else handler(values)

    # Voters

    def _prepare(self, told, answer):
        voter, number = told["voter"], told["ballot"]
        ballot = self.ballots[number]
        reply = self._answer(voter, Prepare(GROUP, ballot))
        self._compare(answer, reply)
        if isinstance(reply, Promise):
            self.promises[number, voter] = reply

    def _propose(self, told, answer):
        key = told["ballot"], told["sending"], told["voter"]
        reply = self._answer(told["voter"], self.proposals[key])
        self._compare(answer, reply)
        if isinstance(reply, Accept):
            self.accepts[key] = reply

    _stale = _propose  # names a life of the voter that is over

    def _release(self, told):
        self._answer(told["voter"], self.releases[told["ballot"]])

    def _time(self, told):
        voter = told["voter"]
        seat = self.seats[voter]
        grant = seat.memory(GROUP).accepted
        until_ns = seat.abstain_until_ns if told["abstained"] else grant.expires_ns if grant else 0
        self._expect(until_ns > self.clocks["voter", voter], "nothing runs out here")
        self.clocks["voter", voter] = until_ns
        self._expect(seat.memory(GROUP).granted(until_ns) is None, "still granted")
        self._expect(not seat.is_abstaining(until_ns), "still abstaining")

    def _forget(self, told):
        voter = told["voter"]
        at_ns = self._tick("voter", voter)
        self.seats[voter] = self._new_seat(voter, at_ns + TIMING.lease_ns if self.abstains else 0)
        if voter < len(self.seekers):
            self.seekers[voter] = self._new_seeker(voter)

    def _answer(self, voter, message):
        at_ns = self._tick("voter", voter)
        return self.seats[voter].answer(message.ballot.node, message, at_ns)

    def _compare(self, answer, reply):
        words = answer.split()
        expected = {"PROMISE": Promise, "ACCEPT": Accept, "REFUSE": Refuse, "ABSTAIN": Asked}
        if words[0] == "NOTHING":
            self._expect(reply is None, f"answers {reply}")
            return
        self._expect(isinstance(reply, expected[words[0]]), f"answers {reply}")
        if isinstance(reply, Promise):
            self._expect(reply.is_open == bool(int(words[2])), f"answers {reply}")
        if isinstance(reply, Asked):
            self._expect(reply.answer is Answer.ABSTAIN, f"answers {reply}")

    # Cores

    def _bid(self, told):
        node, number = told["node"], told["ballot"]
        seeker, at_ns = self.seekers[node], self._tick("node", node)
        if seeker.phase is Phase.HELD:
            outputs = self._raise(seeker, number, at_ns)
        else:
            seeker.give_up(at_ns)
            seeker.counter = number - 1
            outputs = seeker.reclaim(at_ns)
        asked = {output.voter for output in outputs if isinstance(output, Say)}
        self.ballots[number] = Ballot(number, node, seeker.incarnation)
        said = {output.message for output in outputs if isinstance(output, Say)}
        self._expect(asked == set(VOTERS), f"asks {asked}")
        self._expect(said == {Prepare(GROUP, self.ballots[number])}, f"says {said}")

    def _raise(self, seeker, number, at_ns):
        """A held Lease whose majority is lost asks for a higher ballot at its next beat."""
        asked = seeker._bid.ballot
        for voter in VOTERS:
            seeker.receive(voter, Refuse(GROUP, asked, Ballot(number - 1, 9, 9)), at_ns)
        return seeker.beat(at_ns)

    def _send(self, told):
        node, number, sending = told["node"], told["ballot"], told["sending"]
        seeker, at_ns = self.seekers[node], self._tick("node", node)
        to = {voter for voter in VOTERS if told["to"] >> voter & 1}
        outputs = [
            output
            for voter in sorted(to)
            if seeker._bid.promises.get(voter) != self.promises[number, voter]
            for output in seeker.receive(voter, self.promises[number, voter], at_ns)
        ]
        if seeker.phase is Phase.PREPARED:
            self._expect(any(isinstance(o, Prepared) for o in outputs), f"does {outputs}")
            outputs = seeker.resume(at_ns)
        if not any(isinstance(output, Arm) for output in outputs):
            outputs = seeker.beat(at_ns)
        arms = [output for output in outputs if isinstance(output, Arm)]
        self._expect(len(arms) == 1, f"does {outputs}")
        self.sendings[number, sending] = arms[0].sending
        said = seeker.armed(arms[0].sending, True, self._tick("node", node))
        for output in said:
            self.proposals[number, sending, output.voter] = output.message
        self._expect({output.voter for output in said} == to, f"says {said}")

    def _win(self, told):
        node, number, sending = told["node"], told["ballot"], told["sending"]
        seeker, at_ns = self.seekers[node], self._tick("node", node)
        voters = [voter for voter in VOTERS if told["votes"] >> voter & 1]
        outputs = []
        for voter in voters:
            for key in self._accepts_of(number, sending, voter):
                outputs.extend(seeker.receive(voter, self.accepts[key], at_ns))
        kind = Renewed if told["held"] else Won
        self._expect(any(isinstance(o, kind) for o in outputs), f"does {outputs}")
        self._expect(seeker.ballot == self.ballots[number], f"holds {seeker.ballot}")

    def _accepts_of(self, number, sending, voter):
        """That sending's, or, where a planted bug adds them up, what it accepted of another one."""
        keys = [key for key in self.accepts if key[0] == number and key[2] == voter]
        exact = [key for key in keys if key[1] == sending]
        return exact or keys

    def _lapse(self, told):
        seeker = self.seekers[told["node"]]
        self.clocks["node", told["node"]] = seeker.end_ns
        outputs = seeker.expire(seeker.end_ns)
        self._expect(outputs == [Ended(Cause.LEASE_LOST)], f"does {outputs}")

    def _left(self, told):
        """The kernel alone."""

    def _let_go(self, told):
        seeker, at_ns = self.seekers[told["node"]], self._tick("node", told["node"])
        for output in seeker.release(-1, Cause.SWITCHOVER_ORDERED, at_ns):
            self.releases[output.message.ballot.counter] = output.message

    def _goodbye(self, told):
        for ballot in self.seekers[told["node"]].releasable():
            self.releases[ballot.counter] = Release(GROUP, ballot, -1, Cause.DAEMON_DIED)
        self._crash(told)

    def _crash(self, told):
        self.seekers[told["node"]] = self._new_seeker(told["node"])

    # Parts

    def _tick(self, kind, index):
        self.clocks[kind, index] += 10
        return self.clocks[kind, index]

    def _new_seat(self, index, abstain_until_ns):
        self.lives += 1
        return self.seat_class(index, self.lives, abstain_until_ns, 0, TIMING.lease_ns)

    def _new_seeker(self, index):
        self.lives += 1
        return self.seeker_class(GROUP, index, self.lives, VOTERS, TIMING, 0)

    def _expect(self, is_so, what):
        if not is_so:
            raise Differs(what)
