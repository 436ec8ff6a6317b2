"""Many seeds, one after the other: how many until something breaks, and how to play that one again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol


class World(Protocol):
    """What a swarm runs."""

    events: int
    trace: Callable[[str], None] | None

    def play(self) -> None:
        """Raise SafetyBroken or LivenessBroken, naming the seed."""


@dataclass(frozen=True)
class Outcome:
    """What a swarm found. ``broken``: the checker's sentence with seed and command, empty if all held."""

    seeds: int
    events: int
    broken: str = ""


def run_swarm(make: Callable[[int], World], seeds: Iterable[int]) -> Outcome:
    """Run seed by seed until one breaks."""
    count = events = 0
    for seed in seeds:
        world = make(seed)
        count += 1
        try:
            world.play()
        except AssertionError as broken:
            return Outcome(count, events + world.events, str(broken))
        events += world.events
    return Outcome(count, events)
