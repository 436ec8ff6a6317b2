"""`ha-monitor check`: exclusive groups, the cgroups that end them, and the watchdog behind the guard."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from ha_monitor.cli.findings import Finding, error, note, ok, warning
from ha_monitor.errors import PrerequisiteError
from ha_monitor.model import ClusterConfig, Group, ResourceKind, Voter
from ha_monitor.runtime.cgroup import hierarchy
from ha_monitor.timebase import format_duration

ASK_TIMEOUT_S = 10


def check_exclusive(config: ClusterConfig, voter: Voter | None) -> Iterable[Finding]:
    """On a Node that may own an exclusive group: what would end it, and what would not."""
    name = voter.name if voter else ""
    groups = [group for group in config.groups if group.exclusive and name in group.prefer]
    if not groups:
        return
    for group in groups:
        wait = format_duration(config.hold_ns(group))
        yield ok(f"[groups.{group.name}] is exclusive: after a crash another Node waits for {wait}")
        yield from _check_units(group)
    try:
        place = hierarchy()
    except PrerequisiteError as failure:
        yield error(str(failure), "exclusive groups cannot be ended without")
    else:
        yield ok(f"exclusive groups are ended in cgroups of version {place.version} under {place.root}")
    yield from _check_watchdog(config)


def _check_watchdog(config: ClusterConfig) -> Iterable[Finding]:
    if config.watchdog is None:
        what = "no [watchdog]: exclusive data is not covered when guard and core die or freeze at once"
        yield warning(what, "configure one; softdog is better than none")
        return
    device = Path(config.watchdog.device)
    if not device.exists():  # opening it would start it
        yield error(f"[watchdog] {device} does not exist", "load its driver; `modprobe softdog` makes one")
        return
    yield ok(
        f"[watchdog] {device} resets this host {format_duration(config.watchdog.timeout_ns)} after a feed"
    )
    for place in Path("/sys/class/watchdog").glob(f"{device.name}*"):
        if _says(place / "nowayout") == "1":
            yield note(f"{device}: nowayout, so a stop of ha-monitor is followed by a reset of this host")


def _says(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _check_units(group: Group) -> Iterable[Finding]:
    """A unit that systemd starts again by itself would run without a Lease."""
    for resource in group.ended_by_guard:
        if resource.kind is ResourceKind.SYSTEMD and (word := _restart_of(resource.unit)) not in ("", "no"):
            what = f"[groups.{group.name}] {resource.unit} has Restart={word}: systemd would start it again"
            yield error(what, f"`systemctl edit {resource.unit}`: [Service] Restart=no")


def _restart_of(unit: str) -> str:
    argv = ["systemctl", "show", "--property=Restart", "--value", unit]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
