"""What the guard tells its core every few seconds: open windows of Failback, the daemon's processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ha_monitor.runtime import failback_window
from ha_monitor.runtime.generation import CoreHandle, Generation
from ha_monitor.runtime.processes import process_list


def slow_news(generation: Generation, core: CoreHandle | None) -> Iterator[Mapping[str, Any]]:
    """One message for each group with a window, and one for all processes."""
    for group, is_open in failback_window.windows(generation.config, time.time()).items():
        yield {"kind": "window", "group": group, "is_open": is_open}
    pids = {"guard": os.getpid()} | {role: child.pid for role, child in generation.children.items()}
    if core:
        pids["core"] = core.child.pid
    restarts = {role: back_off.restarts for role, back_off in generation.back_off.items()}
    yield {"kind": "processes", "processes": process_list(pids, restarts)}
