"""Nagios object files for one cluster, from its configuration and the catalogue.

Every service is passive and has freshness: silence becomes UNKNOWN, a silent host becomes DOWN. Nothing
here polls. A semicolon begins a comment in these files, so none may stand in a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ha_monitor.model import ClusterConfig
from ha_monitor.provision.expected import ExpectedHost, ExpectedService, expected_services, hosts
from ha_monitor.publish.declare import FRESH_S, HostKind, safe_name
from ha_monitor.publish.facts import EVENT_SERVICE
from ha_monitor.publish.facts_group import HA_GROUP, HA_VIP
from ha_monitor.publish.facts_local import HA_LINK, HA_LINKS

HEADER = (
    "# Written by `ha-monitor export nagios`. Change the catalogue or the configuration, not this file.\n"
)
OPERATORS = "ha-monitor-operators"

COMMON = (
    HEADER
    + f"""\
# What all clusters share: include it once.

define command {{
    command_name    ha-monitor-stale
    command_line    $USER1$/check_dummy $ARG1$ "$ARG2$"
}}

define command {{
    command_name    ha-monitor-tell-nobody
    command_line    /bin/true
}}

define timeperiod {{
    timeperiod_name ha-monitor-always
    alias           ha-monitor: always
    sunday          00:00-24:00
    monday          00:00-24:00
    tuesday         00:00-24:00
    wednesday       00:00-24:00
    thursday        00:00-24:00
    friday          00:00-24:00
    saturday        00:00-24:00
}}

# Whoever is to be told becomes a member: `contactgroups {OPERATORS}` in the contact's own definition.
# This one keeps the group from being empty and tells nobody.
define contact {{
    contact_name                    ha-monitor-nobody
    alias                           ha-monitor: tells nobody
    host_notifications_enabled      0
    service_notifications_enabled   0
    host_notification_period        ha-monitor-always
    service_notification_period     ha-monitor-always
    host_notification_options       n
    service_notification_options    n
    host_notification_commands      ha-monitor-tell-nobody
    service_notification_commands   ha-monitor-tell-nobody
}}

define contactgroup {{
    contactgroup_name   {OPERATORS}
    alias               ha-monitor: who is told
    members             ha-monitor-nobody
}}

define host {{
    name                    ha-monitor-host
    register                0
    active_checks_enabled   0
    passive_checks_enabled  1
    check_freshness         1
    freshness_threshold     {FRESH_S}
    check_command           ha-monitor-stale!2!no report for more than {FRESH_S} s
    max_check_attempts      1
    check_period            ha-monitor-always
    notification_period     ha-monitor-always
    notification_options    d,u,r
    notification_interval   60
    contact_groups          {OPERATORS}
    flap_detection_enabled  0
}}

define service {{
    name                    ha-monitor-service
    register                0
    active_checks_enabled   0
    passive_checks_enabled  1
    check_freshness         1
    freshness_threshold     {FRESH_S}
    check_command           ha-monitor-stale!3!no report for more than {FRESH_S} s
    max_check_attempts      1
    check_interval          1
    retry_interval          1
    check_period            ha-monitor-always
    notification_period     ha-monitor-always
    notification_options    w,u,c,r
    notification_interval   60
    contact_groups          {OPERATORS}
    flap_detection_enabled  0
}}

# Each result counts, also when it is bad like the one before. Without freshness: after a failure nothing is
# repeated, because each repetition would notify again.
define service {{
    name                    ha-monitor-event
    use                     ha-monitor-service
    register                0
    is_volatile             1
    check_freshness         0
}}
"""
)


def object_files(config: ClusterConfig) -> Mapping[str, str]:
    """File name to content."""
    return {
        "ha-monitor-common.cfg": COMMON,
        f"ha-monitor-{safe_name(config.name)}.cfg": _cluster_file(config),
    }


def _cluster_file(config: ClusterConfig) -> str:
    group = f"ha-monitor-{safe_name(config.name)}"
    blocks = [_groups(config, group)]
    for host in hosts(config):
        blocks.append(_host(host, group))
        found = list(expected_services(config, host))
        blocks += [_service(host, entry, group) for entry in found]
        if host.kind is HostKind.CLUSTER:
            blocks += [_event(host, safe_name(g.name), group) for g in config.groups]
            blocks += _address_dependencies(config, host)
        blocks += _dependencies(host, found)
    return HEADER + "\n" + "\n".join(blocks)


def define(kind: str, values: Iterable[tuple[str, object]]) -> str:
    """One object definition."""
    lines = []
    for key, value in values:
        text = str(value)
        assert ";" not in text, f"{key}: a semicolon begins a comment: {text}"
        assert "\n" not in text, f"{key}: one line: {text}"
        lines.append(f"    {key:<32}{text}\n")
    return f"define {kind} {{\n{''.join(lines)}}}\n"


def _groups(config: ClusterConfig, group: str) -> str:
    alias = f"ha-monitor cluster {config.name}"
    return "\n".join(
        (
            define("hostgroup", (("hostgroup_name", group), ("alias", alias))),
            define("servicegroup", (("servicegroup_name", group), ("alias", alias))),
        )
    )


def _host(host: ExpectedHost, group: str) -> str:
    return define(
        "host",
        (
            ("use", "ha-monitor-host"),
            ("host_name", host.name),
            ("alias", host.alias),
            ("address", host.address),
            ("hostgroups", group),
        ),
    )


def _service(host: ExpectedHost, entry: ExpectedService, group: str) -> str:
    values = [
        ("use", "ha-monitor-service"),
        ("host_name", host.name),
        ("service_description", entry.description),
        ("servicegroups", group),
    ]
    if entry.service.is_parent and host.kind is HostKind.VOTER:
        values.append(("check_command", f"ha-monitor-stale!2!no report for more than {FRESH_S} s"))
    return define("service", values)


def _event(host: ExpectedHost, name: str, group: str) -> str:
    return define(
        "service",
        (
            ("use", "ha-monitor-event"),
            ("host_name", host.name),
            ("service_description", EVENT_SERVICE.format(name)),
            ("servicegroups", group),
        ),
    )


def _dependencies(host: ExpectedHost, found: list[ExpectedService]) -> Iterator[str]:
    """One alert per incident: while a parent is stale or critical, its children notify nobody."""
    parents = [entry for entry in found if entry.service.is_parent]
    children = [entry.description for entry in found if not entry.service.is_parent]
    # The cluster's own service is critical for reasons of its own: only its silence counts.
    when = "u" if host.kind is HostKind.CLUSTER else "u,c"
    yield from (_dependency(host, parent.description, children, when) for parent in parents)
    for parent in (entry for entry in found if entry.service is HA_LINKS):
        below = [e.description for e in found if e.service is HA_LINK and e.names[:2] == parent.names]
        yield _dependency(host, parent.description, below, "c")


def _address_dependencies(config: ClusterConfig, host: ExpectedHost) -> Iterator[str]:
    for group in config.groups:
        below = [HA_VIP.description((safe_name(r.name),)) for r in group.addresses]
        if below:
            yield _dependency(host, HA_GROUP.description((safe_name(group.name),)), below, "c")


def _dependency(host: ExpectedHost, parent: str, children: list[str], when: str) -> str:
    return define(
        "servicedependency",
        (
            ("host_name", host.name),
            ("service_description", parent),
            ("dependent_host_name", host.name),
            ("dependent_service_description", ",".join(children)),
            ("notification_failure_criteria", when),
        ),
    )
