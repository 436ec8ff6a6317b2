"""Brings Zabbix to what the catalogue and the configuration want: host groups, templates, hosts, links.

First looked at, then changed, then looked at again: a second run finds nothing to change, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ha_monitor.model import ClusterConfig
from ha_monitor.provision.expected import ExpectedHost, hosts
from ha_monitor.provision.zabbix_api import ZabbixApi, ZabbixApiError
from ha_monitor.provision.zabbix_compare import is_change
from ha_monitor.provision.zabbix_template import CLUSTER, NODE, TEMPLATES, Template, template_text
from ha_monitor.publish.declare import HostKind

HOST_GROUP = "HA-monitor"


@dataclass(frozen=True)
class Change:
    """One step: what it does, in words, and how."""

    what: str
    make: Callable[[], Any]


def provision(api: ZabbixApi, config: ClusterConfig) -> list[str]:
    """Make all changes; return what was done, empty if nothing had to be. Raises ZabbixApiError."""
    done: list[str] = []
    # In this order: hosts need their groups and templates.
    for plan in (_groups, _templates, _hosts):
        for change in list(plan(api, config)):
            change.make()
            done.append(change.what)
        left = [change.what for change in plan(api, config)]
        if left:
            raise ZabbixApiError(f"{api.url}: still not done after it was accepted: {'; '.join(left)}")
    return done


def _group_names(config: ClusterConfig) -> tuple[str, ...]:
    return (HOST_GROUP, f"{HOST_GROUP}/{config.name}")


def _groups(api: ZabbixApi, config: ClusterConfig) -> Iterator[Change]:
    names = _group_names(config)
    found = {row["name"] for row in api.ask("hostgroup.get", output=["name"], filter={"name": list(names)})}
    for name in names:
        if name not in found:
            make = partial(api.change, "hostgroup.create", name=name)
            yield Change(f"created host group {name}", make)


def _templates(api: ZabbixApi, _config: ClusterConfig) -> Iterator[Change]:
    for template in TEMPLATES:
        request = {"format": "yaml", "source": template_text(template), "rules": import_rules(api.version)}
        if _differs(api, template, request):
            make = partial(api.change, "configuration.import", **request)
            yield Change(f"imported template {template.name}", make)


def _differs(api: ZabbixApi, template: Template, request: dict[str, Any]) -> bool:
    """Whether the import would change anything, as Zabbix itself compares."""
    known = api.ask("template.get", output=["templateid"], filter={"host": [template.name]})
    return not known or is_change(api.ask("configuration.importcompare", **request))


def import_rules(version: tuple[int, int]) -> dict[str, Any]:
    """What an import may create, change and remove inside our own templates."""
    keep = {"createMissing": True, "updateExisting": True}
    whole = {**keep, "deleteMissing": True}
    groups = {"groups": keep} if version < (6, 2) else {"template_groups": keep}
    parts = ("items", "triggers", "discoveryRules", "templateDashboards", "valueMaps")
    return {**groups, "templates": keep, **dict.fromkeys(parts, whole)}


def _template_of(host: ExpectedHost) -> str:
    return CLUSTER.name if host.kind is HostKind.CLUSTER else NODE.name


def _hosts(api: ZabbixApi, config: ClusterConfig) -> Iterator[Change]:
    names = _group_names(config)
    group_ids = {r["name"]: r["groupid"] for r in api.ask("hostgroup.get", filter={"name": list(names)})}
    rows = api.ask("template.get", output=["host"], filter={"host": [t.name for t in TEMPLATES]})
    template_ids = {row["host"]: row["templateid"] for row in rows}
    wanted = hosts(config)
    found = api.ask(
        "host.get",
        output=["host", "status"],
        filter={"host": [host.name for host in wanted]},
        selectGroups=["groupid"],
        selectParentTemplates=["templateid"],
    )
    standing = {row["host"]: row for row in found}
    for host in wanted:
        template_id = template_ids[_template_of(host)]
        group_id = group_ids[names[-1]]
        if host.name not in standing:
            yield _create(api, host, group_id, template_id)
        else:
            yield from _mend(api, standing[host.name], group_id, template_id)


def _create(api: ZabbixApi, host: ExpectedHost, group_id: str, template_id: str) -> Change:
    make = partial(
        api.change,
        "host.create",
        host=host.name,
        description=host.alias,
        groups=[{"groupid": group_id}],
        templates=[{"templateid": template_id}],
    )
    return Change(f"created host {host.name} with template {_template_of(host)}", make)


def _mend(api: ZabbixApi, row: dict[str, Any], group_id: str, template_id: str) -> Iterator[Change]:
    """Add what misses to a host that stands already; what others gave it stays."""
    ids = [{"hostid": row["hostid"]}]
    if template_id not in {t["templateid"] for t in row["parentTemplates"]}:
        linked = {"hosts": ids, "templates": [{"templateid": template_id}]}
        yield Change(
            f"linked the template to host {row['host']}", partial(api.change, "host.massadd", **linked)
        )
    if group_id not in {g["groupid"] for g in row["groups"]}:
        grouped = {"hosts": ids, "groups": [{"groupid": group_id}]}
        yield Change(f"put host {row['host']} into its group", partial(api.change, "host.massadd", **grouped))
