"""cluster.toml to ClusterConfig, strictly: every setting is known, fits, and fits the others.

All that is wrong in the file is found in one go and raised as ConfigErrors, each with where it stands, what
stands there and what should. For the short-lived child (runtime/config_child.py) and for `ha-monitor check`;
guard and core read plain.py's JSON.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from pathlib import Path

from ha_monitor.config_exclusive import check_votes, read_watchdog
from ha_monitor.config_fencing import decide_quorum, read_fencing, read_quorum
from ha_monitor.config_groups import read_groups, read_nagios, read_zabbix
from ha_monitor.config_table import Table, address, duration, name_like, one_of, whole_number
from ha_monitor.errors import MISSING, ConfigError, ConfigErrors
from ha_monitor.model import (
    TIMINGS,
    Address,
    ClusterConfig,
    Group,
    NagiosSink,
    Timing,
    Voter,
    ZabbixSink,
)
from ha_monitor.plain import to_plain
from ha_monitor.timebase import MS, SECOND, format_duration

FILE_BYTES_MAX = 1 << 20
VOTERS_MAX = 16
BEATS_MIN = 3
LEASE_MIN_NS, LEASE_MAX_NS = 200 * MS, 60 * SECOND
INTERVAL_MIN_NS, INTERVAL_MAX_NS = 10 * MS, 10 * SECOND

_CLUSTER_NAME = name_like(r"[a-z0-9][a-z0-9_-]{0,31}", "a name: up to 32 of a-z 0-9 _ -")
_HOST_NAME = name_like(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a host's name: letters, digits and . _ -")
_LINK_NAME = name_like(r"[a-z0-9][a-z0-9_-]{0,15}", "a Link's name: up to 16 of a-z 0-9 _ -")


def load_config(path: Path) -> ClusterConfig:
    """Read and check the file. Raises ConfigErrors."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        missing = ConfigError(
            str(path), MISSING, "the cluster's configuration", "make it with `ha-monitor init`"
        )
        raise ConfigErrors([missing]) from None
    except OSError as error:
        raise ConfigErrors([ConfigError(str(path), error.strerror, "a file that can be read")]) from error
    if len(raw) > FILE_BYTES_MAX:
        raise ConfigErrors([ConfigError(str(path), f"more than {FILE_BYTES_MAX} bytes", "a configuration")])
    return parse_config(raw, path.name)


