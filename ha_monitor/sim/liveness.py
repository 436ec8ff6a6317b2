"""How long a healed cluster may need until every group is served, from what is configured and promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ha_monitor.model import ResourceKind
from ha_monitor.sim.faults_network import LATE_NS

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_swarm import SwarmWorld

LEASES = 3  # candidates that meet, packets of before that still disturb them
BEATS = 12  # ranks, a named successor, silence that must be noticed
ROUNDS = 2  # a start that is found failed once more before it succeeds


def liveness_bound_ns(world: SwarmWorld) -> int:
    """Abstention, hold, 3 T, ranks; what was late; starts and stops; back-offs that were promised."""
    config = world.config
    hold_ns = max(host.disk.memory.hold_ns for host in world.hosts)
    voting_ns = 2 * hold_ns + LEASES * config.timing.lease_ns + BEATS * config.timing.interval_ns
    return voting_ns + LATE_NS + config.start_grace_ns + _work_ns(world) + _waits_ns(world)


def _work_ns(world: SwarmWorld) -> int:
    """One operation of before that runs into its limit, and then all that must be stopped and started."""
    slowest = max(
        (
            sum(r.start_timeout_ns + r.stop_timeout_ns for r in g.resources if r.kind is not ResourceKind.VIP)
            for g in world.config.groups
        ),
        default=0,
    )
    return ROUNDS * slowest


def _waits_ns(world: SwarmWorld) -> int:
    """Hold-downs and back-offs that began in the bad time and still run."""
    waits = [0]
    for host in world.nodes:
        if host.process is None:
            continue
        now_ns = host.process.now_ns()
        for tenure in host.process.core.tenures.values():
            waits.append(tenure.hold_down.until_ns(is_alone=False) - now_ns)
            waits.extend(record.restart_at_ns - now_ns for record in tenure.runner.records.values())
    return max(waits)
