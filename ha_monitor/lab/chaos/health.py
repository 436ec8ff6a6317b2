"""Is the cluster as it should be without a fault? By the daemons' word and what is seen. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ha_monitor.lab.cast import NODES
from ha_monitor.model import GroupState, NodeState, Protection
from ha_monitor.view import GroupView, View


def unrest(views: Mapping[str, View | None], answering: Mapping[str, str | None]) -> list[str]:
    """Everything that is not well, in sentences; empty when all is.

    ``answering``: which host answers the outside observer for each group.
    """
    return [*_of_daemons(views), *_of_outside(views, answering)]


def _of_daemons(views: Mapping[str, View | None]) -> Iterator[str]:
    for name, view in views.items():
        if view is None:
            yield f"{name} gives no status"
            continue
        if view.is_abstaining:
            yield f"{name} abstains from votes"
        if view.role == "node" and view.protection != Protection.KERNEL_LEASE:
            yield f"{name}: protection is {view.protection}: {view.protection_detail}"
        if not view.config_match:
            yield f"{name} says that configurations differ"
        if not view.version_match:
            yield f"{name} says that program versions differ"
        for node in view.nodes:
            if node.state != NodeState.ONLINE.value:
                yield f"{name} says that {node.name} is {node.state}"
        for group in view.groups:
            yield from (f"{name} says that group {group.name} {what}" for what in _of_group(group))


def _of_group(group: GroupView) -> Iterator[str]:
    if group.state != GroupState.RUNNING.value or not group.owner:
        yield f"is {group.state} on {group.owner or 'no Node'}"
    elif len(group.candidates) + 1 < len(NODES):
        yield "has no candidate"


def _of_outside(views: Mapping[str, View | None], answering: Mapping[str, str | None]) -> Iterator[str]:
    for group, host in answering.items():
        if host is None:
            yield f"nobody answers for group {group}"
            continue
        for name, view in views.items():
            owner = next((g.owner for g in view.groups if g.name == group), "") if view else host
            if owner != host:
                yield f"{host} answers for group {group}, but {name} says that {owner or 'nobody'} owns it"


def questions(views: Mapping[str, View | None]) -> list[tuple[str, str, str]]:
    """Node, group and reason wherever an operator would say ``ha-monitor clear`` without looking far.

    A group whose stop has failed is not among them: that must not happen to a service that can be stopped.
    """
    nodes = {name: view for name, view in views.items() if view is not None and view.role == "node"}
    return [
        (name, group.name, group.eligible_reason if group.hold == "none" else group.hold)
        for name, view in nodes.items()
        for group in view.groups
        if group.hold != "none" or "failed" in group.eligible_reason
        if all(resource.state != "blocked" for resource in group.resources)
    ]