def parse_config(raw: bytes, name: str = "cluster.toml") -> ClusterConfig:
    """Check the file's content. ``name``: what errors call it. Raises ConfigErrors."""
    try:
        values = tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise ConfigErrors([ConfigError(name, f"byte {error.start}", "text in UTF-8")]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigErrors([ConfigError(name, str(error), "TOML", "see https://toml.io")]) from error
    errors: list[ConfigError] = []
    config = _read(Table(name, values, errors))
    if config and not errors:
        _check_addresses(config, name, errors)
        _check_resource_names(config.groups, name, errors)
    if errors or config is None:
        raise ConfigErrors(errors)
    return dataclasses.replace(config, digest=digest_of(config))


def digest_of(config: ClusterConfig) -> str:
    """16 hex digits over what must be the same on every voter: everything but ``[publish]``."""
    shared = dataclasses.replace(config, nagios=None, zabbix=None, digest="")
    canonical = json.dumps(to_plain(shared), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2s(canonical.encode(), digest_size=8).hexdigest()


def _needed(top: Table, key: str, expected: str) -> Table:
    table = top.table(key)
    if table is None and key not in top:
        top.report(f"[{key}]", MISSING, expected)
    return table or Table(f"{top.where} [{key}]", {}, top.errors)


def _read(top: Table) -> ClusterConfig | None:
    cluster = _needed(top, "cluster", "at least the cluster's name")
    name = cluster.need("name", _CLUSTER_NAME, "", 'the cluster\'s name, such as "web"')
    timing = _timing(cluster)
    port = cluster.take("port", whole_number(1, 65535), 694)
    grace_ns = cluster.take("start_grace", duration(0, 600 * SECOND), 3 * SECOND)
    named, ping = read_quorum(cluster)
    cluster.finish()
    nodes = _nodes(_needed(top, "nodes", "the Nodes with their addresses"))
    witness = _witness(top.table("witness"), nodes)
    _check_votes(top, nodes)
    quorum = decide_quorum(top, named, ping, len(nodes), witness is not None or "witness" in top)
    fencing = read_fencing(top.table("fencing"), nodes, quorum, top)
    watchdog = read_watchdog(top.table("watchdog"))
    names = [node.name for node in nodes]
    groups = read_groups(_needed(top, "groups", "at least one group"), names, watchdog)
    check_votes(groups, quorum, top)
    nagios, zabbix = _publish(top.table("publish"))
    top.finish()
    if top.errors:
        return None
    return ClusterConfig(
        name,
        nodes,
        witness,
        groups,
        timing,
        port,
        grace_ns,
        nagios=nagios,
        zabbix=zabbix,
        quorum=quorum,
        ping=ping,
        fencing=fencing,
        watchdog=watchdog,
    )


def _timing(cluster: Table) -> Timing:
    has_own = "interval" in cluster or "lease" in cluster
    named = TIMINGS[cluster.take("timing", one_of(*TIMINGS), "lan")]
    interval_ns = cluster.take("interval", duration(INTERVAL_MIN_NS, INTERVAL_MAX_NS), named.interval_ns)
    lease_ns = cluster.take("lease", duration(LEASE_MIN_NS, LEASE_MAX_NS), named.lease_ns)
    if not has_own:
        return named
    if "timing" in cluster:
        cluster.report("timing", "timing beside interval or lease", "needed", "give one or the other")
    for key in ("interval", "lease"):
        if key not in cluster:
            cluster.report(key, MISSING, "a time: interval and lease are given together")
    beats = lease_ns / interval_ns
    if beats < BEATS_MIN or lease_ns % interval_ns:
        found = f"{format_duration(lease_ns)} with beats of {format_duration(interval_ns)}"
        cluster.report("lease", found, f"a whole number of at least {BEATS_MIN} beats")
    return Timing(interval_ns, lease_ns)


def _address_in(table: Table, key: str) -> Address | None:
    return table.take(key, address, None)


def _nodes(table: Table) -> tuple[Voter, ...]:
    nodes: list[Voter] = []
    for index, name in enumerate(table.keys()):
        table.check("", name, _HOST_NAME)
        links = table.table(name)
        if links is None:
            continue
        found = {}
        for link in links.keys():  # noqa: SIM118 (a Table is no mapping)
            links.check("", link, _LINK_NAME)
            if where := _address_in(links, link):
                found[link] = where
        if not links.keys():
            links.report("", "an empty table", 'a table of Links such as { lan = "192.0.2.12" }')
        nodes.append(Voter(index, name, found))
    _check_links(table, nodes)
    return tuple(nodes)


def _check_links(table: Table, nodes: list[Voter]) -> None:
    """The first Link joins all; another one joins at least two; one Link speaks one family."""
    if not nodes or not nodes[0].addresses:
        return
    first = next(iter(nodes[0].addresses))
    for node in nodes[1:]:
        if first not in node.addresses:
            hint = f"the first Link, {first}, joins all Nodes and the Witness"
            table.report(
                node.name, ", ".join(node.addresses) or MISSING, f"a set of Links with {first}", hint
            )
    links = dict.fromkeys(link for node in nodes for link in node.addresses)
    for link in links:
        ends = [node for node in nodes if link in node.addresses]
        if len(ends) == 1 and link != first:
            table.report(
                ends[0].name, link, "a Link that another Node has too", f"other Links: {', '.join(links)}"
            )
        if len({node.addresses[link].version for node in ends}) > 1:
            table.report("", f"Link {link}", "in one family", "give all its addresses as IPv4 or all as IPv6")


def _witness(table: Table | None, nodes: tuple[Voter, ...]) -> Voter | None:
    if table is None:
        return None
    names = table.keys()
    if len(names) != 1:
        table.report("", ", ".join(names) or MISSING, 'one Witness such as mon = "192.0.2.9"')
        return None
    (name,) = names
    table.check("", name, _HOST_NAME)
    where = _address_in(table, name)
    if name in [node.name for node in nodes]:
        table.report(name, name, "another host than the Nodes", "a Node's own vote is counted already")
    if where is None or not nodes or not nodes[0].addresses:
        return None
    link, of_node = next(iter(nodes[0].addresses.items()))
    if of_node.version != where.version:
        table.report(name, str(where), f"an IPv{of_node.version} address, as the Nodes have on {link}")
    return Voter(len(nodes), name, {link: where}, is_witness=True)


def _check_votes(top: Table, nodes: tuple[Voter, ...]) -> None:
    if not nodes and "nodes" in top:
        top.report("[nodes]", len(nodes), "at least one Node")
    if len(nodes) + 1 > VOTERS_MAX:
        top.report("[nodes]", len(nodes), f"at most {VOTERS_MAX - 1} Nodes")


def _publish(table: Table | None) -> tuple[NagiosSink | None, ZabbixSink | None]:
    if table is None:
        return None, None
    nagios, zabbix = table.table("nagios"), table.table("zabbix")
    table.finish()
    return read_nagios(nagios) if nagios else None, read_zabbix(zabbix) if zabbix else None


def _check_addresses(config: ClusterConfig, name: str, errors: list[ConfigError]) -> None:
    """No address twice: neither two voters', nor two services', nor one of each."""
    owners: dict[Address, str] = {}
    claims = [
        (where, f"[{'witness' if voter.is_witness else 'nodes'}] {voter.name} {link}")
        for voter in config.voters
        for link, where in voter.addresses.items()
    ]
    claims += [
        (resource.address.ip, f"[groups.{group.name}] vip")
        for group in config.groups
        for resource in group.addresses
        if resource.address
    ]
    for where, place in claims:
        if where in owners:
            errors.append(ConfigError(f"{name} {place}", str(where), "free", f"it is {owners[where]}'s"))
        owners.setdefault(where, place)


def _check_resource_names(groups: tuple[Group, ...], name: str, errors: list[ConfigError]) -> None:
    places: dict[str, str] = {}
    for group in groups:
        for resource in group.resources:
            if resource.name in places and resource.address is None:
                where = f"{name} [groups.{group.name}] {resource.kind.value}"
                hint = f"[groups.{places[resource.name]}] has it already"
                errors.append(ConfigError(where, resource.name, "a name that no other Resource has", hint))
            places.setdefault(resource.name, group.name)
