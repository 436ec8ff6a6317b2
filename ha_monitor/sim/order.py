"""The order inside a group: started left to right, stopped right to left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ha_monitor.core import actions as ac
from ha_monitor.model import GroupState, Resource, ResourceKind, ResourceState, Run
from ha_monitor.sim.checks import SafetyBroken

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost

MAY_RUN = (ResourceState.RUNNING, ResourceState.STARTING, ResourceState.STOPPING)


def check_start_order(host: ClusterHost, action: ac.StartResource) -> None:
    """What runs on the Owner alone starts after everything left of it, as far as the agents tell."""
    resources = host.config.group(action.group).resources
    at = _place(resources, action.resource)
    if resources[at].run is Run.EVERYWHERE:
        return
    for earlier in resources[:at]:
        if not _is_up(host, action.group, earlier):
            raise SafetyBroken(f"{host.name} starts {action.resource} before {earlier.name} is up")


def check_stop_order(host: ClusterHost, action: ac.StopResource) -> None:
    """While a group is stopped, a Resource stops after everything right of it."""
    assert host.process is not None, "only a process stops something"
    if host.process.core.tenures[action.group].runner.state is not GroupState.STOPPING:
        return  # a stray, wherever it stands
    resources = host.config.group(action.group).resources
    for later in resources[_place(resources, action.resource) + 1 :]:
        if later.kind is ResourceKind.VIP:
            is_up = host.kernel.is_activated(later.name)
        else:
            is_up = later.run is Run.OWNER and _told(host, action.group, later) in MAY_RUN
        if is_up:
            raise SafetyBroken(f"{host.name} stops {action.resource} while {later.name} is still up")


def _place(resources: tuple[Resource, ...], name: str) -> int:
    return [resource.name for resource in resources].index(name)


def _is_up(host: ClusterHost, group: str, resource: Resource) -> bool:
    if resource.kind is ResourceKind.VIP:
        return host.kernel.is_activated(resource.name)
    return resource.run is Run.EVERYWHERE or _told(host, group, resource) is ResourceState.RUNNING


def _told(host: ClusterHost, group: str, resource: Resource) -> ResourceState:
    if host.process is None:
        return ResourceState.UNKNOWN
    return host.process.core.tenures[group].runner.records[resource.name].state
