"""From a seed that breaks to the few faults that it takes: delta debugging over the seed's explicit list.

A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ha_monitor.sim.faults import Fault
from ha_monitor.sim.swarm import World, play_world

PLAYS_MAX = 150


class FaultyWorld(World, Protocol):
    """A world whose faults are an explicit list."""

    faults: tuple[Fault, ...]
    lines: list[str]


@dataclass(frozen=True)
class Shrunk:
    """What it takes. ``lines``: the faults as they happened; ``broken``: what they break."""

    only: tuple[int, ...]
    of: int
    plays: int
    broken: str
    lines: tuple[str, ...]


def shrink(make: Callable[[Sequence[int] | None], FaultyWorld], plays_max: int = PLAYS_MAX) -> Shrunk:
    """Leave out as many faults as possible so that the same check still breaks."""
    return _Shrinker(make, plays_max).run()


class _Shrinker:
    def __init__(self, make: Callable[[Sequence[int] | None], FaultyWorld], plays_max: int) -> None:
        self._make = make
        self._left = plays_max
        self._plays = 0
        self._kind = ""
        self._best: tuple[int, ...] = ()
        self._broken = ""
        self._lines: tuple[str, ...] = ()

    def run(self) -> Shrunk:
        """Halves, then quarters, then single faults."""
        world = self._make(None)
        everything = tuple(fault.number for fault in world.faults)
        found = self._try_world(world, everything)
        assert found, "a seed that breaks nothing cannot be shrunk"
        parts = 2
        while len(self._best) > 1 and self._plays < self._left:
            if self._leave_out_a_part(parts):
                parts = max(2, parts - 1)
            elif parts >= len(self._best):
                break
            else:
                parts = min(len(self._best), 2 * parts)
        if len(self._best) == 1:
            self._try(())
        return Shrunk(self._best, len(everything), self._plays, self._broken, self._lines)

    def _leave_out_a_part(self, parts: int) -> bool:
        size = -(-len(self._best) // parts)
        for start in range(0, len(self._best), size):
            rest = self._best[:start] + self._best[start + size :]
            if self._plays >= self._left:
                return False
            if self._try(rest):
                return True
        return False

    def _try(self, only: tuple[int, ...]) -> bool:
        return self._try_world(self._make(only), only)

    def _try_world(self, world: FaultyWorld, only: tuple[int, ...]) -> bool:
        self._plays += 1
        outcome = play_world(world)
        if not outcome.broken or (self._kind and outcome.kind != self._kind):
            return False
        self._kind, self._broken, self._lines = outcome.kind, outcome.broken, tuple(world.lines)
        happened = {fault.number for fault in world.faults[: len(world.lines)]}
        self._best = tuple(number for number in only if number in happened)
        return True
