"""The catalogue: every Fact that this product publishes, and nothing else.

Nagios results and object files, Zabbix items, discovery, triggers, value maps and dashboards, the
reference page in docs/: all are made from this list, so both systems say the same. Add a Fact here and
run ``ha-monitor export --check``.
"""

from __future__ import annotations

from collections.abc import Iterator

from ha_monitor.publish.declare import Fact, HostKind, Scope, Service
from ha_monitor.publish.facts_cluster import CLUSTER_FACTS
from ha_monitor.publish.facts_fence import FENCE_DEVICE_FACTS, FENCE_FACTS
from ha_monitor.publish.facts_group import GROUP_FACTS, VIP_FACTS
from ha_monitor.publish.facts_local import ADDRESS_FACTS, LINK_FACTS, OWN_GROUP_FACTS, RESOURCE_FACTS
from ha_monitor.publish.facts_member import NODE_FACTS
from ha_monitor.publish.facts_node import SELF_FACTS, SELF_NODE_FACTS
from ha_monitor.publish.facts_sink import SINK_FACTS

CATALOGUE: tuple[Fact, ...] = (
    *CLUSTER_FACTS,
    *NODE_FACTS,
    *GROUP_FACTS,
    *VIP_FACTS,
    *SELF_FACTS,
    *SELF_NODE_FACTS,
    *LINK_FACTS,
    *OWN_GROUP_FACTS,
    *ADDRESS_FACTS,
    *RESOURCE_FACTS,
    *FENCE_FACTS,
    *FENCE_DEVICE_FACTS,
    *SINK_FACTS,
)

# One per group on the cluster's host: each transition, in order, with its own stamp. Volatile.
EVENT_SERVICE = "HA event {}"
EVENT_QUIET_S = 3600  # a failure's event turns to OK after this, unless another one follows
RAW_KEY = "ha.raw"
EVENT_KEY = "ha.event"
TICK_KEY = "ha.tick"


def services(host: HostKind) -> tuple[Service, ...]:
    """The services of such a host, in the order of the catalogue."""
    return tuple(dict.fromkeys(fact.service for fact in CATALOGUE if fact.scope.host is host))


def scopes(host: HostKind) -> tuple[Scope, ...]:
    """The Scopes of such a host, in the order of the catalogue."""
    return tuple(dict.fromkeys(fact.scope for fact in CATALOGUE if fact.scope.host is host))


def facts_of(scope: Scope) -> tuple[Fact, ...]:
    """All Facts of a Scope."""
    return tuple(fact for fact in CATALOGUE if fact.scope is scope)


def facts_in(service: Service) -> Iterator[Fact]:
    """All Facts that a service shows."""
    return (fact for fact in CATALOGUE if fact.service is service)
