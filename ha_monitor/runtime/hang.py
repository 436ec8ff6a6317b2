"""Whether the core hangs, judged by a guard that may have been stalled itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ha_monitor.timebase import SECOND

PATIENCE_MIN_NS = SECOND


def patience_ns(lease_ns: int) -> int:
    """How long a core may be silent: two Leases, at least a second."""
    return max(2 * lease_ns, PATIENCE_MIN_NS)


@dataclass
class HangWatch:
    """Fed with the core's signs of life and with the guard's own ticks.

    Time in which the guard itself did not run counts for nothing: whoever slept accuses nobody.
    """

    patience_ns: int
    tick_ns: int
    silent_ns: int = 0
    ticked_ns: int = 0

    def fed(self) -> None:
        """A sign of life."""
        self.silent_ns = 0

    def is_hung(self, at_ns: int) -> bool:
        """Called at each tick, after the channel was read."""
        passed = at_ns - self.ticked_ns if self.ticked_ns else 0
        self.ticked_ns = at_ns
        self.silent_ns += min(passed, 2 * self.tick_ns)
        return self.silent_ns > self.patience_ns
