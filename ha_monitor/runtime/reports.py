"""What the worker has to tell the core: nothing is lost in a full socket, nothing piles up."""

from __future__ import annotations

from collections.abc import Callable

from ha_monitor.core.events import ResourceReported
from ha_monitor.runtime.ipc import Json

PENDING_MAX = 1024


class Reports:
    """Reports in order. An unsent one of a periodic probe gives way to the next of the same Resource."""

    def __init__(self, send: Callable[[Json], bool]) -> None:
        self._send = send
        self._pending: dict[tuple[str, str, str, int], Json] = {}
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, report: ResourceReported) -> None:
        """Send it, now or when `flush` finds room. Past the bound the oldest is dropped and counted."""
        key = (report.group, report.resource, report.operation, report.operation_id)
        self.put(key, report_packet(report))

    def put(self, key: tuple[str, str, str, int], packet: Json) -> None:
        """The same for another packet; it takes the place of an unsent one of the same key."""
        self._pending.pop(key, None)  # the newer one stands behind what was seen before it
        self._pending[key] = packet
        while len(self._pending) > PENDING_MAX:
            del self._pending[next(iter(self._pending))]
            self.dropped += 1
        self.flush()

    def flush(self) -> None:
        """Send what can be sent."""
        while self._pending:
            key = next(iter(self._pending))
            if not self._send(self._pending[key]):
                return
            del self._pending[key]


def report_packet(report: ResourceReported) -> Json:
    """The packet of kind ``report`` from which the core makes the event."""
    return {
        "kind": "report",
        "group": report.group,
        "resource": report.resource,
        "state": report.state.value,
        "operation": report.operation,
        "operation_id": report.operation_id,
        "took_ns": report.took_ns,
        "detail": report.detail,
    }
