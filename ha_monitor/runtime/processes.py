"""The processes of this daemon for the view: pids, memory, scheduling as the kernel tells them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ha_monitor.view import ProcessView

_POLICIES = {os.SCHED_OTHER: "normal", os.SCHED_FIFO: "fifo", os.SCHED_RR: "rr", os.SCHED_BATCH: "batch"}


def process_list(pids: Mapping[str, int], restarts: Mapping[str, int]) -> list[dict[str, Any]]:
    """One `ProcessView` as a plain dict for each role."""
    return [asdict(process_view(role, pid, restarts.get(role, 0))) for role, pid in pids.items()]


def process_view(role: str, pid: int, restarts: int) -> ProcessView:
    """What the kernel says about one process; zeros when it has just ended."""
    return ProcessView(
        role=role,
        pid=pid,
        restarts=restarts,
        pss_kib=_kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss:"),
        scheduling=_scheduling(pid),
        locked=_kib(Path(f"/proc/{pid}/status"), "VmLck:") > 0,
    )


def _kib(path: Path, key: str) -> int:
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), 0)


def _scheduling(pid: int) -> str:
    try:
        policy = os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK
        priority = os.sched_getparam(pid).sched_priority
    except OSError:
        return ""
    name = _POLICIES.get(policy, str(policy))
    return f"{name} {priority}" if priority else name
