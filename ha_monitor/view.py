"""The published picture: what one voter knows, as plain values ready for JSON.

The core fills it, the shell adds stamps, processes and sinks; facts, plugins, `status` and `explain` read it.
Lengths of time are milliseconds (``_ms``) or seconds (``_s``); -1 stands for unknown. States are the
values of the enums in model.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar


@dataclass(frozen=True)
class TransitionView:
    """One change of a group's Owner, as told to people and to both monitoring systems."""

    ident: str = ""  # unique: Node, incarnation and number
    group: str = ""
    at_ns: int = 0  # wall clock
    kind: str = ""
    cause: str = ""
    sentence: str = ""
    node_from: str = ""
    node_to: str = ""
    epoch: str = ""
    phases_ms: dict[str, float] = field(default_factory=dict)  # detect, decide, stop, start, announce, total


@dataclass(frozen=True)
class NodeView:
    """One Node (or the Witness) as this voter sees it."""

    name: str
    is_self: bool
    is_witness: bool
    state: str
    age_ms: int  # since its last report; 0 for oneself
    eligible: bool
    eligible_reason: str
    groups_active: int
    stall_max_ms: int
    uptime_s: int
    version: str
    config_digest: str
    rtt_ms: float = -1.0


@dataclass(frozen=True)
class LinkView:
    """One Link to one peer. Loss over the last minute."""

    peer: str
    link: str
    state: str
    loss_pct: float
    rtt_ms: float
    jitter_ms: float
    late: int  # counter of late heartbeats


@dataclass(frozen=True)
class AddressView:
    """One service address. ``holders``: how many Nodes say that they have it open."""

    name: str
    holders: int
    device: str
    is_present: bool
    is_open: bool
    duplicate_mac: str
    competing: int
    announcements: int


@dataclass(frozen=True)
class ResourceView:
    """One Resource on this Node."""

    name: str
    kind: str
    run: str
    state: str
    detail: str
    since_s: int
    start_ms: int
    stop_ms: int
    stop_failed: bool
    failures: int


@dataclass(frozen=True)
class GroupView:
    """One ResourceGroup as this voter sees it."""

    name: str
    state: str  # on the Owner; STOPPED when nobody owns it
    owner: str  # "" when nobody
    owners: int
    preferred: bool
    candidates: tuple[str, ...]
    eligible: bool  # this Node for this group
    eligible_reason: str
    epoch: str
    lease_left_ms: int
    renewal_margin_pct: int  # least part of the Lease left at a renewal in the last minute, Owner only
    failback: str  # policy
    failback_pending: bool
    failback_eta_s: int
    moves_1h: int
    last: TransitionView
    addresses: tuple[AddressView, ...]
    resources: tuple[ResourceView, ...]
    explain: tuple[str, ...]  # sentences: why it is where it is, what would happen next
    unasked_1h: int = 0  # of moves_1h, those that no operator ordered
    hold: str = "none"  # model.Hold: other than none asks an operator
    hold_node: str = ""  # the Node that keeps it
    hold_s: int = 0  # for how long


@dataclass(frozen=True)
class MaintenanceView:
    """Maintenance of the cluster."""

    is_on: bool
    left_s: int
    why: str
    who: str


@dataclass(frozen=True)
class ProcessView:
    """One process of this daemon. ``pss_kib`` 0 when unknown."""

    role: str
    pid: int
    restarts: int
    pss_kib: int
    scheduling: str
    locked: bool


@dataclass(frozen=True)
class SinkView:
    """One way to Nagios or Zabbix, filled by the publisher."""

    name: str
    kind: str
    state: str  # ok, backlog, down
    queue: int
    oldest_s: int
    sent: int
    refused: int
    dropped: int
    delay_s: float
    detail: str = ""


@dataclass(frozen=True)
class FenceView:
    """The fence of one other Node as this voter knows it. ``levels``: how many are configured."""

    node: str
    state: str  # idle, waiting, running, fenced, failed
    since_s: int
    why: str
    who: str
    detail: str
    took_ms: int
    count: int  # confirmed since this core began
    levels: int


