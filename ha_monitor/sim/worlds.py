"""The worlds by name, the planted bugs that each knows, and in which world a seed is played.

World ``cluster``: the whole core on the real wire. World ``lease``: the Lease alone, many short lives; every
second seed is played there.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from ha_monitor.sim.cluster_plants import SOUND as SOUND_CLUSTER
from ha_monitor.sim.cluster_swarm import SwarmWorld
from ha_monitor.sim.lease_world import LeaseWorld
from ha_monitor.sim.plants import LEASE_PLANTS
from ha_monitor.sim.plants import NOTHING as SOUND_LEASE
from ha_monitor.sim.shrink import FaultyWorld
from ha_monitor.sim.told_plants import CLUSTER_PLANTS

SOUND = "nothing"
LEASE_SHARE = 2  # one seed of so many is played in the Lease-only world
WORLDS = ("cluster", "lease")


class Job(NamedTuple):
    """One seed to be played: in which world, with which planted bug; ``only``: the faults that happen."""

    world: str
    seed: int
    plant: str = SOUND
    only: tuple[int, ...] | None = None

    def command(self) -> str:
        """The line that plays it again."""
        plant = f" --plant {self.plant}" if self.plant != SOUND else ""
        only = "" if self.only is None else f" --faults {','.join(map(str, self.only)) or 'none'}"
        return f"ha-monitor simulate --world {self.world} --seed {self.seed}{plant}{only}"


class PlantNote(NamedTuple):
    """A planted bug for people: its name, its world, what is wrong."""

    name: str
    world: str
    what: str


def world_of(seed: int, plant: str = SOUND) -> str:
    """Where a seed is played unless somebody asks for a world."""
    if plant == SOUND:
        return "lease" if seed % LEASE_SHARE == LEASE_SHARE - 1 else "cluster"
    return "cluster" if plant in CLUSTER_PLANTS else "lease"


def make(job: Job) -> FaultyWorld:
    """The world of a job, not begun. Raises KeyError for a plant that this world does not know."""
    if job.world == "cluster":
        return SwarmWorld(job.seed, {SOUND: SOUND_CLUSTER, **CLUSTER_PLANTS}[job.plant], job.only)
    return LeaseWorld(job.seed, {SOUND: SOUND_LEASE, **LEASE_PLANTS}[job.plant], job.only)


def plants(world: str = "") -> list[PlantNote]:
    """Every planted bug of a world, or of all."""
    tables: Mapping[str, Mapping[str, Any]] = {"cluster": CLUSTER_PLANTS, "lease": LEASE_PLANTS}
    return [
        PlantNote(name, where, _what(plant))
        for where, table in tables.items()
        if world in ("", where)
        for name, plant in table.items()
    ]


def _what(plant: Any) -> str:
    return (inspect.getdoc(type(plant)) or "").partition("\n")[0]
