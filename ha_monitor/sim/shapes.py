"""The clusters that a swarm plays, drawn from the seed as the text of a cluster.toml, parsed for real.

Two, three or five Nodes, with or without a Witness; one to eight groups, all on one Node or spread; and what
a change of the configuration may make of such a cluster.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ha_monitor.config import parse_config
from ha_monitor.model import ClusterConfig
from ha_monitor.sim.modes import DATA_WITH_DEVICES, QUORUMS, draw_fencing, draw_quorum

NODES = ("pub2", "pub3", "pub4", "pub5", "pub6")
WITNESS = "mon"
TIMINGS = ((100, 1000), (200, 1000), (100, 500), (50, 500))  # interval and Lease in ms
FAILBACKS = ("never", "manual", "after 1s", "between 02:00 and 05:00")
KINDS = ("web", "web", "queue", "address", "chain", "batch")
WATCHDOG = '[watchdog]\ndevice = "/dev/watchdog"\ntimeout = "1s"\n'


@dataclass(frozen=True)
class GroupShape:
    """One group. ``kind`` is a key of `_RESOURCES`."""

    name: str
    number: int
    kind: str
    prefer: tuple[str, ...]
    failback: str = "never"

    def toml(self) -> str:
        """Its table."""
        resources = ",\n".join(f"  {line}" for line in _RESOURCES[self.kind](self.number))
        prefer = ", ".join(f'"{name}"' for name in self.prefer)
        exclusive = "exclusive = true\n" if self.kind == "data" else ""
        return (
            f'[groups.{self.name}]\n{exclusive}prefer = [{prefer}]\nfailback = "{self.failback}"\n'
            f"resources = [\n{resources},\n]\n"
        )


def _vip(number: int) -> str:
    return f'{{ vip = "192.0.2.{100 + number}/24" }}'


def _command(name: str, run: str, limit: str = "1s") -> str:
    lines = ", ".join(f'{verb} = "/bin/{verb}"' for verb in ("start", "stop", "status"))
    limits = ", ".join(f'{verb}_timeout = "{limit}"' for verb in ("start", "stop", "status"))
    return f'{{ command = "{name}", {lines}, {limits}, run = "{run}" }}'


_RESOURCES: dict[str, Callable[[int], Sequence[str]]] = {
    "web": lambda n: [_vip(n), _command(f"web{n}", "everywhere")],
    "queue": lambda n: [_vip(n), _command(f"queue{n}", "owner")],
    "address": lambda n: [_vip(n)],
    "chain": lambda n: [
        _command(f"store{n}", "owner"),
        _vip(n),
        _command(f"serve{n}", "owner"),
        _vip(n + 50),
    ],
    "batch": lambda n: [_command(f"batch{n}", "owner")],
    "data": lambda n: [
        _command(f"mount{n}", "owner", "200ms"),
        _command(f"base{n}", "owner", "200ms"),
        _vip(n),
    ],
}


@dataclass(frozen=True)
class Shape:
    """A cluster."""

    nodes: int
    has_witness: bool
    links: int
    interval_ms: int
    lease_ms: int
    groups: tuple[GroupShape, ...]
    quorum: str = ""  # where it must be said
    fencing: str = ""  # its tables

    @property
    def has_data(self) -> bool:
        """Whether some group is exclusive."""
        return any(group.kind == "data" for group in self.groups)

    @property
    def names(self) -> tuple[str, ...]:
        """Its Nodes."""
        return NODES[: self.nodes]

    def toml(self) -> str:
        """The text of its cluster.toml."""
        nodes = "".join(f"{name} = {{ {self._addresses(i)} }}\n" for i, name in enumerate(self.names))
        witness = f'[witness]\n{WITNESS} = "192.0.2.9"\n' if self.has_witness else ""
        return (
            f'[cluster]\nname = "web"\ninterval = "{self.interval_ms}ms"\nlease = "{self.lease_ms}ms"\n'
            f'start_grace = "1s"\n{QUORUMS[self.quorum]}[nodes]\n{nodes}{witness}'
            f"{WATCHDOG if self.has_data else ''}{self.fencing}"
            f"{''.join(g.toml() for g in self.groups)}"
        )

    def _addresses(self, index: int) -> str:
        networks = (("lan", "192.0.2"), ("direct", "198.51.100"))[: self.links]
        return ", ".join(f'{link} = "{network}.{index + 12}"' for link, network in networks)

    def config(self) -> ClusterConfig:
        """What the real reader makes of it."""
        return parse_config(self.toml().encode())


_NODES_OF = {"fencing": 2, "ping": 2, "single": 1}


def draw_shape(rng: random.Random) -> Shape:
    """Mostly pairs with their Witness, which is what people run; some with more Nodes and groups."""
    quorum = draw_quorum(rng)
    nodes = _NODES_OF.get(quorum) or rng.choice((2, 2, 2, 2, 2, 3, 3, 5))
    interval_ms, lease_ms = rng.choice(TIMINGS)
    count = rng.choice((1, 1, 2, 2, 2, 3, 3, 4, 8))
    is_spread = rng.random() < 0.5
    names = NODES[:nodes]
    groups = tuple(_draw_group(rng, number, names, is_spread) for number in range(count))
    has_data = quorum != "ping" and rng.random() < 0.4
    if has_data:
        groups = (replace(groups[0], kind="data"), *groups[1:])
    has_witness = not quorum and (nodes == 2 or (nodes == 3 and rng.random() < 0.2))
    has_devices = quorum == "fencing" or (has_data and nodes > 1 and rng.random() < DATA_WITH_DEVICES)
    fencing = draw_fencing(rng, names) if has_devices else ""
    links = rng.choice((1, 2, 2, 2)) if nodes > 1 else 1
    return Shape(nodes, has_witness, links, interval_ms, lease_ms, groups, quorum, fencing)


def _draw_group(rng: random.Random, number: int, names: tuple[str, ...], is_spread: bool) -> GroupShape:
    first = number % len(names) if is_spread else 0
    prefer = names[first:] + names[:first]
    if len(names) > 2 and rng.random() < 0.2:
        prefer = prefer[:2]
    return GroupShape(f"g{number}", number, rng.choice(KINDS), prefer, rng.choice(FAILBACKS))


def with_witness(shape: Shape) -> Shape:
    """The same cluster in a mode that needs no devices and no targets."""
    return as_pair(shape, "") if shape.quorum else replace(shape, fencing="")


def as_pair(shape: Shape, quorum: str, fencing: str = "") -> Shape:
    """Two Nodes with the same groups, in that mode; in none: with a Witness."""
    kinds = {"data": "queue"} if quorum == "ping" else {}
    groups = tuple(replace(g, prefer=NODES[:2], kind=kinds.get(g.kind, g.kind)) for g in shape.groups)
    return replace(shape, nodes=2, has_witness=not quorum, groups=groups, quorum=quorum, fencing=fencing)


def changed(shape: Shape, rng: random.Random) -> Shape:
    """What an operator makes of it: nothing that needs all daemons stopped."""
    return rng.choice(_SMALL_CHANGES if shape.has_data else _CHANGES)(shape, rng)


def _other_lease(shape: Shape, rng: random.Random) -> Shape:
    interval_ms, lease_ms = rng.choice([t for t in TIMINGS if t[1] != shape.lease_ms])
    return replace(shape, interval_ms=interval_ms, lease_ms=lease_ms)


def _turned(shape: Shape, _rng: random.Random) -> Shape:
    groups = tuple(replace(g, prefer=g.prefer[1:] + g.prefer[:1]) for g in shape.groups)
    return replace(shape, groups=groups)


def _more(shape: Shape, rng: random.Random) -> Shape:
    new = _draw_group(rng, len(shape.groups), shape.names, True)
    return replace(shape, groups=(*shape.groups, new))


def _fewer(shape: Shape, rng: random.Random) -> Shape:
    if len(shape.groups) == 1:
        return _more(shape, rng)
    return replace(shape, groups=shape.groups[:-1])


def _other_failback(shape: Shape, rng: random.Random) -> Shape:
    groups = tuple(replace(g, failback=rng.choice(FAILBACKS)) for g in shape.groups)
    return replace(shape, groups=groups)


def _grown(shape: Shape, rng: random.Random) -> Shape:
    """A Resource joins or leaves a group."""
    at = rng.randrange(len(shape.groups))
    kind = {"web": "address", "address": "queue", "queue": "address"}.get(shape.groups[at].kind, "queue")
    groups = list(shape.groups)
    groups[at] = replace(groups[at], kind=kind)
    return replace(shape, groups=tuple(groups))


_SMALL_CHANGES = (_turned, _other_failback)  # a restart refuses what changes the hold of exclusive groups
_CHANGES = (_other_lease, _turned, _more, _fewer, _other_failback, _grown)
