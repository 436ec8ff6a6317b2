"""Was every change of Owner told? Daemons' journals and observers on one side, the sink on the other. Pure.

Times are nanoseconds of the machine's monotonic clock.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ha_monitor.lab.chaos.spans import Change

# How far the stamp of a transition may lie from what an observer saw: an address is opened some
# milliseconds before the first probe finds its way to it, more when the machine is busy.
BEFORE_NS = 1_500_000_000
AFTER_NS = 400_000_000
# A Node that loses its power so soon after a takeover has no record of it on disk yet, and one whose
# core dies while the group still starts has none at all: a Takeover is told when it is complete. The
# next Owner tells the way from it. (docs/architecture.md; runtime/transitions.py)
SOON_NS = 1_000_000_000
# An address answers while the rest of the group starts; when that fails, it is told after this at the latest.
FAILED_START_NS = 5_000_000_000

_LINE = re.compile(r"group (\S+): (\S+) -> (\S+) \(([a-z-]+)(?:, \d+ ms)?\): (.*)")


@dataclass(frozen=True)
class Told:
    """One transition as it reached the sink, once for each ident."""

    ident: str
    group: str
    old: str
    new: str
    cause: str
    sentence: str
    at_ns: int
    arrived_ns: int
    start_ns: int = 0  # how long the start took, during which the address was open already


@dataclass(frozen=True)
class Journaled:
    """One transition as a daemon wrote it to its own journal; ``seen_ns``: when it was read there."""

    host: str
    group: str
    old: str
    new: str
    cause: str
    sentence: str
    seen_ns: int


def journal_line(host: str, line: str, seen_ns: int) -> Journaled | None:
    """The transition that a line of a daemon's log tells, or None."""
    if (found := _LINE.search(line)) is None:
        return None
    group, old, new, cause, sentence = found.groups()
    old, new = ("" if name == "nobody" else name for name in (old, new))
    return Journaled(host, group, old, new, cause, sentence, seen_ns)


def as_told(entry: Journaled) -> Told:
    """A daemon's own record, where it matters only that there is one."""
    return Told(
        "", entry.group, entry.old, entry.new, entry.cause, entry.sentence, entry.seen_ns, entry.seen_ns
    )


WasStruck = Callable[[str, int, int], bool]  # host, from, until: was it, in between?


class Struck(NamedTuple):
    """What took records with it: of the power, or of the disk; and what killed or stopped a core."""

    power: WasStruck
    core: WasStruck


def missing_of_journal(written: Sequence[Journaled], told: Sequence[Told], struck: Struck) -> list[Journaled]:
    """What daemons wrote down and the sink never got."""
    left = Counter((t.group, t.sentence) for t in told)
    lost = []
    for entry in written:
        key = entry.group, entry.sentence
        if left[key]:
            left[key] -= 1
        elif not _is_told_by_next(entry.group, entry.host, entry.seen_ns, told, struck.power):
            lost.append(entry)
    return lost


def missing_of_observer(
    group: str, changes: Iterable[Change], told: Sequence[Told], struck: Struck
) -> list[Change]:
    """Changes that the outside observer saw and of which the sink was told nothing."""
    return [
        change
        for change in changes
        if not is_told(group, change, told)
        and not _is_told_by_next(group, change.new, change.first_ns, told, struck.core)
    ]


def is_told(group: str, change: Change, told: Iterable[Told]) -> bool:
    """Whether a transition says that the new host became the Owner at about that time, or failed to start.

    By its stamp, or by its arrival: the wall clock that stamped it may have been set.
    """
    earliest, latest = change.last_ns - BEFORE_NS, change.first_ns + AFTER_NS

    def says_so(one: Told) -> bool:
        until_ns = latest + one.start_ns
        if one.cause == "start-failed" and one.old == change.new:
            until_ns = latest + FAILED_START_NS
        elif one.new != change.new:
            return False
        return any(earliest <= at_ns <= until_ns for at_ns in (one.at_ns, one.arrived_ns))

    return any(says_so(one) for one in told if one.group == group)


def _is_told_by_next(group: str, host: str, at_ns: int, told: Sequence[Told], was_struck: WasStruck) -> bool:
    if not was_struck(host, at_ns - SOON_NS, at_ns + SOON_NS):
        return False
    later = sorted((t for t in told if t.group == group and t.at_ns > at_ns), key=lambda t: t.at_ns)
    return bool(later) and host in (later[0].old, later[0].new)
