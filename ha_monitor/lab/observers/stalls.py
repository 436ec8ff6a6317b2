"""Runs beside the lab, on one CPU: notes when even the highest priority could not run there.

    python -m ha_monitor.lab.observers.stalls CPU FILE      (until standard input closes)

What it notes is the machine's own doing (a stolen CPU, a long time in the kernel), not the load's: a program
that is late although nothing stands here is late by its own fault.
"""

from __future__ import annotations

import os
import sys
import time

from ha_monitor.lab.observers import realtime
from ha_monitor.lab.observers.records import Recorder

EVERY_NS = 2_000_000
PRIORITY = 40  # above the other observers


def main() -> None:
    """Sleep and look at the clock."""
    cpu, path = sys.argv[1:]
    os.sched_setaffinity(0, {int(cpu)})
    realtime.become_punctual(PRIORITY)
    now_ns = due_ns = time.monotonic_ns()
    recorder = Recorder(path, now_ns)
    while True:
        recorder.awake(now_ns, EVERY_NS)
        if recorder.is_flush_due(now_ns):
            recorder.flush(now_ns)
            if realtime.is_over():
                return
        due_ns = max(due_ns + EVERY_NS, now_ns)
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        now_ns = time.monotonic_ns()


if __name__ == "__main__":
    main()
