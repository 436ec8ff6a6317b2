"""Many seeds, one after the other or on all cores: what each one's world found."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

CHUNK = 4  # seeds that a process takes at once
SEEDS_PER_LIFE = 2000  # after so many a process is replaced, so that nothing piles up over a long run


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
        count += 1
        found = play_world(make(seed))
        events += found.events
        if found.broken:
            return Outcome(count, events, found.broken)
    return Outcome(count, events)


def play_world(world: World) -> Outcome:
    """Play one world to its end."""
    # A world is full of cycles that live as long as it does: looking for garbage meanwhile finds nothing.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        world.play()
    except AssertionError as broken:
        return Outcome(1, world.events, str(broken))
    finally:
        if was_enabled:
            gc.enable()
    return Outcome(1, world.events)


J = TypeVar("J")


def play_all(play: Callable[[J], Outcome], jobs: Iterable[J], processes: int) -> Iterator[Outcome]:
    """The outcome of each job, in the order of the jobs, from so many processes at once."""
    if processes <= 1:
        yield from map(play, jobs)
        return
    context = multiprocessing.get_context("fork")
    with context.Pool(processes, maxtasksperchild=SEEDS_PER_LIFE // CHUNK) as pool:
        yield from pool.imap(play, jobs, CHUNK)
