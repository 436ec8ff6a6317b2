"""What facts are told of: the cluster, its Nodes, groups and addresses; a host's own Links, Resources, sinks.

Scopes on the cluster's host are told by the reporter, scopes on a voter's host by that voter itself,
also when it hears nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

from ha_monitor.publish.declare import HostKind, Scope, Subject, safe_name
from ha_monitor.view import GroupView, NodeView, View


def self_node(view: View) -> NodeView | None:
    """This voter's own row; None in a view that does not list it."""
    return next((node for node in view.nodes if node.is_self), None)


def witness_node(view: View) -> NodeView | None:
    """The Witness's row; None where none is configured."""
    return next((node for node in view.nodes if node.is_witness), None)


def is_ready(node: NodeView) -> bool:
    """Whether the Node could take over what it may own. A group that is not meant for it is no obstacle."""
    return node.eligible or node.eligible_reason == "not in prefer"


def _groups(view: View) -> tuple[GroupView, ...]:
    # Pseudo-groups such as the reporter's Lease have no Resources and are nobody's business.
    return tuple(group for group in view.groups if not group.name.startswith("_"))


def _cluster(view: View) -> Sequence[Subject]:
    return (Subject(view, (), view),)


def _nodes(view: View) -> Sequence[Subject]:
    return [Subject(view, (safe_name(n.name),), n) for n in view.nodes if not n.is_witness]


def _group_subjects(view: View) -> Sequence[Subject]:
    return [Subject(view, (safe_name(g.name),), g, g) for g in _groups(view)]


def _addresses(view: View) -> Sequence[Subject]:
    return [Subject(view, (safe_name(a.name),), a, g) for g in _groups(view) for a in g.addresses]


def _own_groups(view: View) -> Sequence[Subject]:
    return _group_subjects(view) if view.role == "node" else ()


def _own_addresses(view: View) -> Sequence[Subject]:
    return _addresses(view) if view.role == "node" else ()


def _self(view: View) -> Sequence[Subject]:
    node = self_node(view)
    return (Subject(view, (), node),) if node else ()


def _self_node(view: View) -> Sequence[Subject]:
    return _self(view) if view.role == "node" else ()


def _peers(view: View) -> Sequence[Subject]:
    peers = dict.fromkeys(link.peer for link in view.links)
    me = safe_name(view.self_name)
    return [
        Subject(view, (me, safe_name(peer)), tuple(link for link in view.links if link.peer == peer))
        for peer in peers
    ]


def _links(view: View) -> Sequence[Subject]:
    me = safe_name(view.self_name)
    return [Subject(view, (me, safe_name(x.peer), safe_name(x.link)), x) for x in view.links]


def _resources(view: View) -> Sequence[Subject]:
    # A service address is told as an address, with more to say than an agent's answer.
    if view.role != "node":
        return ()
    return [
        Subject(view, (safe_name(r.name),), r, g)
        for g in _groups(view)
        for r in g.resources
        if r.kind != "vip"
    ]


def _sinks(view: View) -> Sequence[Subject]:
    return [Subject(view, (safe_name(sink.name),), sink) for sink in view.sinks]


def _fences(view: View) -> Sequence[Subject]:
    # A Node without a device may still be confirmed by hand, but a service for it is not expected anywhere.
    rows = [fence for fence in view.fences if fence.levels] if view.role == "node" else []
    return [Subject(view, (safe_name(fence.node),), fence) for fence in rows]


def _fence_devices(view: View) -> Sequence[Subject]:
    return [Subject(view, (safe_name(device.name),), device) for device in view.fence_devices]


CLUSTER = Scope("cluster", HostKind.CLUSTER, (), _cluster)
NODE = Scope("node", HostKind.CLUSTER, ("{#NODE}",), _nodes)
GROUP = Scope("group", HostKind.CLUSTER, ("{#GROUP}",), _group_subjects)
VIP = Scope("vip", HostKind.CLUSTER, ("{#VIP}",), _addresses)

SELF = Scope("self", HostKind.VOTER, (), _self)
SELF_NODE = Scope("self-node", HostKind.VOTER, (), _self_node)
PEER = Scope("peer", HostKind.VOTER, ("{#NODE}", "{#PEER}"), _peers)
LINK = Scope("link", HostKind.VOTER, ("{#NODE}", "{#PEER}", "{#LINK}"), _links)
OWN_GROUP = Scope("own-group", HostKind.VOTER, ("{#GROUP}",), _own_groups)
ADDRESS = Scope("address", HostKind.VOTER, ("{#VIP}",), _own_addresses)
RESOURCE = Scope("resource", HostKind.VOTER, ("{#RES}",), _resources)
SINK = Scope("sink", HostKind.VOTER, ("{#SINK}",), _sinks)

FENCE = Scope("fence", HostKind.VOTER, ("{#FENCED}",), _fences)
FENCE_DEVICE = Scope("fence-device", HostKind.VOTER, ("{#FDEV}",), _fence_devices)

_OF_CLUSTER = (CLUSTER, NODE, GROUP, VIP)
_OF_NODE = (OWN_GROUP, ADDRESS, RESOURCE, FENCE, FENCE_DEVICE)
SCOPES = (*_OF_CLUSTER, SELF, SELF_NODE, PEER, LINK, *_OF_NODE, SINK)
