"""The switch: one bridge for each Link, in a network namespace of its own, and what it filters.

All filters of the faults live here, on the ports, so that the Nodes' own nftables are untouched.
``in`` and ``out`` are the switch's: a packet comes in from one host and goes out to another.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ha_monitor.errors import PrerequisiteError
from ha_monitor.lab.cast import LINKS, Member
from ha_monitor.lab.problems import LabError

_TABLE = "ha_lab"


@dataclass(frozen=True)
class Drop:
    """Packets that a port loses: those of one sender or of all, all of them or a share."""

    port: str
    direction: str  # "in" or "out", seen from the switch
    from_mac: str | None = None
    percent: int = 100


def filter_text(drops: Iterable[Drop]) -> str:
    """The nftables script that replaces all filters by these, in one transaction."""
    chains: dict[tuple[str, str], list[str]] = {}
    for drop in drops:
        sender = f"ether saddr {drop.from_mac} " if drop.from_mac else ""
        share = f"numgen random mod 100 < {drop.percent} " if drop.percent < 100 else ""
        chains.setdefault((drop.port, drop.direction), []).append(f"    {sender}{share}counter drop\n")
    lines = [f"table netdev {_TABLE}\ndelete table netdev {_TABLE}\ntable netdev {_TABLE} {{\n"]
    for (port, direction), rules in chains.items():
        hook = "ingress" if direction == "in" else "egress"
        lines.append(f"  chain {port.replace('-', '_')}_{direction} {{\n")
        lines.append(f'    type filter hook {hook} device "{port}" priority 0;\n')
        lines += [*rules, "  }\n"]
    return "".join([*lines, "}\n"])


class Switch:
    """The bridges of one lab."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def build(self) -> None:
        """Make the namespace and its bridges."""
        ip_batch([f"netns add {self.namespace}"])
        commands = ["link set lo up"]
        for link in LINKS:
            commands += [
                f"link add {link} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                f"link set {link} addrgenmode none up",
            ]
        ip_batch(commands, self.namespace)

    def plug_in(self, member: Member, namespace: str) -> None:
        """Lay a cable from a host's namespace to each of its Links."""
        commands = []
        for link in member.links:
            port = member.port(link)
            commands += [
                f"link add {port} type veth peer name {link} address {member.mac(link)} netns {namespace}",
                f"link set {port} addrgenmode none master {link} up",
            ]
        ip_batch(commands, self.namespace)

    def remove_ports(self, member: Member) -> None:
        """Take the cables of a host away; the host's devices vanish with them."""
        ip_batch([f"link del {member.port(link)}" for link in member.links], self.namespace, force=True)

    def ports_down(self, ports: Sequence[str]) -> None:
        """No carrier on these ports: cables pulled out at the same time."""
        ip_batch([f"link set {port} down" for port in ports], self.namespace)

    def ports_up(self, ports: Sequence[str]) -> None:
        """Carrier again, and the port forwards: heals unplug and black hole alike."""
        commands = [f"link set {port} master {port.rpartition('-')[2]} up" for port in ports]
        ip_batch(commands, self.namespace)

    def ports_blackhole(self, ports: Sequence[str]) -> None:
        """The carrier stays, nothing passes: the port leaves its bridge."""
        ip_batch([f"link set {port} nomaster" for port in ports], self.namespace)

    def set_filters(self, drops: Iterable[Drop]) -> None:
        """Replace all filters by these."""
        run(["nft", "-f", "-"], namespace=self.namespace, text=filter_text(drops))


def ip_batch(commands: Sequence[str], namespace: str | None = None, *, force: bool = False) -> None:
    """Carry out several ``ip`` commands in one process; ``force`` goes on after a failure."""
    options = ["-force"] if force else []
    where = ["-netns", namespace] if namespace else []
    run(["ip", *options, *where, "-batch", "-"], text="\n".join(commands) + "\n", check=not force)


def run(argv: Sequence[str], *, namespace: str | None = None, text: str = "", check: bool = True) -> str:
    """Run a program, in a network namespace if asked; its complaint becomes a LabError."""
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    try:
        done = subprocess.run(
            [*inside, *argv], input=text, capture_output=True, text=True, timeout=30, check=False
        )
    except FileNotFoundError as error:
        raise PrerequisiteError(f"{error.filename}: not installed") from None
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout
