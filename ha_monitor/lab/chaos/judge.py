"""Holds what the observers, the journals, the sink and the strikes say against each other, round by round."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ha_monitor.lab.chaos import ledger, moves
from ha_monitor.lab.chaos.ledger import Journaled, Told
from ha_monitor.lab.chaos.moves import InForce
from ha_monitor.lab.chaos.record import Record
from ha_monitor.lab.chaos.spans import Change
from ha_monitor.lab.chaos.watch import Watch

UNEXPECTED = "UNEXPECTED"


@dataclass
class Verdict:
    """What is counted, and everything that was wrong in sentences."""

    faults: int = 0
    double_observer_ns: int = 0
    double_kernel_ns: int = 0
    lost_transitions: int = 0
    unexpected_takeovers: int = 0
    beside_stalls: int = 0
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, int]:
        """The five figures; a part of a millisecond of double ownership is one."""
        return {
            "faults": self.faults,
            "double_ms_observer": -(-self.double_observer_ns // 1_000_000),
            "double_ms_kernel": -(-self.double_kernel_ns // 1_000_000),
            "lost_transitions": self.lost_transitions,
            "unexpected_takeovers": self.unexpected_takeovers,
        }

    @property
    def exit_code(self) -> int:
        """0 only when nothing at all was wrong."""
        counted = [value for key, value in self.as_json().items() if key != "faults"]
        return 1 if any(counted) or self.problems else 0


class Judge:
    """Judges the time since it judged last. ``failback``: group and the Node it goes back to."""

    def __init__(self, watch: Watch, record: Record, lease_ns: int, failback: Mapping[str, str]) -> None:
        self._watch, self._record = watch, record
        self._lease_ns, self._failback = lease_ns, failback
        self._from_ns = time.monotonic_ns()
        self._judged: set[str] = set()
        self._journal: list[Journaled] = []
        self.verdict = Verdict()

    def forget(self, told: Sequence[Told]) -> None:
        """What moved before this run is not judged."""
        self._judged |= {one.ident for one in told}

    def journal(self, entries: Sequence[Journaled]) -> None:
        """Daemons wrote these down; the sink must get them."""
        self._journal += entries

    def is_owed(self, told: Sequence[Told], struck: ledger.Struck, until_ns: int) -> bool:
        """Whether the sink has not got everything yet that was written down, or seen until a moment."""
        if ledger.missing_of_journal(self._journal, told, struck):
            return True
        return any(
            ledger.missing_of_observer(group, seen.probe.changes(self._from_ns, until_ns), told, struck)
            for group, seen in self._watch.groups.items()
        )

    def judge(
        self, told: Sequence[Told], faults: Sequence[InForce], struck: ledger.Struck, until_ns: int
    ) -> dict[str, Any]:
        """Judge up to a moment that the observers have written down; for the record of the round."""
        seen = {group: self._group(group, told, struck, until_ns) for group in self._watch.groups}
        lost = ledger.missing_of_journal(self._journal, told, struck)
        for entry in lost:
            self._wrong(f"lost: {entry.host} wrote down a transition that never arrived: {entry.sentence}")
        self.verdict.lost_transitions += len(lost)
        self._journal = []
        moved = self._moves(told, faults)
        self._from_ns = until_ns
        return {"groups": seen, "moves": moved, "lost": [entry.sentence for entry in lost]}

    def problem(self, text: str) -> None:
        """Something else that must not be: it makes the run fail."""
        self._wrong(text)
        self.verdict.problems.append(text)

    def _group(
        self, group: str, told: Sequence[Told], struck: ledger.Struck, until_ns: int
    ) -> dict[str, Any]:
        seen, from_ns = self._watch.groups[group], self._from_ns
        changes = seen.probe.changes(from_ns, until_ns)
        missing = ledger.missing_of_observer(group, changes, told, struck)
        recorded = [*told, *map(ledger.as_told, self._journal)]
        untold = ledger.missing_of_observer(group, changes, recorded, struck)
        known = [change for change in changes if change not in untold]
        observer_ns = seen.probe.double_ns(from_ns, until_ns, known)
        kernel_ns = seen.kernel.double_ns(from_ns, until_ns)
        for change in missing:
            self._wrong(f"lost: {group} went from {change.old} to {change.new} and the sink was told nothing")
        if observer_ns or kernel_ns:
            both = f"{observer_ns / 1e6:.1f} ms by the observer, {kernel_ns / 1e6:.1f} ms by the kernels"
            self._wrong(f"double: {group} was served twice for {both}")
        self.verdict.lost_transitions += len(missing)
        self.verdict.double_observer_ns += observer_ns
        self.verdict.double_kernel_ns += kernel_ns
        return {
            "changes": [self._plain(change) for change in changes],
            "untold": len(missing),
            "outage_ms": round(seen.probe.longest_gap_ns(from_ns, until_ns) / 1e6),
            "double_observer_ms": round(observer_ns / 1e6, 1),
            "double_kernel_ms": round(kernel_ns / 1e6, 1),
        }

    def _plain(self, change: Change) -> list[Any]:
        times = [self._record.since_s(at_ns) for at_ns in (change.last_ns, change.first_ns)]
        return [change.old, change.new, *times]

    def _moves(self, told: Sequence[Told], faults: Sequence[InForce]) -> list[dict[str, Any]]:
        found = []
        for one in told:
            if one.ident in self._judged:
                continue
            self._judged.add(one.ident)
            if one.group in self._watch.groups:
                found.append(self._move(one, faults))
        return found

    def _move(self, one: Told, faults: Sequence[InForce]) -> dict[str, Any]:
        plain = {
            "at_s": self._record.since_s(one.at_ns), "group": one.group, "from": one.old, "to": one.new,
            "cause": one.cause, "arrived_s": self._record.since_s(one.arrived_ns),
        }  # fmt: skip
        if not moves.is_a_move(one):
            return {**plain, "why": "no move"}
        if why := moves.explanation(one, faults, self._failback):
            return {**plain, "why": why}
        if stall := moves.excuse(one, self._watch.stalls, self._lease_ns):
            self.verdict.beside_stalls += 1
            self._record.note("beside a stall", sentence=one.sentence, stall=stall)
            return {**plain, "why": f"beside a stall: {stall}"}
        self.verdict.unexpected_takeovers += 1
        self._wrong(f"unexpected: {one.cause}: {one.sentence}")
        return {**plain, "why": UNEXPECTED}

    def _wrong(self, text: str) -> None:
        self._record.note("WRONG", text=text)
