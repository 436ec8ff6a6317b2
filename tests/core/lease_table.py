"""A table with voters around it: carries a seeker's words to VoterSeats and their answers back."""

from ha_monitor.core.leases import Arm, LeaseSeeker, Prepared, Say, SendingNumbers
from ha_monitor.core.voter import VoterSeat
from ha_monitor.model import Timing
from ha_monitor.timebase import SECOND

TIMING = Timing()
T = TIMING.lease_ns
BEAT = TIMING.interval_ns
OWNER_T = TIMING.owner_lease_ns


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
