"""The nouns of the field as frozen values: what is configured, and the states things can be in.

Everything else in the package speaks in these words.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ha_monitor.timebase import MS, SECOND

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

REPORTER = "_reporter"  # pseudo-group: whoever holds its Lease speaks for the cluster
STALLS_PER_LEASE = 2  # a Lease shorter than twice a host's worst stall is lost by a stall alone
CLOCK_DRIFT = 0.001  # bound on the difference of two machines' raw clock rates


class Ballot(NamedTuple):
    """Never used twice, also not across restarts. The one under which a Lease was won is its Epoch."""

    counter: int
    node: int
    incarnation: int


NO_BALLOT = Ballot(0, 0, 0)


class NodeState(enum.Enum):
    """What a Node is to its cluster."""

    JOINING = "joining"  # configured, not heard yet
    ONLINE = "online"
    STANDBY = "standby"  # takes part in votes, takes no group
    SUSPECT = "suspect"  # every Link is silent, the grace time runs
    LOST = "lost"
    STOPPED = "stopped"  # said goodbye


class LinkState(enum.Enum):
    """What a Link to one peer carries."""

    UNKNOWN = "unknown"  # nothing heard since start
    UP = "up"
    LATE = "late"  # a beat is overdue, not yet silent
    ONE_WAY = "one-way"  # heard, but the peer does not hear us
    DOWN = "down"


class GroupState(enum.Enum):
    """What a ResourceGroup does on the Node that speaks."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    DEGRADED = "degraded"  # served, but something in it failed and no other Node is better
    STOPPING = "stopping"
    MOVING = "moving"  # released to a named successor
    FAILED = "failed"  # could not be started here
    BLOCKED = "blocked"  # a stop failed: nobody may start it until an operator looked


class ResourceState(enum.Enum):
    """What an agent says about a Resource. Silence and surprises are FAILED or UNKNOWN, never STOPPED."""

    UNKNOWN = "unknown"
    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"
    BLOCKED = "blocked"  # its stop failed


class Cause(enum.Enum):
    """Why a group moved, started or stopped. A closed list: the code is an interface."""

    CLUSTER_STARTED = "cluster-started"
    NODE_SILENT = "node-silent"  # the Owner was heard on no Link until its Lease ended
    LEASE_LOST = "lease-lost"  # the Owner was heard, but did not renew: stalled, or cut from the majority
    DAEMON_DIED = "daemon-died"  # the Owner's guard released for its dead core
    DAEMON_STOPPED = "daemon-stopped"  # clean stop with hand-over
    DAEMON_RESTARTED = "daemon-restarted"  # adopted what it held, service untouched
    CARRIER_LOST = "carrier-lost"
    LINK_ISOLATED = "link-isolated"
    RESOURCE_FAILED = "resource-failed"
    START_FAILED = "start-failed"
    STOP_FAILED = "stop-failed"
    ADDRESS_DUPLICATE = "address-duplicate"
    STANDBY_ORDERED = "standby-ordered"
    SWITCHOVER_ORDERED = "switchover-ordered"
    FAILBACK = "failback"
    HIGHER_EPOCH = "higher-epoch"
    NODE_FENCED = "node-fenced"  # the Owner was powered off, and that was confirmed
    HELD = "held"  # no move: moved too often, it stays and an operator is asked
    LIVELOCK = "livelock"  # no move: passed round without being served for long, frozen, an operator is asked


class TransitionKind(enum.Enum):
    """How a transition is to be read by an operator."""

    FAILURE = "failure"
    PLANNED = "planned"
    FAILBACK = "failback"
    OPERATOR = "operator"


class Hold(enum.Enum):
    """Whether a group is held where it is, and an operator asked what is to become of it."""

    NONE = "none"
    MOVES = "moves"  # it moved too often
    LIVELOCK = "livelock"  # it was passed round and nobody served it for long


class Protection(enum.IntEnum):
    """How far the promise "at most one Owner" is enforced now."""

    BEST_EFFORT = 0
    USER_SPACE_LEASE = 1
    KERNEL_LEASE = 2
    WATCHDOG = 3
    FENCING = 4


