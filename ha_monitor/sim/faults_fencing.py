"""What goes wrong with fence devices and ping targets in a swarm, and what operators do with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ha_monitor.core import events as ev
from ha_monitor.sim.faults import Fault
from ha_monitor.sim.faults_network import cut_target
from ha_monitor.sim.fencing import DeviceWeather
from ha_monitor.timebase import MS, SECOND

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost
    from ha_monitor.sim.cluster_swarm import SwarmWorld


def _devices(world: SwarmWorld, host: ClusterHost, fault: Fault, **how: Any) -> str:
    """Those that a host asks, for a while; from the beginning: all of them."""
    for one in world.nodes if fault.at_ns == 0 else [host]:
        one.fencer.weather = replace(one.fencer.weather, **how)
        world.agenda.after(fault.length_ns, lambda one=one: _calm(one, how))  # type: ignore[misc]
    return "everywhere" if fault.at_ns == 0 else ""


def _calm(host: ClusterHost, how: Iterable[str]) -> None:
    calm: dict[str, Any] = {name: getattr(DeviceWeather(), name) for name in how}
    host.fencer.weather = replace(host.fencer.weather, **calm)


def failing_fences(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Half of the orders to devices fail."""
    return _devices(world, host, fault, fails=0.5)


def slow_fences(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Some take longer than their limit."""
    return _devices(world, host, fault, delay_ns=(100 * MS, 3 * SECOND // 2))


def hanging_fences(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Some do not end, with or without having done it."""
    return _devices(world, host, fault, hangs=0.4)


def lying_fences(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Some say that they powered off, and did not; their status tells."""
    return _devices(world, host, fault, lies=0.5)


def fence(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """An operator wants another Node powered off, whatever the cluster thinks of it."""
    others = [node.name for node in world.nodes if node is not host]
    if host.voter.is_witness or not others:
        return "none"
    name = others[fault.pick(0, others)]
    host.order(ev.FenceOrdered(fault.number + 1, name, "why", "operator"))
    return name


def confirm_fenced(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """An operator says that a Node is off, which is so; where none is, nobody says anything."""
    off = [node.name for node in world.nodes if node is not host and not node.is_on]
    if not off:
        return "none"
    name = off[fault.pick(0, off)]
    host.order(ev.FenceConfirmed(fault.number + 1, name, "why", "operator"))
    return name


def target_down(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """The ping target answers nobody, or not this host."""
    hosts = list(world.nodes) if fault.dice[0] < 0.5 else [host]
    cut_target(world, [one.index for one in hosts], fault.length_ns)
    return "for everybody" if len(hosts) > 1 else ""
