"""Play seeds of the simulator: ``python -m ha_monitor.sim --seeds 100``, or one again with ``--seed 7``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from ha_monitor.sim.lease_world import LeaseWorld
from ha_monitor.sim.plants import LEASE_PLANTS, NOTHING, lease_plant
from ha_monitor.sim.swarm import World, run_swarm


def main(arguments: list[str] | None = None) -> int:
    """Run the swarm; 0 when all held, 1 when something broke, 2 on wrong use."""
    parser = argparse.ArgumentParser(prog="python -m ha_monitor.sim", description=__doc__)
    parser.add_argument("--world", choices=("lease",), default="lease")
    parser.add_argument("--seeds", type=int, default=100, help="how many, from 0 on")
    parser.add_argument("--seed", type=int, help="this one only, with its trace")
    parser.add_argument("--plant", choices=(NOTHING.name, *LEASE_PLANTS), default=NOTHING.name)
    chosen = parser.parse_args(arguments)
    seeds = range(chosen.seeds) if chosen.seed is None else (chosen.seed,)
    outcome = run_swarm(_maker(chosen.plant, chosen.seed is not None), seeds)
    sys.stdout.write(f"{outcome.seeds} seeds, {outcome.events} events\n")
    if outcome.broken:
        sys.stdout.write(outcome.broken + "\n")
    return 1 if outcome.broken else 0


def _maker(plant: str, is_traced: bool) -> Callable[[int], World]:
    def make(seed: int) -> World:
        world = LeaseWorld(seed, lease_plant(plant))
        if is_traced:
            world.trace = _print
        return world

    return make


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
