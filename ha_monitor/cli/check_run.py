"""What `ha-monitor check` does: gather findings from both files and this host, print them, worst decides."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from ha_monitor import client, paths
from ha_monitor.cli.check_exclusive import check_exclusive
from ha_monitor.cli.check_fencing import check_fencing, check_quorum
from ha_monitor.cli.check_host import check_addresses, check_kernel, check_ports, check_realtime
from ha_monitor.cli.check_services import check_limits, check_resources, check_sinks
from ha_monitor.cli.findings import ERROR, Finding, error, note, ok, warning
from ha_monitor.cli.this_host import bearers, voter_here
from ha_monitor.config import load_config
from ha_monitor.config_keys import load_keys
from ha_monitor.errors import ConfigErrors, ControlError
from ha_monitor.model import STALLS_PER_LEASE, ClusterConfig, Voter
from ha_monitor.runtime.instance import GUARD_LOCK, ProcessLock
from ha_monitor.view import View

ANSWER_WITHIN_S = 2.0


def check(*, as_json: bool, is_offline: bool) -> int:
    """Print every finding on a line of its own; exit code 0, 1 or 2."""
    findings = list(_findings(is_offline=is_offline))
    worst = max((finding.level for finding in findings), default=0)
    if as_json:
        print(json.dumps([finding.as_dict() for finding in findings]))
        return worst
    for finding in findings:
        print(finding.line)
    errors = sum(finding.level == ERROR for finding in findings)
    warnings = sum(finding.level == 1 for finding in findings)
    print(f"{errors} errors, {warnings} warnings")
    return worst


def _findings(*, is_offline: bool) -> Iterable[Finding]:
    if os.geteuid() != 0:
        yield warning("not root: what only root may look at is reported as missing", "run it with sudo")
    config = None
    try:
        config = load_config(paths.etc_dir() / "cluster.toml")
    except ConfigErrors as found:
        yield from (error(str(one)) for one in found.errors)
    yield from _check_keys(paths.etc_dir() / "cluster.key")
    if config is None:
        return
    yield ok(
        f"configuration of cluster {config.name}, {config.digest}: compare it with `check` on the others"
    )
    view, pid = running_view(), daemon_pid()
    if pid and view is None:
        yield error(
            f"a daemon runs here (pid {pid}) and does not answer", "see its log: journalctl -u ha-monitor"
        )
    found_here = bearers()
    here = frozenset(bearer.interface.ip for bearer in found_here)
    voter = voter_here(config, here)
    yield from check_addresses(config, voter, here)
    yield from check_realtime()
    yield from check_ports(config, voter, is_running=bool(pid) or view is not None)
    if voter and not voter.is_witness:
        yield from check_kernel(config)
        yield from check_resources(config, found_here, is_running=bool(pid) or view is not None)
        yield from check_exclusive(config, voter)
    if not is_offline:
        yield from check_sinks(config)
    yield from check_limits(config)
    yield from check_quorum(config)
    yield from check_fencing(config, voter, view)
    yield from _check_peers(config, voter, view)


def _check_keys(path: Path) -> Iterable[Finding]:
    try:
        keys = load_keys(path)
    except ConfigErrors as found:
        yield from (error(str(one)) for one in found.errors)
        return
    idents = ", ".join(str(ident) for ident, _ in keys.keys)
    yield ok(f"{path}: keys {idents}; {keys.sealing} seals")
    if len(keys.keys) > 1:
        yield note("several keys: remove the old one once every host seals with the new one")


def running_view() -> View | None:
    """What this host's running daemon knows, if there is one."""
    try:
        return client.fetch_view(ANSWER_WITHIN_S)
    except ControlError:
        return None


def daemon_pid() -> int:
    """The guard on this host by the lock that it holds, 0 if there is none."""
    path = paths.run_dir() / GUARD_LOCK
    try:
        return ProcessLock(path).holder_pid() if path.exists() else 0
    except OSError:
        return 0  # not root


def _check_peers(config: ClusterConfig, voter: Voter | None, view: View | None) -> Iterable[Finding]:
    if view is None or voter is None:
        yield note("no daemon runs here: peers' configurations were not compared")
        return
    if view.config_digest != config.digest:
        what = f"the running daemon uses configuration {view.config_digest}, the file is {config.digest}"
        yield warning(what, "`ha-monitor restart` takes the file; no service is touched")
    for node in view.nodes:
        if not node.is_self and node.config_digest and node.config_digest != config.digest:
            what = f"{node.name} uses configuration {node.config_digest}, this host's file is {config.digest}"
            yield error(what, f"copy cluster.toml to {node.name} and run `ha-monitor restart` there")
    stall_ms, lease_ms = max(view.stall_max_ms, view.stall_worst_ms), config.timing.lease_ns // 1_000_000
    if stall_ms * STALLS_PER_LEASE > lease_ms:
        what = f"this host stalled for {stall_ms} ms, the Lease lasts {lease_ms} ms"
        yield warning(what, f"give the Lease at least {stall_ms * STALLS_PER_LEASE} ms, or find what stalls")
