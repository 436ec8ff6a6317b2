"""Checks of what a Node would serve and whom it would tell: Resources, sinks, the promise's limits."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import psutil

from ha_monitor.cli.findings import Finding, error, note, ok, warning
from ha_monitor.cli.this_host import Bearer, device_for
from ha_monitor.errors import PrerequisiteError
from ha_monitor.model import ClusterConfig, Group, NagiosSink, Resource, ResourceKind, Run
from ha_monitor.runtime.accounts import NAME, publisher_account
from ha_monitor.runtime.children import Account
from ha_monitor.sinks.choose import sinks_for
from ha_monitor.sinks.nsca_ng import NscaNgSink

CONNECT_TIMEOUT_S = 2.0
SYSTEMCTL_TIMEOUT_S = 10


def check_resources(
    config: ClusterConfig, found: tuple[Bearer, ...], *, is_running: bool
) -> Iterable[Finding]:
    """Every Resource of every group, on this Node."""
    for group in config.groups:
        for resource in group.resources:
            if resource.kind is ResourceKind.VIP:
                yield from _check_vip(group, resource, found, is_running=is_running)
            else:
                yield from _CHECKS[resource.kind](group, resource)


def _check_vip(
    group: Group, resource: Resource, found: tuple[Bearer, ...], *, is_running: bool
) -> Iterable[Finding]:
    assert resource.address is not None, f"{resource.name} has no address"
    what = f"[groups.{group.name}] vip {resource.address}"
    device = resource.device or device_for(resource.address, found)
    if not device:
        remedy = 'give `device = "..."`, or an address of that network to this host'
        yield error(f"{what}: no device of this host is in {resource.address.network}", remedy)
        return
    if device not in psutil.net_if_stats():
        yield error(f"{what}: there is no device {device} here", f"see `ip link`; here: {_devices()}")
        return
    bearers = [bearer.device for bearer in found if bearer.interface.ip == resource.address.ip]
    if bearers and not is_running:
        remedy = "remove it from the host's own network configuration: only the Owner may have it"
        yield warning(f"{what} stands on {bearers[0]} although no daemon runs", remedy)
    yield ok(f"{what} goes to {device}")


def _devices() -> str:
    return ", ".join(name for name in psutil.net_if_stats() if name != "lo")


def _check_systemd(group: Group, resource: Resource) -> Iterable[Finding]:
    what = f"[groups.{group.name}] systemd {resource.unit}"
    answer = _unit_properties(resource.unit)
    if answer is None:
        yield error(f"{what}: systemctl does not answer here", "use `command` with start, stop and status")
    elif answer.get("LoadState") != "loaded":
        state = answer.get("LoadState", "unknown")
        yield error(f"{what}: the unit is {state}", f"install it, or see `systemctl status {resource.unit}`")
    elif resource.run is Run.OWNER and answer.get("UnitFileState") == "enabled":
        remedy = f"systemctl disable {resource.unit}: only the Owner may run it"
        yield warning(f"{what} starts at boot on every Node", remedy)
    else:
        yield ok(f"{what} is {answer.get('ActiveState', 'there')}")


def _unit_properties(unit: str) -> Mapping[str, str] | None:
    command = ["systemctl", "show", "--property=LoadState,UnitFileState,ActiveState", "--", unit]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SYSTEMCTL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {key: value for key, _, value in pairs} if done.returncode == 0 else None


def _check_command(group: Group, resource: Resource) -> Iterable[Finding]:
    troubled = False
    for verb in ("start", "stop", "status"):
        program = shlex.split(getattr(resource, verb))[0]
        if not (os.path.isfile(program) and os.access(program, os.X_OK)):
            troubled = True
            what = f"[groups.{group.name}] command {resource.name}: {verb} = {program!r} is no program"
            yield error(what, "install it here, or mend the path; chmod +x if it is a script")
    if not troubled:
        yield ok(f"[groups.{group.name}] command {resource.name}: its programs are here")


_CHECKS: Mapping[ResourceKind, Callable[[Group, Resource], Iterable[Finding]]] = {
    ResourceKind.SYSTEMD: _check_systemd,
    ResourceKind.COMMAND: _check_command,
}


def check_sinks(config: ClusterConfig) -> Iterable[Finding]:
    """Whether what is published can get there; a TCP connection, nothing is sent."""
    if config.nagios is None and config.zabbix is None:
        yield note("nobody is told of anything yet: there is no [publish.nagios] and no [publish.zabbix]")
    if config.nagios:
        yield from _check_nagios(config.nagios, config)
    if config.zabbix:
        yield from _reach("[publish.zabbix] server", config.zabbix.server)
        yield from _check_secret("[publish.zabbix] credentials", config.zabbix.credentials, None)


def _check_nagios(sink: NagiosSink, config: ClusterConfig) -> Iterable[Finding]:
    if any(isinstance(way, NscaNgSink) for way in sinks_for(config, Path("/nonexistent"))):
        yield from _reach("[publish.nagios] nsca_ng", sink.nsca_ng)
        yield from _check_nsca_ng_secret(sink.nsca_ng_secret, config)
        if not shutil.which("send_nsca"):
            yield error("[publish.nagios] nsca_ng: no program send_nsca here", "apt install nsca-ng-client")
    for key, path, is_right in (
        ("command_file", sink.command_file, stat.S_ISFIFO),
        ("spool", sink.spool, stat.S_ISDIR),
    ):
        if path:
            yield _check_local(f"[publish.nagios] {key} {path}", Path(path), is_right)


def _check_nsca_ng_secret(path: str, config: ClusterConfig) -> Iterable[Finding]:
    try:
        account = publisher_account(config)
    except PrerequisiteError as failure:
        yield error(str(failure))
    else:
        yield from _check_secret("[publish.nagios] nsca_ng_secret", path, account)


def _check_local(what: str, path: Path, is_right: Callable[[int], bool]) -> Finding:
    try:
        mode = path.stat().st_mode
    except OSError as failure:
        if path.parent.is_dir():
            return warning(f"{what}: {failure.strerror}", "is Nagios running? what is told waits on disk")
        return note(f"{what}: {failure.strerror}; used only on the host where Nagios runs")
    if not is_right(mode):
        return error(f"{what}: of another kind than it should be", "see Nagios' own configuration")
    return ok(what)


def _reach(what: str, server: str) -> Iterable[Finding]:
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
    except OSError as failure:
        reason = failure.strerror or str(failure)
        remedy = "is it running, and do firewalls let TCP pass? what is told meanwhile waits on disk"
        yield warning(f"{what} {server}: {reason}", remedy)
    else:
        yield ok(f"{what} {server} can be reached")


def _check_secret(what: str, path: str, account: Account | None) -> Iterable[Finding]:
    """``account``: who must read it besides root; None: only `provision` needs it, where that is run."""
    if not path:
        return
    try:
        status = os.stat(path)
    except OSError as failure:
        if account is None:
            yield note(f"{what} {path}: {failure.strerror}; needed only where `provision` is run")
        else:
            remedy = "see docs/configuration.md for what stands in it"
            yield error(f"{what} {path}: {failure.strerror}", remedy)
        return
    remedy = f"chown root:{NAME if account else 'root'} {path} && chmod 0640 {path}"
    if status.st_mode & 0o007:
        yield error(f"{what} {path}: everybody on this host may read it", remedy)
    elif account is not None and not _may_read(account, status):
        yield error(f"{what} {path}: the publisher (uid {account.uid}) may not read it", remedy)


def _may_read(account: Account, status: os.stat_result) -> bool:
    if account.uid in (0, status.st_uid):
        return bool(status.st_mode & stat.S_IRUSR)
    in_group = status.st_gid in (account.gid, *account.groups)
    return bool(status.st_mode & (stat.S_IRGRP if in_group else stat.S_IROTH))


def check_limits(config: ClusterConfig) -> Iterable[Finding]:
    """Where the promise ends with this configuration."""
    for group in config.groups:
        alone = [
            resource.name
            for resource in group.resources
            if resource.run is Run.OWNER and resource.kind is not ResourceKind.VIP
        ]
        if group.exclusive:
            continue  # see check_exclusive
        if not group.addresses:
            what = f"[groups.{group.name}] has no vip: nothing makes a frozen old Owner unreachable"
            yield warning(what, "the promise covers what is reached through a vip")
        elif alone:
            names = ", ".join(alone)
            yield note(
                f'[groups.{group.name}] {names} with run = "owner": on a frozen old Owner it may still run,'
                " unreachable, until that Node wakes; data that must have one writer needs exclusive = true"
            )
