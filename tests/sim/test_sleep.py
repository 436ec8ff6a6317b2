"""A whole machine that slept: how long it answers beside another Owner after it woke, and who notices."""

import itertools

from ha_monitor.sim.cluster_swarm import SwarmWorld
from ha_monitor.sim.faults import Fault
from ha_monitor.sim.sleep import bound_ns
from ha_monitor.sim.swarm import run_swarm
from ha_monitor.sim.told_plants import CLUSTER_PLANTS
from ha_monitor.timebase import MS

FIRST_NS, LEASES = 600 * MS, 3


class Sleeper(SwarmWorld):
    """The Owner of the first group sleeps until another one has it; nothing else goes wrong."""

    def __init__(self, seed, plant):
        super().__init__(seed, plant)
        fault = Fault(0, FIRST_NS, "suspend", 0, LEASES * self.lease_ns, (0.9, 0.9))
        self.faults, self.bad_ns = (fault,), FIRST_NS + 6 * self.lease_ns


def worlds():
    plant = CLUSTER_PLANTS["deaf-when-woken"]
    for seed in itertools.count():
        world = Sleeper(seed, plant)
        if world.addresses:
            yield world


def hearing(world):
    """The same world, in which the woken machine takes packets at once."""
    world.plant = type("Sound", (type(world.plant),), {"hears": lambda *_: True})()
    return world


def test_a_woken_machine_stops_within_a_heartbeat():
    found = []
    for world in itertools.islice(worlds(), 6):
        hearing(world).play()
        found += [w.length_ns / bound_ns(world.shape.config().timing) for w in world.windows if w.is_clear]
    assert found
    assert max(found) <= 1


def test_one_that_takes_no_packets_for_longer_is_noticed():
    made = worlds()
    outcome = run_swarm(lambda _: next(made), range(12))
    assert "woke and answers beside" in outcome.broken
