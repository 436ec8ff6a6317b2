"""Play seeds of the simulator: ``python -m ha_monitor.sim --seeds 100``, or one again with ``--seed 7``.

World ``lease``: the Lease alone, many short lives. World ``cluster``: the whole core on the real wire.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from ha_monitor.sim.cluster_plants import CLUSTER_PLANTS, SOUND
from ha_monitor.sim.cluster_swarm import SwarmWorld
from ha_monitor.sim.lease_world import LeaseWorld
from ha_monitor.sim.plants import LEASE_PLANTS, NOTHING
from ha_monitor.sim.swarm import Outcome, World, run_swarm

WORLDS: dict[str, dict[str, Callable[[int], World]]] = {
    "lease": {
        name: lambda seed, plant=plant: LeaseWorld(seed, plant)  # type: ignore[misc]
        for name, plant in {NOTHING.name: NOTHING, **LEASE_PLANTS}.items()
    },
    "cluster": {
        name: lambda seed, plant=plant: SwarmWorld(seed, plant)  # type: ignore[misc]
        for name, plant in {SOUND.name: SOUND, **CLUSTER_PLANTS}.items()
    },
}


def main(arguments: list[str] | None = None) -> int:
    """Run the swarm; 0 when all held, 1 when something broke, 2 on wrong use."""
    parser = argparse.ArgumentParser(prog="python -m ha_monitor.sim", description=__doc__)
    parser.add_argument("--world", choices=tuple(WORLDS), default="cluster")
    parser.add_argument("--seeds", type=int, default=20, help="how many, from 0 on")
    parser.add_argument("--seed", type=int, help="this one only, with its trace")
    parser.add_argument("--plant", default=NOTHING.name, help="a planted bug; an unknown name lists them all")
    chosen = parser.parse_args(arguments)
    makers = WORLDS[chosen.world]
    if chosen.plant not in makers:
        parser.error(f"--plant: {chosen.plant!r} is not one of {', '.join(makers)}")
    outcome = _run(makers[chosen.plant], range(chosen.seeds) if chosen.seed is None else (chosen.seed,))
    _print(f"{outcome.seeds} seeds, {outcome.events} events: {outcome.broken or 'all held'}")
    return 1 if outcome.broken else 0


def _run(make: Callable[[int], World], seeds: range | tuple[int]) -> Outcome:
    def traced(seed: int) -> World:
        world = make(seed)
        world.trace = _print
        return world

    return run_swarm(make if isinstance(seeds, range) else traced, seeds)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
