"""From the View to what is told now: hosts, and on each the readings of its facts.

Pure: the same View gives the same Snapshots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ha_monitor.publish.declare import Fact, HostKind, Scope, Service, Subject, Value, safe_name
from ha_monitor.publish.facts import facts_of, scopes
from ha_monitor.publish.scopes import self_node
from ha_monitor.view import View


@dataclass(frozen=True)
class Told:
    """What is told of one subject: its names, and each known Fact's value by the Fact's ident."""

    scope: Scope
    names: tuple[str, ...]
    values: Mapping[str, Value]
    says: Mapping[str, str]  # service name -> sentence when all is well

    def readings(self) -> Iterator[tuple[Fact, Value]]:
        """Each Fact with its value, unknown ones left out."""
        return ((fact, self.values[fact.ident]) for fact in facts_of(self.scope) if fact.ident in self.values)

    def services(self) -> tuple[Service, ...]:
        """The Nagios services of this subject."""
        return tuple(dict.fromkeys(fact.service for fact in facts_of(self.scope)))


@dataclass(frozen=True)
class Snapshot:
    """All that one host is told at one moment."""

    host: str
    kind: HostKind
    at_ns: int  # wall clock
    told: tuple[Told, ...]

    def signature(self) -> tuple[object, ...]:
        """Changes when something is worth telling at once; measures alone do not change it."""
        return tuple(
            (told.scope.name, told.names, fact.ident, value)
            for told in self.told
            for fact, value in told.readings()
            if fact.is_state
        )


WITNESS_WAITS_S = 10


def tells_cluster(view: View) -> bool:
    """Whether this voter speaks for the cluster: the reporter, or a Witness that sees no Node online.

    A Witness that has just started sees nobody yet: it waits, else it would talk over the reporter.
    """
    if view.role == "witness":
        me = self_node(view)
        return view.nodes_online == 0 and me is not None and me.uptime_s >= WITNESS_WAITS_S
    return view.reporter == view.self_name


def snapshots(view: View) -> tuple[Snapshot, ...]:
    """This voter's own host, and the cluster's host if this voter speaks for it."""
    own = Snapshot(safe_name(view.self_name), HostKind.VOTER, view.stamp_ns, _told(view, HostKind.VOTER))
    if not tells_cluster(view):
        return (own,)
    cluster = Snapshot(
        safe_name(view.cluster), HostKind.CLUSTER, view.stamp_ns, _told(view, HostKind.CLUSTER)
    )
    return (own, cluster)


def _told(view: View, kind: HostKind) -> tuple[Told, ...]:
    return tuple(_tell(scope, subject) for scope in scopes(kind) for subject in scope.subjects(view))


def _tell(scope: Scope, subject: Subject) -> Told:
    facts = facts_of(scope)
    read = ((fact.ident, fact.read(subject)) for fact in facts)
    values = {ident: value for ident, value in read if value is not None}
    services = dict.fromkeys(fact.service for fact in facts)
    return Told(scope, subject.names, values, {s.name: s.say(subject) for s in services})
