"""Notes when the machine let nothing run: on one processor, with the same right to it as a daemon's core.

All hosts of the lab share one kernel, so what it notes is every host's stall; no fault strikes it.
"""

from __future__ import annotations

import os
import sys
import time

from ha_monitor.lab.observers import realtime
from ha_monitor.lab.observers.records import Recorder

EVERY_NS = 10_000_000
DAEMONS_PRIORITY = 10


def main() -> None:
    """``python -m ha_monitor.lab.observers.stall PROCESSOR FILE``: until standard input closes."""
    os.sched_setaffinity(0, {int(sys.argv[1])})
    realtime.become_punctual(DAEMONS_PRIORITY)
    now_ns = time.monotonic_ns()
    recorder = Recorder(sys.argv[2], now_ns)
    while True:
        recorder.awake(now_ns, EVERY_NS)
        if recorder.is_flush_due(now_ns):
            recorder.flush(now_ns)
            if realtime.is_over():
                return
        time.sleep(EVERY_NS / 1e9)
        now_ns = time.monotonic_ns()


if __name__ == "__main__":
    main()
