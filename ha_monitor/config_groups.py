"""The ``[groups.NAME]`` and ``[publish.*]`` tables of cluster.toml. For config.py."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from ha_monitor.config_exclusive import read_exclusive
from ha_monitor.config_table import (
    Table,
    Unfit,
    duration,
    file_path,
    host_port,
    name_like,
    one_of,
    service_address,
    text,
    url,
)
from ha_monitor.errors import MISSING
from ha_monitor.model import (
    Failback,
    FailbackKind,
    Group,
    MoveLimit,
    NagiosSink,
    Resource,
    ResourceKind,
    Run,
    Watchdog,
    ZabbixSink,
)
from ha_monitor.timebase import MS, SECOND

GROUPS_MAX = 16
RESOURCES_MAX = 32
DEVICE = name_like(r"[^\s/:]{1,15}", "the name of a network device, such as eth0")
GROUP = name_like(
    r"[a-z0-9][a-z0-9_-]{0,31}", "a group's name: up to 32 of a-z 0-9 _ -, beginning with a letter or digit"
)
RESOURCE = name_like(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", "a name: up to 64 of letters, digits and _ . @ -")
UNIT_SUFFIXES = (".service", ".socket", ".target", ".mount", ".path", ".timer", ".scope", ".slice")

_AFTER = re.compile(r"after (\S+)")
_BETWEEN = re.compile(r"between ([01]\d|2[0-3]):([0-5]\d) and ([01]\d|2[0-3]):([0-5]\d)")
_MOVES = re.compile(r"([1-9]\d{0,2}) in (\S+)")
_MOVES_WITHIN = duration(60 * SECOND, 24 * 3600 * SECOND)
_HEALTHY = duration(SECOND, 7 * 24 * 3600 * SECOND)
_TIMEOUT = duration(100 * MS, 3600 * SECOND)


def failback(value: Any) -> Failback:
    """Read the policy: never, manual, after a time, or between two times of the local day."""
    words = value if isinstance(value, str) else ""
    if words in ("never", "manual"):
        return Failback(FailbackKind(words))
    if match := _AFTER.fullmatch(words):
        return Failback(FailbackKind.AFTER, after_ns=_HEALTHY(match[1]))
    if match := _BETWEEN.fullmatch(words):
        start, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
        if start != end:
            return Failback(FailbackKind.BETWEEN, window=(start, end))
    raise Unfit('"never", "manual", "after 10m" or "between 02:00 and 05:00"')


def max_moves(value: Any) -> MoveLimit:
    """Read how often it may move unasked: a number within a time, or as often as it likes."""
    words = value if isinstance(value, str) else ""
    if words == "unlimited":
        return MoveLimit(0)
    if match := _MOVES.fullmatch(words):
        return MoveLimit(int(match[1]), _MOVES_WITHIN(match[2]))
    raise Unfit('"6 in 1h" or "unlimited"')


def command_line(value: Any) -> str:
    """A line for ``/bin/sh -c``; the program by its whole path: whose PATH would it be?"""
    try:
        words = shlex.split(text(value))
    except ValueError as error:
        raise Unfit("a command line", str(error)) from error
    if not words or not words[0].startswith("/"):
        raise Unfit("a command line whose program begins with /")
    return str(value)


def _timings(table: Table, *, with_start: bool = True) -> dict[str, int]:
    default = Resource("", ResourceKind.COMMAND)
    settings = {"status_timeout": "status_timeout_ns", "interval": "status_interval_ns"}
    if with_start:
        settings |= {"start_timeout": "start_timeout_ns", "stop_timeout": "stop_timeout_ns"}
    return {field: table.take(key, _TIMEOUT, getattr(default, field)) for key, field in settings.items()}


def _run(table: Table) -> Run:
    return Run(table.take("run", one_of("owner", "everywhere"), "owner"))


def _vip(table: Table) -> Resource | None:
    interface = table.take("vip", service_address, None)
    device = table.take("device", DEVICE, "")
    if interface is None:
        return None
    return Resource(str(interface.ip), ResourceKind.VIP, address=interface, device=device)


def _systemd(table: Table) -> Resource | None:
    unit = table.take("systemd", RESOURCE, "")
    run, timings = _run(table), _timings(table)
    if not unit:
        return None
    whole = unit if unit.endswith(UNIT_SUFFIXES) else f"{unit}.service"
    return Resource(unit, ResourceKind.SYSTEMD, run, unit=whole, **timings)  # type: ignore[arg-type]


def _command(table: Table) -> Resource | None:
    name = table.take("command", RESOURCE, "")
    lines = {key: table.need(key, command_line, "", "a command line") for key in ("start", "stop", "status")}
    pidfile = table.take("pidfile", file_path, "")
    run, timings = _run(table), _timings(table)
    if not name:
        return None
    return Resource(name, ResourceKind.COMMAND, run, pidfile=pidfile, **lines, **timings)  # type: ignore[arg-type]


_KINDS: dict[str, Callable[[Table], Resource | None]] = {
    "vip": _vip,
    "systemd": _systemd,
    "command": _command,
}


def _resource(table: Table) -> Resource | None:
    kinds = [kind for kind in _KINDS if kind in table]
    if len(kinds) != 1:
        found = " and ".join(kinds) or MISSING
        table.report("", found, "exactly one of vip, systemd or command")
        return None
    resource = _KINDS[kinds[0]](table)
    table.finish()
    return resource


def _resources(table: Table) -> tuple[Resource, ...]:
    def read(value: Any) -> list[dict[str, Any]]:
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise Unfit('a list of tables such as { vip = "192.0.2.100/24" }')
        if len(value) > RESOURCES_MAX:
            raise Unfit(f"a list of at most {RESOURCES_MAX}", "put the rest into another group")
        return value

    items: list[dict[str, Any]] = table.need(
        "resources", read, [], 'a list of tables such as { vip = "192.0.2.100/24" }'
    )
    found = (
        _resource(Table(f"{table.where} resources[{at}]", item, table.errors))
        for at, item in enumerate(items, 1)
    )
    return tuple(resource for resource in found if resource)


def _preferred(nodes: Sequence[str]) -> Callable[[Any], tuple[str, ...]]:
    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            raise Unfit("a list of Node names, best first")
        for name in value:
            if name not in nodes:
                raise Unfit(f"a list of configured Nodes ({', '.join(nodes)})", f"{name!r} is none of them")
            if value.count(name) > 1:
                raise Unfit("a list that names each Node once", f"{name!r} stands there twice")
        return tuple(value)

    return read


def read_groups(groups: Table, nodes: Sequence[str], watchdog: Watchdog | None) -> tuple[Group, ...]:
    """Every ``[groups.NAME]``, in the file's order."""
    found = []
    for name in groups.keys():  # noqa: SIM118 (a Table is no mapping)
        table = groups.table(name)
        if table is None:
            continue
        table.check("", name, GROUP)
        prefer = table.take("prefer", _preferred(nodes), tuple(nodes))
        policy = table.take("failback", failback, Failback())
        limit = table.take("max_moves", max_moves, MoveLimit())
        group = Group(name, prefer, _resources(table), policy, max_moves=limit)
        found.append(read_exclusive(table, group, watchdog))
        table.finish()
    if not found or len(found) > GROUPS_MAX:
        groups.report("", len(found), f"from 1 to {GROUPS_MAX} groups")
    return tuple(found)


def read_nagios(table: Table) -> NagiosSink:
    """``[publish.nagios]``."""
    sink = NagiosSink(
        nsca_ng=table.take("nsca_ng", host_port(5668), ""),
        nsca_ng_secret=table.take("nsca_ng_secret", file_path, ""),
        command_file=table.take("command_file", file_path, ""),
        spool=table.take("spool", file_path, ""),
    )
    table.finish()
    if not (sink.nsca_ng or sink.command_file or sink.spool):
        table.report("", MISSING, "at least one of nsca_ng, command_file, spool")
    if sink.nsca_ng and not sink.nsca_ng_secret:
        table.report("nsca_ng_secret", MISSING, "the file with NSCA-ng's identity and password lines")
    if sink.nsca_ng_secret and not sink.nsca_ng:
        table.report("nsca_ng", MISSING, "the server for which nsca_ng_secret is")
    return sink


def read_zabbix(table: Table) -> ZabbixSink:
    """``[publish.zabbix]``."""
    sink = ZabbixSink(
        server=table.need("server", host_port(10051), "", 'the server or proxy, such as "192.0.2.9:10051"'),
        api=table.take("api", url, ""),
        credentials=table.take("credentials", file_path, ""),
    )
    table.finish()
    return sink
