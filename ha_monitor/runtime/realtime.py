"""Rights that keep guard and core on time: real-time scheduling, locked memory, no garbage collector.

What was obtained is told, not assumed: without real-time rights everything still works, later.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ha_monitor.timebase import MS, SECOND

PRIORITY = 10
_MCL_CURRENT, _MCL_FUTURE = 1, 2  # asm-generic/mman.h
OOM_SCORE = -900
STALL_LOOKS = 100


@dataclass(frozen=True)
class Realtime:
    """``scheduling``: `fifo 10`, `nice -20` or `normal`."""

    scheduling: str
    is_locked: bool

    @property
    def is_realtime(self) -> bool:
        """Whether the scheduler gave what was asked."""
        return self.scheduling.startswith("fifo")


def become_realtime() -> Realtime:
    """Take what this process may have of it. Children get none: SCHED_RESET_ON_FORK."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")
    return Realtime(_schedule(), _lock_memory())


def _schedule() -> str:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except OSError:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, -20)
            return "nice -20"
        return "normal"
    return f"fifo {PRIORITY}"


def _lock_memory() -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.mlockall(_MCL_CURRENT | _MCL_FUTURE) == 0)


def still_garbage() -> None:
    """No collector from here on: frozen is what start-up built, cycles must not be made after it."""
    gc.collect()
    gc.freeze()
    gc.disable()


def worst_stall_ns(clock: Callable[[], int], times: int = STALL_LOOKS, every_ns: int = MS) -> int:
    """How late this process is called at worst while it sleeps ``times`` times ``every_ns``."""
    worst_ns = 0
    for _ in range(times):
        due_ns = clock() + every_ns
        time.sleep(every_ns / SECOND)
        worst_ns = max(worst_ns, clock() - due_ns)
    return worst_ns
