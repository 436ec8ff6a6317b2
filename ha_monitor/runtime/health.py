"""How this machine is doing, for the facts about a Node: load, memory, room for our own state."""

from __future__ import annotations

from pathlib import Path

import psutil

MIB = 1 << 20


def node_health(state_dir: Path) -> dict[str, float]:
    """The present figures. ``state_free_mib`` -1: the directory does not exist."""
    load_1m, load_5m, _ = psutil.getloadavg()
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "load_1m": round(load_1m, 2),
        "load_5m": round(load_5m, 2),
        "cpus": psutil.cpu_count() or 1,
        "memory_total_mib": memory.total // MIB,
        "memory_available_mib": memory.available // MIB,
        "swap_used_mib": swap.used // MIB,
        "state_free_mib": _free_mib(state_dir),
    }


def _free_mib(directory: Path) -> int:
    try:
        return psutil.disk_usage(str(directory)).free // MIB
    except OSError:
        return -1
