"""`ha-monitor check`: the quorum mode and what it asks for; fence agents, their secrets, their last tests."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from ha_monitor.cli.findings import Finding, error, note, ok, warning
from ha_monitor.model import ClusterConfig, Quorum, Voter
from ha_monitor.view import View

PROMISES = {
    Quorum.WITNESS: "quorum witness: more than half of Nodes and Witness decide; at most one Owner",
    Quorum.MAJORITY: "quorum majority: more than half of the Nodes decide; at most one Owner",
    Quorum.FENCING: "quorum fencing: who takes over has powered the other Node off; at most one Owner",
    Quorum.SINGLE: "quorum single: one Node, nobody takes over",
}


def check_quorum(config: ClusterConfig) -> Iterable[Finding]:
    """What the mode promises, as a warning where that is not "at most one Owner"."""
    if config.quorum is Quorum.PING:
        targets = ", ".join(str(target) for target in config.ping)
        what = f"quorum ping: both Nodes serve when both reach {targets} and not each other"
        yield warning(what, "a Witness or fence devices promise more")
    else:
        yield ok(PROMISES[config.quorum])


def check_fencing(config: ClusterConfig, voter: Voter | None, view: View | None) -> Iterable[Finding]:
    """On a Node: what it would need to power the others off."""
    if voter is None or voter.is_witness:
        return
    others = [node.name for node in config.nodes if node.name != voter.name]
    for name in others:
        if not config.fencing.levels.get(name) and config.fencing.devices:
            yield warning(
                f"[fencing.levels] names no device for {name}", "it cannot be powered off from here"
            )
    needed = dict.fromkeys(device for name in others for device in config.fencing.devices_of(name))
    for device in (config.fencing.device(name) for name in needed):
        yield from _check_agent(device.name, Path(device.agent))
        for option, path in device.secrets:
            yield from _check_secret(f"fence device {device.name} {option}", Path(path))
    yield from _check_tests(view, needed)


def _check_agent(device: str, agent: Path) -> Iterable[Finding]:
    if not agent.is_file():
        remedy = "install it: Debian's agents are in the package fence-agents"
        yield error(f"fence device {device}: {agent} is not there", remedy)
    elif not os.access(agent, os.X_OK):
        yield error(f"fence device {device}: {agent} cannot be run", f"run: chmod 0755 {agent}")
    elif agent.stat().st_uid != 0 or stat.S_IMODE(agent.stat().st_mode) & 0o022:
        remedy = f"run: chown root {agent}; chmod go-w {agent}"
        yield warning(f"fence device {device}: others than root may change {agent}, which root runs", remedy)
    else:
        yield ok(f"fence device {device}: {agent}")


def _check_secret(what: str, path: Path) -> Iterable[Finding]:
    try:
        status, has_text = path.stat(), bool(path.read_text(encoding="utf-8").strip())
    except (OSError, ValueError) as problem:
        yield error(f"{what}: {path} cannot be read ({problem})", "put the secret alone on its first line")
        return
    if not has_text:
        yield error(f"{what}: {path} is empty", "put the secret alone on its first line")
    elif stat.S_IMODE(status.st_mode) & 0o077:
        yield error(f"{what}: others may read {path}", f"run: chmod 0600 {path}")


def _check_tests(view: View | None, needed: Iterable[str]) -> Iterable[Finding]:
    if view is None:
        if needed:
            yield note("no daemon runs here: fence devices were not tested")
        return
    for device in view.fence_devices:
        if device.age_s < 0:
            yield note(f"fence device {device.name}: the running daemon has not tested it yet")
        elif not device.is_working:
            what = f"fence device {device.name} did not pass its test {device.age_s} s ago: {device.detail}"
            yield error(what, "a fence with it would fail")
        else:
            yield ok(f"fence device {device.name} passed its test {device.age_s} s ago")
