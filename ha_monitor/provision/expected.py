"""Which hosts a configuration has in Nagios and Zabbix, and which services and subjects on each.

The daemon tells of what its View holds; here the same is said from the configuration alone, before anything
runs. A test compares both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ha_monitor.model import ClusterConfig, ResourceKind, Voter
from ha_monitor.publish import scopes
from ha_monitor.publish.declare import HostKind, Scope, Service, safe_name
from ha_monitor.publish.facts import services
from ha_monitor.publish.facts_cluster import HA_WITNESS

Names = tuple[str, ...]


@dataclass(frozen=True)
class ExpectedHost:
    """One host. ``voter`` is None for the cluster's own."""

    name: str
    alias: str
    address: str
    kind: HostKind
    voter: Voter | None = None


def hosts(config: ClusterConfig) -> tuple[ExpectedHost, ...]:
    """The cluster's host first, then Nodes and Witness."""
    addresses = [str(r.address.ip) for g in config.groups for r in g.addresses if r.address]
    first = next(iter(config.nodes[0].addresses.values()))
    cluster = ExpectedHost(
        safe_name(config.name),
        f"ha-monitor cluster {config.name}",
        addresses[0] if addresses else str(first),
        HostKind.CLUSTER,
    )
    return (cluster, *(_voter_host(config, voter) for voter in config.voters))


def _voter_host(config: ClusterConfig, voter: Voter) -> ExpectedHost:
    role = "Witness" if voter.is_witness else "Node"
    address = str(next(iter(voter.addresses.values())))
    alias = f"ha-monitor {role} of {config.name}"
    return ExpectedHost(safe_name(voter.name), alias, address, HostKind.VOTER, voter)


OF_NODES_ONLY = (
    scopes.SELF_NODE,
    scopes.OWN_GROUP,
    scopes.ADDRESS,
    scopes.RESOURCE,
    scopes.FENCE,
    scopes.FENCE_DEVICE,
)


def subjects(config: ClusterConfig, host: ExpectedHost, scope: Scope) -> tuple[Names, ...]:
    """The names of each subject of a Scope on that host."""
    if scope.host is not host.kind:
        return ()
    voter = host.voter
    if voter is None:
        return _of_cluster(config, scope)
    if voter.is_witness and scope in OF_NODES_ONLY:
        return ()
    return _of_voter(config, voter, scope)


def _of_cluster(config: ClusterConfig, scope: Scope) -> tuple[Names, ...]:
    found: dict[Scope, tuple[Names, ...]] = {
        scopes.CLUSTER: ((),),
        scopes.NODE: tuple((safe_name(node.name),) for node in config.nodes),
        scopes.GROUP: tuple((safe_name(group.name),) for group in config.groups),
        scopes.VIP: _addresses(config),
    }
    return found[scope]


def _fenced_by(config: ClusterConfig, voter: Voter) -> list[Voter]:
    return [n for n in config.nodes if n.name != voter.name and config.fencing.levels.get(n.name)]


def _devices_of(config: ClusterConfig, voter: Voter) -> dict[str, None]:
    fenced = _fenced_by(config, voter)
    return dict.fromkeys(d for node in fenced for d in config.fencing.devices_of(node.name))


def _of_voter(config: ClusterConfig, voter: Voter, scope: Scope) -> tuple[Names, ...]:
    me = safe_name(voter.name)
    links = tuple((me, safe_name(peer), safe_name(link)) for peer, link in _links(config, voter))
    others = [r for g in config.groups for r in g.resources if r.kind is not ResourceKind.VIP]
    found: dict[Scope, tuple[Names, ...]] = {
        scopes.SELF: ((),),
        scopes.SELF_NODE: ((),),
        scopes.PEER: tuple(dict.fromkeys(names[:2] for names in links)),
        scopes.LINK: links,
        scopes.OWN_GROUP: tuple((safe_name(group.name),) for group in config.groups),
        scopes.ADDRESS: _addresses(config),
        scopes.RESOURCE: tuple((safe_name(resource.name),) for resource in others),
        scopes.FENCE: tuple((safe_name(n.name),) for n in _fenced_by(config, voter)),
        scopes.FENCE_DEVICE: tuple((safe_name(name),) for name in _devices_of(config, voter)),
        scopes.SINK: tuple((name,) for name, sink in _sinks(config) if sink),
    }
    return found[scope]


def _addresses(config: ClusterConfig) -> tuple[Names, ...]:
    return tuple((safe_name(resource.name),) for group in config.groups for resource in group.addresses)


def _links(config: ClusterConfig, voter: Voter) -> Iterator[tuple[str, str]]:
    for peer in config.voters:
        if peer.name != voter.name:
            yield from ((peer.name, link) for link in voter.addresses if link in peer.addresses)


def _sinks(config: ClusterConfig) -> tuple[tuple[str, object], ...]:
    return (("nagios", config.nagios), ("zabbix", config.zabbix))


@dataclass(frozen=True)
class ExpectedService:
    """One Nagios service: its Service, and the names of its subject."""

    service: Service
    names: Names

    @property
    def description(self) -> str:
        """As Nagios calls it."""
        return self.service.description(self.names)


def expected_services(config: ClusterConfig, host: ExpectedHost) -> Iterator[ExpectedService]:
    """The services of a host, those of transitions left out, in the order of the catalogue."""
    for service in services(host.kind):
        if service is HA_WITNESS and config.witness is None:
            continue
        for names in subjects(config, host, service.scope):
            yield ExpectedService(service, names)
