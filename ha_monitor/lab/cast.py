"""Who is in the lab: hosts, Links, addresses. Data only, for everything else in the lab.

The cast comes from the users' own slides: pub2 and pub3 are the production pair, mon is the
monitoring server and the Witness, client and arp are observers from outside.
"""

from __future__ import annotations

from dataclasses import dataclass

LAB_VARIABLE = "HA_MONITOR_LAB"
LAB_DEFAULT = "lab"
STATE_ROOT = "/run/ha-monitor-lab"

SERVICE_GROUP = "www"
SERVICE_V4 = "192.0.2.100"
SERVICE_V6 = "2001:db8:0:1::100"
SERVICE_VIPS = (f"{SERVICE_V4}/24", f"{SERVICE_V6}/64")
SERVICE_LINK = "lan"


@dataclass(frozen=True)
class Link:
    """One network: a bridge of its own in the switch's namespace."""

    name: str
    number: int
    prefix_v4: str
    prefix_v6: str

    def v4(self, host_number: int) -> str:
        """The IPv4 address of a host on this Link."""
        return f"{self.prefix_v4}.{host_number}"

    def v6(self, host_number: int) -> str:
        """The IPv6 address of a host on this Link, with the same last number."""
        return f"{self.prefix_v6}::{host_number}"


@dataclass(frozen=True)
class Member:
    """One host of the cast."""

    name: str
    number: int
    links: tuple[str, ...]
    is_node: bool = False

    def mac(self, link: str) -> str:
        """The fixed MAC of this host's device: it survives power-off, as a real card's does."""
        return f"02:68:61:00:{LINKS[link].number:02x}:{self.number:02x}"

    def v4(self, link: str = "lan") -> str:
        """This host's own IPv4 address on a Link."""
        return LINKS[link].v4(self.number)

    def v6(self, link: str = "lan") -> str:
        """This host's own IPv6 address on a Link."""
        return LINKS[link].v6(self.number)

    def port(self, link: str) -> str:
        """The name of the switch's port that leads to this host."""
        return f"{self.name}-{link}"


LINKS = {
    link.name: link
    for link in (
        Link("lan", 1, "192.0.2", "2001:db8:0:1"),
        Link("direct", 2, "198.51.100", "2001:db8:0:2"),
    )
}

CAST = {
    member.name: member
    for member in (
        Member("pub2", 12, ("lan", "direct"), is_node=True),
        Member("pub3", 13, ("lan", "direct"), is_node=True),
        Member("mon", 9, ("lan",)),
        Member("client", 50, ("lan",)),
        Member("arp", 60, ("lan", "direct")),
    )
}
NODES = tuple(name for name, member in CAST.items() if member.is_node)
WITNESS = "mon"


def other_node(name: str) -> str:
    """The peer of a Node of the pair."""
    first, second = NODES
    return second if name == first else first
