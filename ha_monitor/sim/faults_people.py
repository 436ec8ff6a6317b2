"""What operators do in a swarm, at bad moments: switches, standby, maintenance, stops, changed files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ha_monitor.core import events as ev
from ha_monitor.messages import MaintenanceNote
from ha_monitor.sim.faults import Fault
from ha_monitor.sim.guard import Guard, exclusive_names

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost
    from ha_monitor.sim.cluster_swarm import SwarmWorld


def switch(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """A group shall move."""
    groups = host.config.groups
    group = groups[fault.pick(0, groups)].name
    targets = ("", *(node.name for node in world.nodes))
    target = targets[fault.pick(1, targets)]
    host.order(ev.SwitchOrdered(fault.number + 1, group, target, "operator"))
    return f"{group} to {target or 'any Node'}"


def stop(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """The daemon shall hand over and end, and is started again later."""
    if host.process is not None and not host.is_frozen:
        host.is_stopped = True
        host.order(ev.StopOrdered(True))
        host.later(2 * world.lease_ns + fault.length_ns, lambda: _start_again(host))
    return ""


def _start_again(host: ClusterHost) -> None:
    if host.is_stopped and host.is_on:
        host.end_core()  # did not hand over in time: killed
        host.kernel.close_all()
        host.services.kill(exclusive_names(host.config))
        host.guard = Guard(host)
        host.start_daemon()


def restart(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:  # noqa: ARG001  one signature for all
    """A planned restart: a new core takes over from the old one."""
    _restart(host)
    return ""


def _restart(host: ClusterHost) -> None:
    if not host.is_stopped:
        host.order(ev.StopOrdered(False))


def standby(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:  # noqa: ARG001
    """The Node shall own nothing, or may again."""
    is_on = fault.dice[0] < 0.5
    if not host.voter.is_witness:
        host.order(ev.StandbyOrdered(is_on, "operator"))
    return "on" if is_on else "off"


def maintenance(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:  # noqa: ARG001
    """Nothing shall move, or may again."""
    length_ns = fault.length_ns if fault.dice[0] < 0.7 else 0
    host.order(ev.MaintenanceOrdered(MaintenanceNote(0, length_ns, "why", "who")))
    return "on" if length_ns else "off"


def window(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:  # noqa: ARG001
    """A failback window opens or closes."""
    groups = host.config.groups
    group, is_open = groups[fault.pick(0, groups)].name, fault.dice[1] < 0.5
    host.order(ev.FailbackWindowChanged(group, is_open))
    return f"{group} {'opens' if is_open else 'closes'}"


def clear(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:  # noqa: ARG001
    """Somebody says that a group is stopped here, after looking."""
    groups = host.config.groups
    group = groups[fault.pick(0, groups)]
    if not host.voter.is_witness:
        for name in (r.name for r in group.resources if r.name in host.services.states):
            if host.services.groups.get(name) == group.name:
                host.services.crash(name)
        host.order(ev.BlockCleared(group.name, "operator"))
    return group.name


def reconfigure(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """A changed file on every host, and a rolling restart, beginning anywhere."""
    shape = world.next_shape(fault)
    config = world.configure(shape)
    first, count = host.index, len(world.hosts)
    pause_ns = int(fault.dice[1] * world.lease_ns)
    for place in range(count):
        one = world.hosts[(first + place) % count]
        one.next_config = config
        world.agenda.after(place * pause_ns, lambda one=one: _restart(one))  # type: ignore[misc]
    return f"{len(config.groups)} groups, Lease {shape.lease_ms} ms"
