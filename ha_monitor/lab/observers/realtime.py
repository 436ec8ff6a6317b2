"""How an observer obtains punctuality, and when it ends. Standard library only."""

from __future__ import annotations

import ctypes
import gc
import os
import select
import sys

_MCL_CURRENT_AND_FUTURE = 3

# Above the daemon's core (10): an observer that the observed could hold up would be no witness.
PRIORITY = 30


def become_punctual(priority: int = PRIORITY) -> None:
    """Real-time priority, memory locked, no garbage collection; says so where it is refused."""
    gc.disable()
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        sys.stderr.write(f"observer without real-time priority: {error}\n")
    if ctypes.CDLL(None, use_errno=True).mlockall(_MCL_CURRENT_AND_FUTURE) != 0:
        sys.stderr.write(f"observer without locked memory: {os.strerror(ctypes.get_errno())}\n")


def is_over() -> bool:
    """Whether the one who started this observer closed its standard input, or died."""
    return bool(select.select([0], [], [], 0)[0])
