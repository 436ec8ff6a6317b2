"""The lab's own errors: what was tried, what stands in the way, what to do."""

from __future__ import annotations

from ha_monitor.errors import HaMonitorError


class LabError(HaMonitorError):
    """The lab could not do what it was asked."""