class Quorum(enum.Enum):
    """Whose votes decide who may own a group. docs/quorum.md says what each promises."""

    WITNESS = "witness"  # Nodes and a Witness, more than half of them
    MAJORITY = "majority"  # three to seven Nodes, more than half of them
    FENCING = "fencing"  # two Nodes; who takes over has powered the other off
    PING = "ping"  # two Nodes; who reaches a target may take over: best effort
    SINGLE = "single"  # one Node; nobody takes over

    @property
    def is_pair(self) -> bool:
        """Two voters, of which one must be able to go on without the other's vote."""
        return self in (Quorum.FENCING, Quorum.PING)


@dataclass(frozen=True)
class Timing:
    """Heartbeat interval and length of a Lease; the Lease is a whole number of beats."""

    interval_ns: int = 100 * MS
    lease_ns: int = SECOND

    @property
    def owner_lease_ns(self) -> int:
        """How long an Owner counts its Lease from before the sending: T * (1 - drift)."""
        return int(self.lease_ns * (1 - CLOCK_DRIFT))


TIMINGS: Mapping[str, Timing] = {
    "lan": Timing(100 * MS, SECOND),
    "fast": Timing(50 * MS, 500 * MS),
    "metal": Timing(20 * MS, 300 * MS),
    "gentle": Timing(SECOND, 10 * SECOND),
}


@dataclass(frozen=True)
class Voter:
    """A Node or the Witness. ``addresses``: Link name to the address where its heartbeats arrive."""

    index: int
    name: str
    addresses: Mapping[str, Address]
    is_witness: bool = False


class FailbackKind(enum.Enum):
    """When a group goes back to its preferred Node."""

    NEVER = "never"
    MANUAL = "manual"
    AFTER = "after"
    BETWEEN = "between"


@dataclass(frozen=True)
class Failback:
    """``after_ns``: how long the preferred Node must be healthy. Window in minutes of the local day."""

    kind: FailbackKind = FailbackKind.NEVER
    after_ns: int = 0
    window: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class MoveLimit:
    """How many moves that nobody ordered are let happen within a time. ``moves`` 0: any number."""

    moves: int = 6
    within_ns: int = 3600 * SECOND


class ResourceKind(enum.Enum):
    """By which convention a Resource is started, stopped and probed."""

    VIP = "vip"
    SYSTEMD = "systemd"
    COMMAND = "command"


class Run(enum.Enum):
    """Where a Resource runs."""

    OWNER = "owner"
    EVERYWHERE = "everywhere"


@dataclass(frozen=True)
class Resource:
    """One member of a group. ``name`` is unique in the cluster: address, unit or command name."""

    name: str
    kind: ResourceKind
    run: Run = Run.OWNER
    address: Interface | None = None  # vip
    device: str = ""  # vip: empty means the device that bears the address's network
    unit: str = ""  # systemd
    start: str = ""  # command lines
    stop: str = ""
    status: str = ""
    pidfile: str = ""  # command: process to watch, so that its exit is seen at once
    start_timeout_ns: int = 20 * SECOND
    stop_timeout_ns: int = 20 * SECOND
    status_timeout_ns: int = 5 * SECOND
    status_interval_ns: int = SECOND


@dataclass(frozen=True)
class Group:
    """A ResourceGroup: the unit of transfer. Started left to right, stopped right to left."""

    name: str
    prefer: tuple[str, ...]  # Node names, best first; every Node that may own it
    resources: tuple[Resource, ...] = ()
    failback: Failback = Failback()
    exclusive: bool = False  # its data bears one writer: ended by the guard, held longer by the voters
    stop_within_ns: int = 0  # exclusive: by when it is ended after its Lease is over
    max_moves: MoveLimit = MoveLimit()

    @property
    def addresses(self) -> tuple[Resource, ...]:
        """The service addresses, in order."""
        return tuple(r for r in self.resources if r.kind is ResourceKind.VIP)

    @property
    def ended_by_guard(self) -> tuple[Resource, ...]:
        """What the guard of an exclusive group stops, in the order of their start."""
        members = (r for r in self.resources if r.kind is not ResourceKind.VIP and r.run is Run.OWNER)
        return tuple(members) if self.exclusive else ()


