"""ClusterConfig as plain JSON values, and back, with the standard library only.

Guard and core get the configuration this way from a short-lived child, so that they load no parser. The
values were checked by whoever made them: a mistake here is ours, not an operator's.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from ha_monitor.model import (
    ClusterConfig,
    Failback,
    FailbackKind,
    FenceDevice,
    FenceStep,
    Fencing,
    Group,
    MoveLimit,
    NagiosSink,
    Quorum,
    Resource,
    ResourceKind,
    Run,
    Timing,
    Voter,
    Watchdog,
    ZabbixSink,
)

_SAME = (
    "name",
    "device",
    "unit",
    "start",
    "stop",
    "status",
    "pidfile",
    "start_timeout_ns",
    "stop_timeout_ns",
    "status_timeout_ns",
    "status_interval_ns",
)


def to_plain(config: ClusterConfig) -> dict[str, Any]:
    """Values that JSON can hold, in the order of the file."""
    return {
        "name": config.name,
        "nodes": [_voter_to(node) for node in config.nodes],
        "witness": _voter_to(config.witness) if config.witness else None,
        "groups": [_group_to(group) for group in config.groups],
        "timing": {"interval_ns": config.timing.interval_ns, "lease_ns": config.timing.lease_ns},
        "port": config.port,
        "start_grace_ns": config.start_grace_ns,
        "digest": config.digest,
        "nagios": vars(config.nagios) if config.nagios else None,
        "zabbix": vars(config.zabbix) if config.zabbix else None,
        "quorum": config.quorum.value,
        "ping": [str(target) for target in config.ping],
        "fencing": _fencing_to(config.fencing),
        "watchdog": vars(config.watchdog) if config.watchdog else None,
    }


def from_plain(values: dict[str, Any]) -> ClusterConfig:
    """What ``to_plain`` was given."""
    return ClusterConfig(
        name=values["name"],
        nodes=tuple(_voter_from(node) for node in values["nodes"]),
        witness=_voter_from(values["witness"]) if values["witness"] else None,
        groups=tuple(_group_from(group) for group in values["groups"]),
        timing=Timing(**values["timing"]),
        port=values["port"],
        start_grace_ns=values["start_grace_ns"],
        digest=values["digest"],
        nagios=NagiosSink(**values["nagios"]) if values["nagios"] else None,
        zabbix=ZabbixSink(**values["zabbix"]) if values["zabbix"] else None,
        quorum=Quorum(values["quorum"]),
        ping=tuple(ipaddress.ip_address(target) for target in values["ping"]),
        fencing=_fencing_from(values["fencing"]),
        watchdog=Watchdog(**values["watchdog"]) if values["watchdog"] else None,
    )


def _fencing_to(fencing: Fencing) -> dict[str, Any]:
    steps = {
        node: [[[step.device, step.plug] for step in level] for level in levels]
        for node, levels in fencing.levels.items()
    }
    devices = [
        {**vars(device), "options": dict(device.options), "secrets": dict(device.secrets)}
        for device in fencing.devices
    ]
    return {**vars(fencing), "devices": devices, "levels": steps}


def _fencing_from(values: dict[str, Any]) -> Fencing:
    levels = {
        node: tuple(tuple(FenceStep(device, plug) for device, plug in level) for level in levels)
        for node, levels in values["levels"].items()
    }
    devices = tuple(
        FenceDevice(**{**device, "options": _pairs(device["options"]), "secrets": _pairs(device["secrets"])})
        for device in values["devices"]
    )
    return Fencing(**{**values, "devices": devices, "levels": levels})


def _pairs(options: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(options.items())


def _voter_to(voter: Voter) -> dict[str, Any]:
    addresses = {link: str(where) for link, where in voter.addresses.items()}
    return {
        "index": voter.index,
        "name": voter.name,
        "addresses": addresses,
        "is_witness": voter.is_witness,
    }


def _voter_from(values: dict[str, Any]) -> Voter:
    addresses = {link: ipaddress.ip_address(where) for link, where in values["addresses"].items()}
    return Voter(values["index"], values["name"], addresses, values["is_witness"])


def _group_to(group: Group) -> dict[str, Any]:
    policy = group.failback
    return {
        "name": group.name,
        "prefer": list(group.prefer),
        "failback": {
            "kind": policy.kind.value,
            "after_ns": policy.after_ns,
            "window": list(policy.window),
        },
        "max_moves": vars(group.max_moves),
        "resources": [_resource_to(resource) for resource in group.resources],
        "exclusive": group.exclusive,
        "stop_within_ns": group.stop_within_ns,
    }


def _group_from(values: dict[str, Any]) -> Group:
    policy = values["failback"]
    start, end = policy["window"]
    failback = Failback(FailbackKind(policy["kind"]), policy["after_ns"], (start, end))
    resources = tuple(_resource_from(resource) for resource in values["resources"])
    max_moves = MoveLimit(**values["max_moves"])
    name, prefer = values["name"], tuple(values["prefer"])
    return Group(name, prefer, resources, failback, values["exclusive"], values["stop_within_ns"], max_moves)


def _resource_to(resource: Resource) -> dict[str, Any]:
    return {
        **{name: getattr(resource, name) for name in _SAME},
        "kind": resource.kind.value,
        "run": resource.run.value,
        "address": str(resource.address) if resource.address else None,
    }


def _resource_from(values: dict[str, Any]) -> Resource:
    return Resource(
        **{name: values[name] for name in _SAME},
        kind=ResourceKind(values["kind"]),
        run=Run(values["run"]),
        address=ipaddress.ip_interface(values["address"]) if values["address"] else None,
    )