@dataclass(frozen=True)
class FenceDeviceView:
    """One fence device as this voter's periodic test found it. ``age_s`` -1: not tested yet."""

    name: str
    nodes: tuple[str, ...]  # whose power it switches
    is_working: bool
    age_s: int
    detail: str


@dataclass(frozen=True)
class View:
    """Everything that one voter knows at one moment."""

    cluster: str
    self_name: str
    role: str  # node or witness
    state: str  # ok, degraded, at-risk, down
    state_reason: str
    protection: int
    protection_detail: str
    nodes_online: int
    nodes_expected: int
    votes: int
    votes_needed: int
    is_quorate: bool
    witness: str  # name, "" if none is configured
    witness_state: str
    config_digest: str
    config_match: bool
    version: str
    version_match: bool
    reporter: str
    reporter_changes: int
    maintenance: MaintenanceView
    interval_ms: int
    lease_ms: int
    incarnation: str
    is_abstaining: bool
    pauses: int
    stall_max_ms: int
    nodes: tuple[NodeView, ...]
    links: tuple[LinkView, ...]
    groups: tuple[GroupView, ...]
    stall_worst_ms: int = 0  # of the last day
    stalls: tuple[tuple[int, int], ...] = ()  # the longest lately: ms ago, ms long
    rejected: dict[str, int] = field(default_factory=dict)  # packets by reason, added by the shell
    processes: tuple[ProcessView, ...] = ()  # added by the shell
    is_realtime: bool = False
    restarts: int = 0
    watchdog: str = ""  # none, closed, missing, fed, failing, withheld; "" where nothing is exclusive
    watchdog_detail: str = ""
    stamp_ns: int = 0  # wall clock when it was made
    sinks: tuple[SinkView, ...] = ()  # added by the publisher
    quorum: str = ""  # mode, a model.Quorum value
    fences: tuple[FenceView, ...] = ()
    fence_devices: tuple[FenceDeviceView, ...] = ()
    ping_targets: int = 0
    ping_reached: int = -1  # mode ping, at the last look; -1 before it


Json = dict[str, Any]

T = TypeVar("T")


def read_view(data: Mapping[str, Any]) -> View:
    """The View that `dataclasses.asdict` and JSON made plain.

    Keys of a newer daemon are ignored, keys with a default may miss. Raises ValueError for anything
    that is no View.
    """
    try:
        return View(
            **{
                **_known(View, data),
                "maintenance": _one(MaintenanceView, data["maintenance"]),
                "nodes": _several(NodeView, data["nodes"]),
                "links": _several(LinkView, data["links"]),
                "groups": tuple(_group(group) for group in data["groups"]),
                "stalls": tuple((ago, long) for ago, long in data.get("stalls", ())),
                "processes": _several(ProcessView, data.get("processes", ())),
                "sinks": _several(SinkView, data.get("sinks", ())),
                "fences": _several(FenceView, data.get("fences", ())),
                "fence_devices": tuple(_device(row) for row in data.get("fence_devices", ())),
            }
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"this is no view of ha-monitor: {type(error).__name__} {error}") from error


def _device(data: Mapping[str, Any]) -> FenceDeviceView:
    return FenceDeviceView(**{**_known(FenceDeviceView, data), "nodes": tuple(data["nodes"])})


def _group(data: Mapping[str, Any]) -> GroupView:
    return GroupView(
        **{
            **_known(GroupView, data),
            "candidates": tuple(data["candidates"]),
            "last": _one(TransitionView, data["last"]),
            "addresses": _several(AddressView, data["addresses"]),
            "resources": _several(ResourceView, data["resources"]),
            "explain": tuple(data["explain"]),
        }
    )


def read_transition(data: Mapping[str, Any]) -> TransitionView:
    """One transition that JSON made plain. Raises ValueError."""
    try:
        return _one(TransitionView, data)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"this is no transition: {error}") from error


def _several(kind: type[T], rows: Any) -> tuple[T, ...]:
    return tuple(_one(kind, row) for row in rows)


def _one(kind: type[T], row: Mapping[str, Any]) -> T:
    return kind(**_known(kind, row))


def _known(kind: type[Any], row: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(kind)}
    return {name: value for name, value in row.items() if name in names}
