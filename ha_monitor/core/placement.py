"""Which Node should have a group: pure judgements on what is known, each with its reason in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ha_monitor.core.links import LinkWatch
from ha_monitor.core.nodes import Peer
from ha_monitor.core.resources import ResourceRecord
from ha_monitor.model import Address, ClusterConfig, Group, NodeState, ResourceState

# A dead switch silences everybody within a beat of each other, and each says so a beat later: only who is
# still alone after that is isolated.
ISOLATED_AFTER_BEATS = 7.5
NO_CARRIER = "no carrier"

_OF_RESOURCE = tuple(f" {state.value}" for state in ResourceState if state is not ResourceState.BLOCKED)


@dataclass(frozen=True)
class SelfHealth:
    """What may keep this Node from serving a group, gathered by the caller."""

    is_standby: bool
    is_stopping: bool
    lost_carrier: frozenset[str]  # service addresses whose device has no carrier
    isolated_links: frozenset[str]
    held_down: str = ""  # why this group was given up here a short while ago
    is_owner: bool = False  # of this group, or about to take it up again


def ineligible_reason(group: Group, records: Mapping[str, ResourceRecord], health: SelfHealth,
                      links: Mapping[str, str]) -> str:  # fmt: skip
    """Why this Node should not serve the group, "" if it may. ``links``: service address to its Link."""
    if health.is_stopping:
        return "stopping"
    if health.is_standby:
        return "standby"
    if health.held_down:
        return health.held_down
    for resource in group.addresses:
        if resource.name in health.lost_carrier:
            return f"{NO_CARRIER} for {resource.name}"
        if links.get(resource.name) in health.isolated_links:
            return f"isolated on {links[resource.name]}"
    reasons = (_resource_reason(record, health.is_owner) for record in records.values())
    return next((reason for reason in reasons if reason), "")


def _resource_reason(record: ResourceRecord, is_owner: bool) -> str:
    if record.state is ResourceState.BLOCKED:
        return f"{record.spec.name}: stop failed"
    if record.is_address or (record.is_everywhere and record.state is ResourceState.RUNNING):
        return ""
    if record.is_everywhere and record.state is ResourceState.UNKNOWN and is_owner:
        return ""  # a restarted daemon has not looked yet: no reason to move what it took up again
    if record.is_everywhere:
        return f"{record.spec.name} {record.state.value}"
    # Elsewhere it is only what a former failure left behind (a failed unit, a stale pid file): `held_down`
    # keeps the Node out for a while, and then it must be able to take over again.
    return f"{record.spec.name} failed" if record.state is ResourceState.FAILED and is_owner else ""


def is_mendable(reason: str) -> bool:
    """Whether starting a Resource again on that Node may end the reason why it should not serve."""
    is_of_resource = reason.endswith(_OF_RESOURCE) or reason.startswith("start failed")
    return is_of_resource and not reason.endswith("stop failed")


def link_of_addresses(group: Group, addresses: Mapping[str, Address]) -> dict[str, str]:
    """Which Link's network each service address lies in, for a Node with these addresses on its Links."""
    found = {}
    for resource in group.addresses:
        assert resource.address is not None, f"{resource.name} has no address"
        for link, own in addresses.items():
            if own.version == resource.address.version and own in resource.address.network:
                found[resource.name] = link
    return found


def isolated_links(peers: Iterable[Peer], links: Iterable[str], at_ns: int) -> frozenset[str]:
    """Links on which this Node hears nobody, while a peer heard elsewhere hears somebody there."""
    peers = list(peers)
    isolated = set()
    for link in links:
        watches = [p.links[link] for p in peers if link in p.links]
        if any(_is_heard_lately(w, at_ns) for w in watches) or not watches:
            continue
        if any(h.link == link and h.is_heard and h.voter != p.voter.index
               for p in peers if _is_long_mutual(p, at_ns) for h in p.report.heard):  # fmt: skip
            isolated.add(link)
    return frozenset(isolated)


def _is_long_mutual(peer: Peer, at_ns: int) -> bool:
    """After a cut a peer may be heard on one Link a moment before the others: that isolates nobody."""
    interval_ns = next(iter(peer.links.values())).interval_ns
    return peer.is_mutual(at_ns) and at_ns >= peer.mutual_since_ns + ISOLATED_AFTER_BEATS * interval_ns


def _is_heard_lately(watch: LinkWatch, at_ns: int) -> bool:
    return watch.peer_hears_us and at_ns < watch.heard_at_ns + ISOLATED_AFTER_BEATS * watch.interval_ns


def eligible_peers(group: Group, peers: Iterable[Peer]) -> list[Peer]:
    """Other Nodes that say they could take the group now, best first in the order of ``prefer``."""
    able = [p for p in peers if p.state is NodeState.ONLINE and _is_able(p, group.name)]
    return sorted(able, key=lambda p: preference(group, p.voter.name))


def preference(group: Group, node: str) -> int:
    """The Node's place in ``prefer``; one that is not named comes last and never asks."""
    return group.prefer.index(node) if node in group.prefer else len(group.prefer)


def rank(group: Group, node: str, peers: Sequence[Peer]) -> int:
    """How many Nodes that could take the group come before this one."""
    own = preference(group, node)
    return sum(1 for p in eligible_peers(group, peers) if preference(group, p.voter.name) < own)


def awaited_at_start(group: Group, node: str, peers: Iterable[Peer]) -> list[str]:
    """Preferred Nodes not ready since this one started: worth waiting for at a cluster's first start."""
    own = preference(group, node)
    return [
        p.voter.name
        for p in peers
        if preference(group, p.voter.name) < own
        and (p.was_never_heard or (p.state is NodeState.ONLINE and not _is_able(p, group.name)))
    ]


def _is_able(peer: Peer, group: str) -> bool:
    report = peer.group(group)
    return report is not None and report.is_eligible


def better_peer(group: Group, node: str, peers: Iterable[Peer]) -> Peer | None:
    """The eligible Node that the group prefers over this one, None if there is none."""
    able = eligible_peers(group, peers)
    if able and preference(group, able[0].voter.name) < preference(group, node):
        return able[0]
    return None


def reporter_group(config: ClusterConfig, name: str) -> Group:
    """The pseudo-group whose Owner speaks for the cluster."""
    return Group(name=name, prefer=tuple(n.name for n in config.nodes))
