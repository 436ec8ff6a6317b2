"""``exclusive`` and ``stop_within`` of a group, and the ``[watchdog]`` table. For config.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ha_monitor.config_table import Table, Unfit, duration, file_path
from ha_monitor.model import Group, Quorum, Watchdog
from ha_monitor.timebase import SECOND, format_duration

WATCHDOG_DEFAULT_NS = 10 * SECOND
STOP_WITHIN_MAX_NS = 3600 * SECOND
KILL_RESERVE_NS = SECOND  # after the stop lines: killing what is left, and proving that nothing is


def whole_seconds(value: object) -> int:
    """A watchdog counts seconds: anything else would be rounded by its driver."""
    length_ns = duration(SECOND, 600 * SECOND)(value)
    if length_ns % SECOND:
        raise Unfit("a whole number of seconds, from 1s to 10m")
    return length_ns


def read_watchdog(table: Table | None) -> Watchdog | None:
    """``[watchdog]``; None where there is none."""
    if table is None:
        return None
    device = table.take("device", file_path, "/dev/watchdog")
    timeout_ns = table.take("timeout", whole_seconds, WATCHDOG_DEFAULT_NS)
    table.finish()
    return Watchdog(device, timeout_ns)


def check_votes(groups: Sequence[Group], quorum: Quorum, top: Table) -> None:
    """Exclusive data needs a majority, or a fence: in a pair that pings, both may own a group."""
    if quorum is Quorum.PING:
        for group in groups:
            if group.exclusive:
                expected = "in a cluster whose quorum can be trusted"
                hint = 'with quorum = "ping" both Nodes may own it: name a Witness, or fence devices'
                top.report(f"[groups.{group.name}] exclusive", "true", expected, hint)


def read_exclusive(table: Table, group: Group, watchdog: Watchdog | None) -> Group:
    """The group with its settings of exclusive data; what does not fit together is noted."""
    is_exclusive = table.take("exclusive", _yes_or_no, False)
    stop_within_ns = table.take("stop_within", duration(SECOND, STOP_WITHIN_MAX_NS), 0)
    if not is_exclusive:
        if "stop_within" in table:
            table.report("stop_within", "a time", "left out", "it means something with exclusive = true only")
        return group
    exclusive = dataclasses.replace(group, exclusive=True, stop_within_ns=stop_within_ns)
    if not exclusive.ended_by_guard and group.resources:
        hint = 'a service address alone is protected anyway; add the systemd or command with run = "owner"'
        table.report("exclusive", "true", "a group with something to stop", hint)
    least_ns = stop_within_least_ns(exclusive, watchdog)
    if not stop_within_ns:
        return dataclasses.replace(exclusive, stop_within_ns=least_ns)
    if stop_within_ns < least_ns:
        found, parts = format_duration(stop_within_ns), _parts(exclusive, watchdog)
        table.report("stop_within", found, f"at least {format_duration(least_ns)}", parts)
    return exclusive


def stop_within_least_ns(group: Group, watchdog: Watchdog | None) -> int:
    """Every stop one after another, then killing, then the watchdog that counts from its last feed."""
    stops_ns = sum(r.stop_timeout_ns for r in group.ended_by_guard)
    return stops_ns + KILL_RESERVE_NS + (watchdog.timeout_ns if watchdog else 0)


def _parts(group: Group, watchdog: Watchdog | None) -> str:
    stops: Sequence[str] = [f"{r.name} {format_duration(r.stop_timeout_ns)}" for r in group.ended_by_guard]
    last = f" + watchdog {format_duration(watchdog.timeout_ns)}" if watchdog else ""
    reserve = format_duration(KILL_RESERVE_NS)
    return f"stop_timeout of {' + '.join(stops)} + {reserve} for killing{last}"


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise Unfit("true or false")
    return value
