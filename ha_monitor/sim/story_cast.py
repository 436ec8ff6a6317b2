"""The cluster of a story, from the few lines above its commands; the usual one where they say nothing.

Usual: Nodes pub2 and pub3, Witness mon, Links lan and direct, timing lan, and one group www with a service
address and a web server that runs everywhere. All of it is up and settled when the first command comes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ha_monitor.errors import ConfigError, ConfigErrors
from ha_monitor.model import (
    TIMINGS,
    ClusterConfig,
    Failback,
    FailbackKind,
    Group,
    MoveLimit,
    Quorum,
    Resource,
    ResourceKind,
    Run,
    Timing,
    Voter,
    Watchdog,
)
from ha_monitor.sim.agenda import SLEW, HostClock
from ha_monitor.sim.cluster_plants import CLUSTER_PLANTS, SOUND, ClusterPlant
from ha_monitor.sim.story import Line, Story
from ha_monitor.sim.story_fencing import fencing_of
from ha_monitor.timebase import SECOND, parse_duration_ns

USUAL_GROUP = "www 192.0.2.100 nginx@everywhere"
AGENT_TIMEOUT_NS = 3 * SECOND  # of a start and a stop in stories, so that nobody waits long
STATUS_TIMEOUT_NS = SECOND
NAMES_VOTERS = ("group", "clock", "quorum", "fence-levels")
HALF_DRIFT = 0.0005  # two clocks at both ends differ by the whole bound
CLOCKS: Mapping[str, HostClock] = {
    "exact": HostClock(1000 * SECOND, 1.0, 1.0),
    "fast": HostClock(1000 * SECOND, 1 + HALF_DRIFT, 1 + SLEW),
    "slow": HostClock(1000 * SECOND, 1 - HALF_DRIFT, 1 - SLEW),
}


@dataclass
class Cast:
    """Who plays. ``is_cold``: nothing is switched on yet."""

    nodes: tuple[str, ...] = ("pub2", "pub3")
    witness: str = "mon"
    links: tuple[str, ...] = ("lan", "direct")
    timing: Timing = TIMINGS["lan"]
    start_grace_ns: int = 3 * SECOND
    groups: list[Group] = field(default_factory=list)
    clocks: dict[str, HostClock] = field(default_factory=dict)
    seed: int = 1
    is_cold: bool = False
    plant: ClusterPlant = SOUND
    quorum: Quorum = Quorum.WITNESS  # with a majority of Nodes, or one Node alone, where there is no Witness
    fence_delay_ns: int = SECOND
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)  # fence devices of a Node, one a level
    watchdog_ns: int = 0  # 0: there is none
    tells_only_groups: bool = False  # for bad weather: by which packets were lost voters miss each other

    def config(self) -> ClusterConfig:
        """The same as a daemon would have read it."""
        nodes = tuple(Voter(i, name, self._addresses(i)) for i, name in enumerate(self.nodes))
        lan = {self.links[0]: ipaddress.ip_address("192.0.2.9")}
        witness = Voter(len(nodes), self.witness, lan, is_witness=True) if self.witness else None
        groups = tuple(self.groups) or (_group(USUAL_GROUP.split(), self.nodes),)
        return ClusterConfig(
            "web",
            nodes,
            witness,
            groups,
            self.timing,
            start_grace_ns=self.start_grace_ns,
            digest="d",
            quorum=self.quorum,
            ping=(ipaddress.ip_address("192.0.2.1"),) if self.quorum is Quorum.PING else (),
            fencing=fencing_of(self.levels, self.fence_delay_ns),
            watchdog=Watchdog("/dev/watchdog", self.watchdog_ns) if self.watchdog_ns else None,
        )

    def _addresses(self, index: int) -> dict[str, ipaddress.IPv4Address | ipaddress.IPv6Address]:
        networks = ("192.0.2", "198.51.100", "203.0.113")
        return {
            link: ipaddress.ip_address(f"{network}.{12 + index}")
            for link, network in zip(self.links, networks, strict=False)
        }


def read_cast(story: Story) -> Cast:
    """The cluster that a story describes. Raises ConfigErrors with every line that does not fit."""
    cast, errors = Cast(), []
    # Groups and clocks name voters, so whatever names those comes first.
    for line in sorted(story.setup, key=lambda line: line.words[0] in NAMES_VOTERS):
        try:
            _SETTERS[line.words[0]](cast, line)
        except ValueError as error:
            errors.append(ConfigError(story.where(line), line.text, str(error)))
    if errors:
        raise ConfigErrors(errors)
    return cast


def _set_nodes(cast: Cast, line: Line) -> None:
    names = line.words[1:]
    if not 1 <= len(set(names)) <= 7 or len(set(names)) != len(names):
        raise ValueError("'nodes NAME...' with one to seven different names")
    cast.nodes = names


def _set_witness(cast: Cast, line: Line) -> None:
    name = _single(line, "'witness NAME' or 'witness none'")
    cast.witness = "" if name == "none" else name


def _set_quorum(cast: Cast, line: Line) -> None:
    mode = _single(line, "'quorum fencing' or 'quorum ping'; the others follow from Nodes and Witness")
    if mode not in ("fencing", "ping") or len(cast.nodes) != 2:
        raise ValueError("'quorum fencing' or 'quorum ping', with two Nodes")
    cast.quorum, cast.witness = Quorum(mode), ""
    if cast.quorum is Quorum.FENCING:
        cast.levels = {name: (f"board-{name}",) for name in cast.nodes} | cast.levels


def _set_fence_delay(cast: Cast, line: Line) -> None:
    cast.fence_delay_ns = parse_duration_ns(_single(line, "'fence-delay TIME'"))


def _set_fence_levels(cast: Cast, line: Line) -> None:
    if len(line.words) < 3 or line.words[1] not in cast.nodes:
        raise ValueError("'fence-levels NODE DEVICE...'")
    cast.levels[line.words[1]] = line.words[2:]


def _set_watchdog(cast: Cast, line: Line) -> None:
    cast.watchdog_ns = parse_duration_ns(_single(line, "'watchdog TIME'"))


def _set_links(cast: Cast, line: Line) -> None:
    if not 1 <= len(line.words[1:]) <= 3:
        raise ValueError("'links NAME...' with one to three names; the first one joins everybody")
    cast.links = line.words[1:]


def _set_timing(cast: Cast, line: Line) -> None:
    name = _single(line, "'timing NAME'")
    if name not in TIMINGS:
        raise ValueError(f"'timing' and one of {', '.join(TIMINGS)}")
    cast.timing = TIMINGS[name]


def _set_start_grace(cast: Cast, line: Line) -> None:
    cast.start_grace_ns = parse_duration_ns(_single(line, "'start-grace TIME'"))


def _set_clock(cast: Cast, line: Line) -> None:
    if len(line.words) != 3 or line.words[2] not in CLOCKS:
        raise ValueError(f"'clock VOTER {'|'.join(CLOCKS)}'")
    voters = (*cast.nodes, cast.witness)
    if line.words[1] not in voters:
        raise ValueError(f"of a voter ({', '.join(voters)})")
    cast.clocks[line.words[1]] = CLOCKS[line.words[2]]


def _set_seed(cast: Cast, line: Line) -> None:
    cast.seed = int(_single(line, "'seed NUMBER'"))


def _set_cold(cast: Cast, line: Line) -> None:
    if len(line.words) != 1:
        raise ValueError("'cold' alone")
    cast.is_cold = True


def _set_tell(cast: Cast, line: Line) -> None:
    if line.words != ("tell", "groups"):
        raise ValueError("'tell groups'")
    cast.tells_only_groups = True


def _set_plant(cast: Cast, line: Line) -> None:
    name = _single(line, "'plant NAME'")
    if name not in CLUSTER_PLANTS:
        raise ValueError(f"'plant' and one of {', '.join(CLUSTER_PLANTS)}")
    cast.plant = CLUSTER_PLANTS[name]


def _add_group(cast: Cast, line: Line) -> None:
    group = _group(line.words[1:], cast.nodes)
    if any(other.name == group.name for other in cast.groups):
        raise ValueError("a group of a new name")
    cast.groups.append(group)


def _single(line: Line, usage: str) -> str:
    if len(line.words) != 2:
        raise ValueError(usage)
    return line.words[1]


_SETTERS: Mapping[str, Callable[[Cast, Line], None]] = {
    "nodes": _set_nodes,
    "witness": _set_witness,
    "links": _set_links,
    "timing": _set_timing,
    "group": _add_group,
    "start-grace": _set_start_grace,
    "clock": _set_clock,
    "quorum": _set_quorum,
    "fence-delay": _set_fence_delay,
    "fence-levels": _set_fence_levels,
    "watchdog": _set_watchdog,
    "seed": _set_seed,
    "cold": _set_cold,
    "plant": _set_plant,
    "tell": _set_tell,
}

GROUP_USAGE = (
    "'group NAME RESOURCE..., prefer NODE..., failback never|manual|after TIME|between, "
    "exclusive TIME, moves NUMBER TIME'"
)


def _group(words: Sequence[str], nodes: tuple[str, ...]) -> Group:
    """``www 192.0.2.100 nginx@everywhere, prefer pub3 pub2, failback after 2s``."""
    head, *clauses = (clause.split() for clause in " ".join(words).split(","))
    if len(head) < 2:
        raise ValueError(GROUP_USAGE)
    prefer, failback, stop_within_ns, limit = nodes, Failback(), 0, MoveLimit()
    for clause in clauses:
        match clause:
            case ["prefer", *names] if names and set(names) <= set(nodes):
                prefer = tuple(names)
            case ["failback", *policy]:
                failback = _failback(policy)
            case ["exclusive", length]:
                stop_within_ns = parse_duration_ns(length)
            case ["moves", number, length] if number.isdecimal():
                limit = MoveLimit(int(number), parse_duration_ns(length))
            case _:
                raise ValueError(f"{GROUP_USAGE}, with Nodes of {', '.join(nodes)}")
    resources = tuple(_resource(word) for word in head[1:])
    return Group(head[0], prefer, resources, failback, stop_within_ns > 0, stop_within_ns, limit)


def _failback(policy: Sequence[str]) -> Failback:
    match policy:
        case ["never" | "manual" as kind]:
            return Failback(FailbackKind(kind))
        case ["after", length]:
            return Failback(FailbackKind.AFTER, after_ns=parse_duration_ns(length))
        case ["between"]:
            return Failback(FailbackKind.BETWEEN, window=(120, 300))
    raise ValueError(GROUP_USAGE)


def _resource(word: str) -> Resource:
    """A service address, or a service: on the Owner alone, or ``@everywhere``."""
    name, at, run = word.partition("@")
    if word[0].isdecimal():
        address = ipaddress.ip_interface(f"{word}/24")
        return Resource(str(address), ResourceKind.VIP, address=address)
    if at and run != "everywhere":
        raise ValueError("a service address, a name, or NAME@everywhere")
    return Resource(
        name,
        ResourceKind.COMMAND,
        Run.EVERYWHERE if at else Run.OWNER,
        start="start",
        stop="stop",
        status="status",
        start_timeout_ns=AGENT_TIMEOUT_NS,
        stop_timeout_ns=AGENT_TIMEOUT_NS,
        status_timeout_ns=STATUS_TIMEOUT_NS,
    )
