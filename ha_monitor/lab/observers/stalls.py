"""Runs beside the lab, on one CPU: notes when even the highest priority could not run there.

    python -m ha_monitor.lab.observers.stalls CPU FILE [PRIORITY EVERY_MS]     (until standard input closes)

All hosts of the lab share one kernel, so what it notes is every host's stall; no fault strikes it.
What it notes is the machine's own doing (a stolen CPU, a long time in the kernel), not the load's: a program
that is late although nothing stands here is late by its own fault.
"""

from __future__ import annotations

import os
import sys
import time

from ha_monitor.lab.observers import realtime
from ha_monitor.lab.observers.records import Recorder

EVERY_MS = 2
PRIORITY = 40  # above the other observers


def main() -> None:
    """Sleep and look at the clock."""
    cpu, path, *chosen = sys.argv[1:]
    priority, every_ms = map(int, chosen or (PRIORITY, EVERY_MS))
    every_ns = every_ms * 1_000_000
    os.sched_setaffinity(0, {int(cpu)})
    realtime.become_punctual(priority)
    now_ns = due_ns = time.monotonic_ns()
    recorder = Recorder(path, now_ns)
    while True:
        recorder.awake(now_ns, every_ns)
        if recorder.is_flush_due(now_ns):
            recorder.flush(now_ns)
            if realtime.is_over():
                return
        due_ns = max(due_ns + every_ns, now_ns)
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        now_ns = time.monotonic_ns()


if __name__ == "__main__":
    main()
