"""A table with voters around it: carries a seeker's words to VoterSeats and their answers back."""

from ha_monitor.core.leases import Arm, LeaseSeeker, Prepared, Say, SendingNumbers
from ha_monitor.core.voter import VoterSeat
from ha_monitor.messages import Accept, Answer, Asked, Promise
from ha_monitor.model import Timing
from ha_monitor.timebase import SECOND

TIMING = Timing()
T = TIMING.lease_ns
BEAT = TIMING.interval_ns
OWNER_T = TIMING.owner_lease_ns

AT = 50 * SECOND


def seats(count=3, **changes):
    settings = {"abstain_until_ns": 0, "floor_counter": 0, "longest_hold_ns": T}
    return [VoterSeat(i, 100 + i, **{**settings, **changes}) for i in range(count)]


def seeker(node=0, incarnation=1, floor=0, kind=LeaseSeeker, numbers=None):
    return kind("www", node, incarnation, (0, 1, 2), TIMING, floor, numbers or SendingNumbers())


class Table:
    """Delivers at once to the voters in ``hears``; keeps all that was said and all that came back."""

    def __init__(self, voters=None, hears=(0, 1, 2)):
        self.voters = voters or seats()
        self.hears = set(hears)
        self.said = []
        self.answers = []

    def play(self, candidate, outputs, at_ns):
        """Carry out everything until nobody has a word left; returns what only the caller could do."""
        queue, left = list(outputs), []
        while queue:
            output = queue.pop(0)
            if isinstance(output, Say):
                queue += self._deliver(candidate, output, at_ns)
            elif isinstance(output, Arm):
                queue += candidate.armed(output.sending, True, at_ns)
            elif isinstance(output, Prepared):
                queue += candidate.resume(at_ns)
            else:
                left.append(output)
        return left

    def _deliver(self, candidate, say, at_ns):
        self.said.append(say)
        if say.voter not in self.hears:
            return []
        answer = self.voters[say.voter].answer(candidate.node, say.message, at_ns)
        if answer is None:
            return []
        self.answers.append((say.voter, answer))
        return candidate.receive(say.voter, answer, at_ns)

    def win(self, candidate, at_ns=SECOND):
        return self.play(candidate, candidate.seek(at_ns), at_ns)


def said(outputs, kind):
    """The messages of that kind."""
    return [o for o in outputs if isinstance(o, Say) and isinstance(o.message, kind)]


def opened(candidate, at_ns=AT):
    """Two voters say OPEN: on to PREPARE."""
    candidate.seek(at_ns)
    candidate.receive(0, Asked("www", Answer.OPEN), at_ns)
    return candidate.receive(2, Asked("www", Answer.OPEN), at_ns)


def proposing(candidate, at_ns=AT):
    """Promised OPEN by voters 0 and 2, armed and sent at ``at_ns``; returns ballot and sending."""
    ballot = opened(candidate, at_ns)[0].message.ballot
    candidate.receive(0, Promise("www", ballot, 100, True), at_ns)
    assert candidate.receive(2, Promise("www", ballot, 102, True), at_ns) == [Prepared(ballot)]
    (arm,) = candidate.resume(at_ns)
    candidate.armed(arm.sending, True, at_ns)
    return ballot, arm.sending


def accept(candidate, voter, ballot, sending, at_ns, life=None):
    """A voter's ACCEPT arrives."""
    return candidate.receive(voter, Accept("www", ballot, sending, life or 100 + voter), at_ns)


def owner(table=None, at_ns=AT):
    """Pub2 owns it."""
    table, holder = table or Table(), seeker()
    assert table.win(holder, at_ns)
    return table, holder
