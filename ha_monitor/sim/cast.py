"""The clusters that the simulated world plays: a pair with its Witness, or three Nodes; two Links."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from ha_monitor.model import (
    ClusterConfig,
    Failback,
    Group,
    Resource,
    ResourceKind,
    Run,
    Timing,
    Voter,
)
from ha_monitor.timebase import SECOND

VIP = "192.0.2.100/24"
SECOND_VIP = "192.0.2.101/24"
PAIR = ("pub2", "pub3")
TRIO = ("pub2", "pub3", "pub4")
LINKS = ("lan", "direct")
KEY = bytes(range(32))


def voter(index: int, name: str, is_witness: bool = False, **links: str) -> Voter:
    """A voter with its addresses by Link."""
    return Voter(index, name, {k: ipaddress.ip_address(v) for k, v in links.items()}, is_witness)


def vip(text: str = VIP) -> Resource:
    """A service address."""
    return Resource(text, ResourceKind.VIP, address=ipaddress.ip_interface(text))


def command(name: str, run: Run) -> Resource:
    """A service that an agent starts and stops."""
    return Resource(name, ResourceKind.COMMAND, run, start="start", stop="stop", status="status")


def web(failback: Failback = Failback(), nodes: tuple[str, ...] = PAIR) -> Group:  # noqa: B008  frozen
    """Only the address moves; the web server runs everywhere."""
    return Group("www", nodes, (vip(), command("nginx", Run.EVERYWHERE)), failback)


def queue(nodes: tuple[str, ...] = PAIR) -> Group:
    """A service that runs beside its address, on the Owner alone; it prefers the last Node."""
    return Group("queue", nodes[::-1], (vip(SECOND_VIP), command("worker", Run.OWNER)))


def pair(*groups: Group, timing: Timing = Timing(), start_grace_ns: int = 3 * SECOND) -> ClusterConfig:  # noqa: B008
    """pub2 and pub3 with the Witness mon."""
    nodes = (
        voter(0, "pub2", lan="192.0.2.12", direct="198.51.100.12"),
        voter(1, "pub3", lan="192.0.2.13", direct="198.51.100.13"),
    )
    witness = voter(2, "mon", True, lan="192.0.2.9")
    return ClusterConfig(
        "web", nodes, witness, groups or (web(),), timing, start_grace_ns=start_grace_ns, digest="d"
    )


def trio(*groups: Group, timing: Timing = Timing(), start_grace_ns: int = 3 * SECOND) -> ClusterConfig:  # noqa: B008
    """pub2, pub3 and pub4 without a Witness."""
    nodes = tuple(
        voter(i, name, lan=f"192.0.2.1{i + 2}", direct=f"198.51.100.1{i + 2}") for i, name in enumerate(TRIO)
    )
    return ClusterConfig("web", nodes, None, groups, timing, start_grace_ns=start_grace_ns, digest="d")


def one_link(config: ClusterConfig) -> ClusterConfig:
    """The same cluster with its first Link only."""
    names = [*config.nodes, *([config.witness] if config.witness else [])]
    first = LINKS[0]
    only = [replace(v, addresses={first: v.addresses[first]}) for v in names]
    nodes = tuple(v for v in only if not v.is_witness)
    return replace(config, nodes=nodes, witness=next((v for v in only if v.is_witness), None))
