"""Whether a `between` window of failback is open now, by the local wall clock. For the guard."""

from __future__ import annotations

import time

from ha_monitor.model import ClusterConfig, FailbackKind


def is_open(window: tuple[int, int], minute: int) -> bool:
    """Whether this minute of the local day lies in the window; one that passes midnight has end < begin."""
    begin, end = window
    return begin <= minute < end if begin <= end else minute >= begin or minute < end


def local_minute(wall_s: float) -> int:
    """Minutes since the local midnight by the clock on the wall, summer time included."""
    local = time.localtime(wall_s)
    return local.tm_hour * 60 + local.tm_min


def windows(config: ClusterConfig, wall_s: float) -> dict[str, bool]:
    """For each group with such a window: whether it is open."""
    minute = local_minute(wall_s)
    return {
        group.name: is_open(group.failback.window, minute)
        for group in config.groups
        if group.failback.kind is FailbackKind.BETWEEN
    }
