"""What must hold after each event of a simulated world, and what must come true once it is quiet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ha_monitor.model import Ballot


class SafetyBroken(AssertionError):
    """Two Owners, or an Epoch that fell."""


class LivenessBroken(AssertionError):
    """The world is quiet and a group has no Owner."""


class RateBroken(AssertionError):
    """Somebody sends without end."""


def check_single_answer(answering: Mapping[str, Sequence[str]]) -> None:
    """At most one host's kernel answers for a group's address."""
    for group, hosts in answering.items():
        if len(hosts) > 1:
            raise SafetyBroken(f"{group}: the kernels of {' and '.join(hosts)} answer at the same instant")


def check_single_lease(holding: Mapping[str, Sequence[str]]) -> None:
    """At most one core holds an unexpired Lease by its own clock, whether it runs or stands still."""
    for group, hosts in holding.items():
        if len(hosts) > 1:
            raise SafetyBroken(f"{group}: {' and '.join(hosts)} hold the Lease at the same instant")


class EpochCheck:
    """Epochs of successive Owners rise."""

    def __init__(self) -> None:
        self._last: dict[str, Ballot] = {}

    def won(self, group: str, epoch: Ballot) -> None:
        """A Lease was won under that Epoch."""
        last = self._last.get(group)
        if last is not None and epoch <= last:
            raise SafetyBroken(f"{group}: Epoch {epoch} was won after {last}")
        self._last[group] = epoch


PACKETS_A_BEAT_MAX = 60  # from one voter to another on one Link: all that came during a stall is answered
PACKETS_A_GROUP_MAX = 15  # more in a beat in which the group changes hands


class RateCheck:
    """Whatever happens, nobody floods a Link."""

    def __init__(self, interval_ns: int, groups: int) -> None:
        self._interval_ns = interval_ns
        self._packets_max = 0
        self.expect(groups)
        self._beat = 0
        self._sent: Counter[tuple[int, int, str]] = Counter()

    def expect(self, groups: int) -> None:
        """So many groups may change hands in one beat from now on, if not more already."""
        self._packets_max = max(self._packets_max, PACKETS_A_BEAT_MAX + groups * PACKETS_A_GROUP_MAX)

    def sent(self, route: tuple[int, int, str], at_ns: int) -> None:
        """One packet from a voter to another over a Link."""
        if at_ns // self._interval_ns != self._beat:
            self._beat = at_ns // self._interval_ns
            self._sent.clear()
        self._sent[route] += 1
        if self._sent[route] > self._packets_max:
            raise RateBroken(
                f"voter {route[0]} sends {route[1]} more than {self._packets_max} packets in a beat"
            )


STEPS_MAX = 20_000  # of a core at one instant; 319 are the most in 120 seeds


def check_comes_to_rest(host: str, steps: int) -> None:
    """Whatever it finds at one instant, a core is done with it some time."""
    if steps > STEPS_MAX:
        raise RateBroken(f"{host}: the core does not come to rest")


def check_owner_everywhere(answering: Mapping[str, Sequence[str]]) -> None:
    """Each group is answered for by exactly one host."""
    for group, hosts in answering.items():
        if len(hosts) != 1:
            raise LivenessBroken(f"{group}: {len(hosts)} hosts answer although all is quiet")