@dataclass(frozen=True)
class Watchdog:
    """``[watchdog]``: the device that resets a Node whose guard does not feed it. Whole seconds."""

    device: str
    timeout_ns: int


@dataclass(frozen=True)
class FenceDevice:
    """``[fencing.devices.NAME]``: one power switch behind a fence agent.

    ``options`` go to the agent's standard input as they stand; of ``secrets`` the value is a file that
    holds it. ``timeout_ns``: for one action of the agent.
    """

    name: str
    agent: str  # the program's whole path
    options: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    timeout_ns: int = 60 * SECOND


@dataclass(frozen=True)
class FenceStep:
    """One device of a level, and which of its plugs; the plug stands in its options where empty."""

    device: str
    plug: str = ""


@dataclass(frozen=True)
class Fencing:
    """``[fencing]``. ``levels``: of each Node, tried in order; of a level every step must succeed.

    ``delay_ns``: how long the Node that is not favoured waits before it fences. ``favour``: who does not
    wait; "" for who owns more groups, then who stands first in ``[nodes]``.
    """

    devices: tuple[FenceDevice, ...] = ()
    levels: Mapping[str, tuple[tuple[FenceStep, ...], ...]] = field(default_factory=dict)
    delay_ns: int = 5 * SECOND
    favour: str = ""
    test_every_ns: int = 600 * SECOND

    def device(self, name: str) -> FenceDevice:
        """The device of that name. Raises KeyError."""
        for device in self.devices:
            if device.name == name:
                return device
        raise KeyError(name)

    def devices_of(self, node: str) -> tuple[str, ...]:
        """Every device that some level of that Node uses, each once, in order."""
        return tuple(dict.fromkeys(s.device for level in self.levels.get(node, ()) for s in level))


@dataclass(frozen=True)
class ZabbixSink:
    """``[publish.zabbix]``: trapper destination."""

    server: str = ""  # host:port
    api: str = ""  # URL for `provision zabbix`
    credentials: str = ""  # file with user/password or token for the API


@dataclass(frozen=True)
class NagiosSink:
    """``[publish.nagios]``: one or more ways in."""

    nsca_ng: str = ""  # host:port
    nsca_ng_secret: str = ""  # file with identity and password lines
    command_file: str = ""
    spool: str = ""  # check_result_path


@dataclass(frozen=True)
class ClusterConfig:
    """Everything that the two files say, checked. The same on every Node and the Witness."""

    name: str
    nodes: tuple[Voter, ...]
    witness: Voter | None
    groups: tuple[Group, ...]
    timing: Timing = Timing()
    port: int = 694
    start_grace_ns: int = 3 * SECOND
    digest: str = ""  # 16 hex digits over what must be the same everywhere
    nagios: NagiosSink | None = None
    zabbix: ZabbixSink | None = None
    quorum: Quorum = Quorum.WITNESS
    ping: tuple[Address, ...] = ()  # targets of the mode ping
    fencing: Fencing = Fencing()
    watchdog: Watchdog | None = None
    voters: tuple[Voter, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Derive the voters: Nodes in order, then the Witness, the index is the position; and the mode."""
        object.__setattr__(self, "voters", self.nodes + ((self.witness,) if self.witness else ()))
        if self.quorum is Quorum.WITNESS and self.witness is None:
            derived = Quorum.SINGLE if len(self.nodes) == 1 else Quorum.MAJORITY
            object.__setattr__(self, "quorum", derived)

    @property
    def majority(self) -> int:
        """Votes needed: more than half of the configured voters."""
        return len(self.voters) // 2 + 1

    def hold_ns(self, group: Group) -> int:
        """How long a voter keeps what it granted: the Lease, and what ending an exclusive group takes."""
        return self.timing.lease_ns + (group.stop_within_ns if group.exclusive else 0)

    @property
    def longest_hold_ns(self) -> int:
        """The longest hold of any group: no voter grants more, and one without memory abstains so long."""
        return max((self.hold_ns(group) for group in self.groups), default=self.timing.lease_ns)

    def voter(self, name: str) -> Voter:
        """The voter of that name. Raises KeyError."""
        for voter in self.voters:
            if voter.name == name:
                return voter
        raise KeyError(name)

    def group(self, name: str) -> Group:
        """The group of that name. Raises KeyError."""
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)
