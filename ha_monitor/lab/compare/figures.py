"""Medians, extremes and ratios of the runs of a cell, and where ours is not ahead. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ha_monitor.lab.compare.cells import OURS, PROGRAMS, ROWS, TITLES, Cell
from ha_monitor.lab.compare.results import Result
from ha_monitor.lab.peers.program import DEFAULT, LAN

# The probe itself stalls for 5 to 15 ms now and then: shorter outages are none.
NOISE_MS = 20.0
# An outage that is longer by less than a tenth is not told apart from an equal one by a few runs.
EQUAL_WITHIN = 1.10

ByCell = Mapping[Cell, Sequence[Result]]


@dataclass(frozen=True)
class Spread:
    """Median and extremes of one length over the runs of a cell, in milliseconds."""

    median: float
    shortest: float
    longest: float

    @classmethod
    def of(cls, lengths: Sequence[float]) -> Spread:
        """Of at least one run."""
        return cls(statistics.median(lengths), min(lengths), max(lengths))

    def __str__(self) -> str:
        if self.longest < NOISE_MS:
            return f"< {NOISE_MS:.0f}"
        return f"{self.median:.0f} [{self.shortest:.0f}..{self.longest:.0f}]"


@dataclass(frozen=True)
class Figures:
    """What the runs of one cell say together."""

    runs: int
    failed: int
    outage: Spread
    missed: Spread
    double_observer: Spread
    double_kernel: Spread
    after_heal: Spread
    moves: float
    not_back: int
    not_at_rest: int

    @property
    def double_ms(self) -> float:
        """The longest double ownership in either view."""
        return max(self.double_observer.longest, self.double_kernel.longest)


def figures(results: Sequence[Result]) -> Figures | None:
    """Of all runs that could be played; None when there is none."""
    played = [result for result in results if not result.error]
    if not played:
        return None
    return Figures(
        runs=len(played),
        failed=len(results) - len(played),
        outage=Spread.of([result.outage_ms for result in played]),
        missed=Spread.of([result.missed_ms for result in played]),
        double_observer=Spread.of([result.double_ms_observer for result in played]),
        double_kernel=Spread.of([result.double_ms_kernel for result in played]),
        after_heal=Spread.of([result.after_heal_outage_ms for result in played]),
        moves=statistics.median(result.moves for result in played),
        not_back=sum(not result.recovered for result in played),
        not_at_rest=sum(not result.rested for result in played),
    )


def ratio(ours: Figures, theirs: Figures) -> float:
    """Our median outage divided by theirs; what is below the noise counts as the noise."""
    return max(ours.outage.median, NOISE_MS) / max(theirs.outage.median, NOISE_MS)


def ours_beside(timing: str) -> str:
    """The timing at which ours stands beside the others: its default is `lan`."""
    return LAN if timing == DEFAULT else timing


@dataclass(frozen=True)
class Behind:
    """One cell in which ours has the longer outage."""

    row: str
    timing: str
    program: str
    ours_ms: float
    theirs_ms: float
    theirs_double_ms: float

    @property
    def had_two_owners(self) -> bool:
        """Whether the other program was ahead at the price of two Owners in any run."""
        return self.theirs_double_ms >= NOISE_MS

    def __str__(self) -> str:
        double = f", two Owners for {self.theirs_double_ms:.0f}" if self.had_two_owners else ""
        return f"{TITLES[self.program]} {self.theirs_ms:.0f}{double}"


def behind(by_cell: ByCell, timing: str) -> list[Behind]:
    """Every cell of a timing in which another program's median outage is shorter than ours."""
    found = []
    for row in ROWS:
        ours = figures(by_cell.get(Cell(OURS, ours_beside(timing), row), ()))
        for program in PROGRAMS[1:]:
            theirs = figures(by_cell.get(Cell(program, timing, row), ()))
            if ours and theirs and ratio(ours, theirs) > EQUAL_WITHIN:
                its = theirs.outage.median, theirs.double_ms
                found.append(Behind(row, timing, program, ours.outage.median, *its))
    return found
