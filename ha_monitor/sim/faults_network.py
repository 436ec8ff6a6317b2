"""What goes wrong between the hosts of a swarm: cuts, loss, delay, doubling, replays, carriers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ha_monitor.core import events as ev
from ha_monitor.sim.faults import Fault
from ha_monitor.sim.network import Route, Weather
from ha_monitor.sim.pinging import TARGET
from ha_monitor.timebase import SECOND

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost
    from ha_monitor.sim.cluster_swarm import SwarmWorld

LATE_NS = 2 * SECOND


def links_of(world: SwarmWorld) -> list[str]:
    """The names of all Links."""
    return list(world.config.nodes[0].addresses)


def _both_ways(world: SwarmWorld, host: ClusterHost, links: Iterable[str]) -> set[Route]:
    others = [other.index for other in world.hosts if other is not host]
    ends = [end for o in others for end in ((host.index, o), (o, host.index))]
    routes = {(*end, link) for end in ends for link in links}
    return routes | {(host.index, TARGET, link) for link in links}


def _other(world: SwarmWorld, host: ClusterHost, fault: Fault) -> ClusterHost:
    others = [other for other in world.hosts if other is not host] or [host]
    return others[fault.pick(0, others)]


def _cut(world: SwarmWorld, routes: set[Route], length_ns: int) -> None:
    new = routes - world.network.cut
    world.network.cut |= new
    world.agenda.after(length_ns, lambda: world.network.cut.difference_update(new))


def cut_target(world: SwarmWorld, hosts: Iterable[int], length_ns: int) -> None:
    """These hosts get no answer from the ping target."""
    _cut(world, {(index, TARGET, link) for index in hosts for link in links_of(world)}, length_ns)


def cut(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Nobody hears the host, and it hears nobody."""
    _cut(world, _both_ways(world, host, links_of(world)), fault.length_ns)
    return ""


def one_way(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """One Link, or all, to one other host carry nothing in one direction."""
    other, links = _other(world, host, fault), links_of(world)
    chosen = [links[fault.pick(1, links)]] if fault.dice[1] < 0.7 else links
    _cut(world, {(host.index, other.index, link) for link in chosen}, fault.length_ns)
    return f"to {other.name} on {', '.join(chosen)}"


def partition(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Two hosts do not hear each other."""
    other = _other(world, host, fault)
    ends = ((host.index, other.index), (other.index, host.index))
    _cut(world, {(*end, link) for end in ends for link in links_of(world)}, fault.length_ns)
    return f"from {other.name}"


def unplug(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """A cable: nothing passes and the kernel says so."""
    links = links_of(world)
    link = links[fault.pick(0, links)]
    _cut(world, _both_ways(world, host, (link,)), fault.length_ns)
    set_carrier(world, host, link, False)
    world.agenda.after(fault.length_ns, lambda: set_carrier(world, host, link, True))
    return link


def set_carrier(world: SwarmWorld, host: ClusterHost, link: str, has_carrier: bool) -> None:
    """The kernel tells the core."""
    resources = tuple(name for _, name in world.addresses) if link == "lan" else ()
    host.order(ev.CarrierChanged(link, resources, has_carrier))


def switch_off(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:  # noqa: ARG001  one signature
    """A switch: one Link is dead everywhere, no carrier is lost."""
    links = links_of(world)
    link = links[fault.pick(0, links)]
    hosts = range(len(world.hosts))
    _cut(world, {(a, b, link) for a in hosts for b in (*hosts, TARGET) if a != b}, fault.length_ns)
    return link


def _storm(world: SwarmWorld, host: ClusterHost, fault: Fault, weather: Weather) -> str:
    """Everywhere if it is there from the beginning, else around one host or on one direction of one Link."""
    links, hosts = links_of(world), range(len(world.hosts))
    if fault.at_ns == 0:
        routes = {(a, b, link) for a in hosts for b in hosts if a != b for link in links}
        where = "everywhere"
    elif fault.dice[0] < 0.5:
        routes, where = _both_ways(world, host, links), "around it"
    else:
        other, link = _other(world, host, fault), links[fault.pick(1, links)]
        routes, where = {(host.index, other.index, link)}, f"to {other.name} on {link}"
    world.network.storm(routes, weather, fault.length_ns)
    return where


def loss(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Packets are lost."""
    part = (0.1, 0.3, 0.7)[int(fault.dice[1] * 3)] if fault.at_ns else (0.1, 0.3)[int(fault.dice[1] * 2)]
    return f"{part:.0%} {_storm(world, host, fault, Weather(loss=part))}"


def doubling(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Packets come twice."""
    weather = Weather(doubled=0.3, late_ns=LATE_NS if fault.dice[1] < 0.5 else 0)
    return _storm(world, host, fault, weather)


def lateness(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Some packets come late, and so in another order."""
    part, late_ns = (0.05, LATE_NS) if fault.dice[1] < 0.5 else (0.5, LATE_NS // 20)
    where = _storm(world, host, fault, Weather(late=part, late_ns=late_ns))
    return f"{part:.0%} by up to {late_ns / SECOND:.1f} s {where}"


def replay(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:  # noqa: ARG001  one signature
    """Somebody plays a recorded packet again."""
    world.network.replay(fault.dice[0])
    return ""


def shouted_replay(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:  # noqa: ARG001
    """Somebody plays a whole burst of recorded packets again."""
    for i in range(40):
        world.network.replay((fault.dice[0] + i * fault.dice[1] / 40) % 1)
    return "40 packets"
