"""Which runs are still to be played, and in which order. Pure.

Round by round: every cell is played once before any is played twice, and within a round the
programs take turns, so that whatever disturbs the machine for a while disturbs all of them alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ha_monitor.lab.compare.cells import DEAD_S, PROGRAMS, TIMING_ORDER, Cell
from ha_monitor.lab.peers.program import DEFAULT


@dataclass(frozen=True)
class Wanted:
    """How many runs of each cell; defaults of slow programs are worth fewer."""

    matched: int = 5
    at_default: int = 3

    def of(self, cell: Cell) -> int:
        """The number of runs of one cell."""
        return self.at_default if cell.timing == DEFAULT else self.matched


@dataclass(frozen=True)
class Block:
    """Runs that one start of one program serves: one of each of these faults."""

    program: str
    timing: str
    number: int
    rows: tuple[str, ...]


def blocks(wanted: Wanted, cells: Iterable[Cell], played: Mapping[Cell, set[int]]) -> Iterator[Block]:
    """What is missing, the first round first. ``played``: the numbers of the runs that are there."""
    every = list(cells)
    for number in range(1, max(wanted.matched, wanted.at_default) + 1):
        missing = [c for c in every if number <= wanted.of(c) and number not in played.get(c, set())]
        for timing in TIMING_ORDER:
            for program in _in_turn(number):
                rows = tuple(c.row for c in missing if (c.program, c.timing) == (program, timing))
                if rows:
                    yield Block(program, timing, number, rows)


def _in_turn(number: int) -> list[str]:
    """Another program begins in each round."""
    first = (number - 1) % len(PROGRAMS)
    return [*PROGRAMS[first:], *PROGRAMS[:first]]


def guessed_s(cell: Cell, took_s: Iterable[float]) -> float:
    """How long a run of this cell will take: as its longest so far, or a guess."""
    return max(took_s, default=20.0 + 4 * DEAD_S[cell.program][cell.timing])


def remaining_s(
    wanted: Wanted, cells: Iterable[Cell], played: Mapping[Cell, set[int]], took_s: Mapping[Cell, list[float]]
) -> float:
    """How long everything that is missing will take, without the starts."""
    todo = {cell: set(range(1, wanted.of(cell) + 1)) - played.get(cell, set()) for cell in cells}
    return sum(guessed_s(cell, took_s.get(cell, ())) * len(numbers) for cell, numbers in todo.items())
