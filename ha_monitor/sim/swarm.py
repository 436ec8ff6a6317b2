"""Many seeds, one after the other or on all cores: what each one's world found."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from ha_monitor.timebase import SECOND

TAKEOVERS, TAKEOVERS_EXCLUSIVE = "takeovers", "takeovers of exclusive groups"
FENCES, SLEEPS = "fences", "sleeps of whole machines"
PLAYED = (TAKEOVERS, TAKEOVERS_EXCLUSIVE, FENCES, SLEEPS)


@dataclass(frozen=True)
class Window:
    """A machine that woke up answered so long beside another one. ``is_clear``: no fault was in the way."""

    length_ns: int
    interval_ns: int
    is_clear: bool


class World(Protocol):
    """What a swarm runs."""

    seed: int
    events: int
    counts: Counter[str]
    windows: list[Window]
    trace: Callable[[str], None] | None

    @property
    def now_ns(self) -> int:
        """True time."""
        ...

    def play(self) -> None:
        """Raise an AssertionError that says what broke."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What a swarm found. ``broken``: the checker's sentence, "" if all held; ``kind``: its sort of check.

    ``counts``: what was played, by the names in PLAYED. ``windows``: of machines that slept as a whole.
    """

    seeds: int
    events: int
    broken: str = ""
    kind: str = ""
    seed: int = -1  # the last one that was played
    counts: Mapping[str, int] = field(default_factory=dict)
    windows: tuple[Window, ...] = ()


def run_swarm(make: Callable[[int], World], seeds: Iterable[int]) -> Outcome:
    """Run seed by seed until one breaks."""
    count = events = 0
    for seed in seeds:
        count += 1
        found = play_world(make(seed))
        events += found.events
        if found.broken:
            return replace(found, seeds=count, events=events)
    return Outcome(count, events)


def play_world(world: World) -> Outcome:
    """Play one world to its end."""
    # A world is full of cycles that live as long as it does: looking for garbage meanwhile finds nothing.
    was_enabled = gc.isenabled()
    gc.disable()
    sentence = kind = ""
    try:
        world.play()
    except AssertionError as broken:
        when = f"seed {world.seed}, event {world.events}, {world.now_ns / SECOND:.6f} s"
        sentence, kind = f"{when}: {broken}", type(broken).__name__
    finally:
        if was_enabled:
            gc.enable()
    return Outcome(1, world.events, sentence, kind, world.seed, world.counts, tuple(world.windows))
