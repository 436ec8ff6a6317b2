"""Exhaustive exploration: every state that a small world can reach within so many choices from some roots.

Breadth first, so that the first path to a violation is a shortest one. No state is visited twice: states
are told apart by their canonical form (explore_freeze).
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ha_monitor.errors import UsageError
from ha_monitor.model import NO_BALLOT
from ha_monitor.sim.explore_moves import Broken, after_step, choices, follow, stall
from ha_monitor.sim.explore_plants import EXPLORE_PLANTS, SOUND, Bounds, Budget, ExplorePlant
from ha_monitor.sim.explore_telling import told
from ha_monitor.sim.explore_world import Choice, Machines, State, small_config
from ha_monitor.sim.processes import in_processes

VIOLATIONS_KEPT = 5  # of each root, with their paths

# Where exploring begins: how the world came there from the first power-on.
ROOTS: Mapping[str, tuple[str, ...]] = {
    "apart": ("start all", *["calm round"] * 6, *["round with the Nodes apart"] * 4),
    "served": ("start all", *["calm round"] * 6),
    "start": ("start all",),
    "silent": ("start all", *["calm round"] * 6, *["round without pub2"] * 2),
    "stalled": ("start all", *["calm round"] * 6, "stall before it activates", *["round without pub2"] * 3),
}


@dataclass(frozen=True)
class Violation:
    """What broke, and how to get there: a root, and the number of each choice."""

    plant: str
    root: str
    path: tuple[int, ...]
    what: str

    @property
    def command(self) -> str:
        """The line that plays it again."""
        plant = f" --plant {self.plant}" if self.plant != SOUND.name else ""
        path = ".".join(str(number) for number in self.path)
        return f"ha-monitor simulate --explore --path {self.root}:{path}{plant}"


@dataclass
class Exploration:
    """What was found. ``states``: a short hash of each; ``steps``: of the real core."""

    depth: int
    states: set[bytes] = field(default_factory=set)
    steps: int = 0
    violations: int = 0
    kept: list[Violation] = field(default_factory=list)

    def add(self, other: Exploration) -> None:
        """Take in what was found from another root; a state that both reached counts once."""
        self.states |= other.states
        self.steps += other.steps
        self.violations += other.violations
        self.kept.extend(other.kept)

    @property
    def counts(self) -> dict[str, int]:
        """For programs."""
        return {"states": len(self.states), "depth": self.depth, "violations": self.violations}


def plant_named(name: str) -> ExplorePlant:
    """Raises UsageError for one that is not known here."""
    known = {SOUND.name: SOUND, **EXPLORE_PLANTS}
    if name not in known:
        raise UsageError(f"--plant: {name!r} is not one of {', '.join(known)}")
    return known[name]


def explore(plant: ExplorePlant = SOUND, bounds: Bounds | None = None, processes: int = 1) -> Exploration:
    """Explore from every root within the bounds, which are the plant's own unless others are given.

    With a planted bug it ends at the first violation of a root: more of the same would teach nothing.
    """
    bounds = bounds or plant.bounds
    jobs = [(root, plant, bounds) for root in bounds.roots or ROOTS]
    found = Exploration(bounds.depth)
    for part in in_processes(_explore_root, jobs, processes):
        found.add(part)
    return found


def _explore_root(job: tuple[str, ExplorePlant, Bounds]) -> Exploration:
    was_enabled = gc.isenabled()
    gc.disable()  # nothing here dies young, and looking for it takes longer than exploring
    try:
        return _Search(*job).run()
    finally:
        if was_enabled:
            gc.enable()


class _Search:
    """Breadth first from one root."""

    def __init__(self, root: str, plant: ExplorePlant, bounds: Bounds) -> None:
        self.root = root
        self.plant = plant
        self.machines = Machines(small_config(), plant)
        self.found = Exploration(bounds.depth)
        self.begin = root_state(self.machines, root, bounds.budget)
        self.came_from: dict[State, tuple[State, int] | None] = {self.begin: None}

    def run(self) -> Exploration:
        frontier = [self.begin]
        for _ in range(self.found.depth):
            frontier = list(self._next(frontier))
            if self.found.violations and self.plant is not SOUND:
                break
        self.found.steps = self.machines.taken
        self.found.states = {self._short(state) for state in self.came_from}
        return self.found

    def _next(self, frontier: Sequence[State]) -> Iterator[State]:
        for state in frontier:
            for number, choice in enumerate(choices(self.machines, state)):
                try:
                    after = follow(self.machines, state, choice)
                except Broken as broken:
                    self._keep(state, number, str(broken))
                    if self.plant is not SOUND:
                        return
                    continue
                if after not in self.came_from:
                    self.came_from[after] = (state, number)
                    yield after

    def _keep(self, state: State, number: int, what: str) -> None:
        self.found.violations += 1
        if len(self.found.kept) < VIOLATIONS_KEPT:
            path = (*self._path(state), number)
            self.found.kept.append(Violation(self.plant.name, self.root, path, what))

    def _path(self, state: State) -> tuple[int, ...]:
        path: list[int] = []
        while (step := self.came_from[state]) is not None:
            state, number = step
            path.append(number)
        return tuple(reversed(path))

    def _short(self, state: State) -> bytes:
        """Numbers of machines and packets are this search's own: their canonical forms are everybody's."""
        parts = (
            *(self.machines.canonical(number) for number in state.machines),
            *(repr(p._replace(content=0)).encode() + self.machines.canonical_packet(p) for p in state.flight),
            repr(state[2:]).encode(),
        )
        return hashlib.blake2b(b"".join(parts), digest_size=10).digest()


def root_state(machines: Machines, root: str, budget: Budget) -> State:
    """The state in which exploring begins. Raises Broken if a planted bug shows on the way there."""
    one, two, witness = (machines.first(index) for index in range(3))
    state = State((one, two, witness), (), Budget(0, 0, 0), NO_BALLOT, 0)
    for what in ROOTS[root]:
        if what == "start all":
            state = _start_all(machines, state)
        elif what.startswith("stall "):
            state = stall(machines, state, what.removeprefix("stall "))
        else:
            state = follow(machines, state, Choice(what))
    return state._replace(budget=budget)


def _start_all(machines: Machines, state: State) -> State:
    """The first start of all: nobody can have granted anything before, so nobody abstains."""
    for index in range(len(state.machines)):
        state = after_step(machines, state, index, machines.step(state.machines[index], "start"))
    return state


def replay(root: str, path: Sequence[int], plant: ExplorePlant) -> Iterator[str]:
    """Tell a path line by line; ends with what broke, if anything did. Raises UsageError."""
    if root not in ROOTS:
        raise UsageError(f"--path: {root!r} is not one of {', '.join(ROOTS)}")
    machines = Machines(small_config(), plant)
    state = root_state(machines, root, plant.bounds.budget)
    yield f"root {root}: {', '.join(ROOTS[root])}"
    yield from told(machines, state, None, state)
    for number in path:
        possible = list(choices(machines, state))
        if number >= len(possible):
            raise UsageError(f"--path: {number} where only {len(possible)} choices are, counted from 0")
        try:
            after = follow(machines, state, possible[number])
        except Broken as broken:
            yield from told(machines, state, possible[number], None)
            yield f"BROKEN: {broken}"
            return
        yield from told(machines, state, possible[number], after)
        state = after
    yield "all held"
