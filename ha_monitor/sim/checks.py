"""What must hold after each event of a simulated world, and what must come true once it is quiet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ha_monitor.model import Ballot


class SafetyBroken(AssertionError):
    """Two Owners, or an Epoch that fell."""


class LivenessBroken(AssertionError):
    """The world is quiet and a group has no Owner."""


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


def check_owner_everywhere(answering: Mapping[str, Sequence[str]]) -> None:
    """Each group is answered for by exactly one host."""
    for group, hosts in answering.items():
        if len(hosts) != 1:
            raise LivenessBroken(f"{group}: {len(hosts)} hosts answer although all is quiet")
