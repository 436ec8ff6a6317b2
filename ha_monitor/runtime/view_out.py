"""The view on its way out: the core's picture with what only the shell knows, to the publisher and to askers.

Made at most once in `FRESH_NS`; sent to the publisher when something that people care about has changed, and
once a second in any case.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ha_monitor.runtime.ipc import Channel
from ha_monitor.timebase import MS, SECOND
from ha_monitor.view import AddressView, GroupView, ProcessView, View

FRESH_NS = 20 * MS
REPEAT_NS = SECOND


def to_json(view: View) -> bytes:
    """The view as one JSON object; read back by `view.read_view`."""
    return json.dumps(view, default=vars, separators=(",", ":")).encode()


def signature(view: View) -> tuple[Any, ...]:
    """What must not wait for the next second when it changes: states and owners, no measured lengths."""
    return (
        view.state,
        view.state_reason,
        view.protection,
        view.watchdog,
        view.is_quorate,
        view.reporter,
        view.maintenance.is_on,
        view.is_abstaining,
        tuple((n.name, n.state, n.eligible) for n in view.nodes),
        tuple((link.peer, link.link, link.state) for link in view.links),
        tuple(_group_signature(group) for group in view.groups),
    )


def _group_signature(group: GroupView) -> tuple[Any, ...]:
    return (
        group.name,
        group.state,
        group.owner,
        group.owners,
        group.candidates,
        group.eligible_reason,
        group.last.ident,
        group.hold,
        tuple((r.name, r.state) for r in group.resources),
        tuple((a.name, a.holders, a.is_open, a.duplicate_mac) for a in group.addresses),
    )


class ViewOut:
    """Knows when a view is due and what belongs into it."""

    def __init__(
        self,
        core_view: Callable[[int], View],
        publisher: Channel,
        wall: Callable[[], int],
        rejected: Callable[[], Mapping[str, int]],
        address_of_shell: Callable[[AddressView], AddressView],
        interval_ns: int,
        is_realtime: bool,
        restarts: int,
    ) -> None:
        self._core_view = core_view
        self._publisher = publisher
        self._wall = wall
        self._rejected = rejected
        self._address = address_of_shell
        self._interval_ns = max(interval_ns, 100 * MS)
        self._is_realtime = is_realtime
        self._restarts = restarts
        self.processes: tuple[ProcessView, ...] = ()
        self.watchdog = ("", "")
        self._text = b""
        self._view: View | None = None
        self._made_ns = 0
        self._sent_ns = 0
        self._sent_signature: tuple[Any, ...] = ()
        self.next_ns = 0

    def text(self, at_ns: int) -> bytes:
        """The view for somebody who asks, at most `FRESH_NS` old."""
        if not self._text or at_ns - self._made_ns >= FRESH_NS:
            self._make(at_ns)
        return self._text

    def tick(self, at_ns: int) -> None:
        """Once per beat: send it if something has changed or a second is over."""
        self.next_ns = at_ns + self._interval_ns
        view = self._make(at_ns)
        now = signature(view)
        if now != self._sent_signature or at_ns - self._sent_ns >= REPEAT_NS:
            self._sent_signature, self._sent_ns = now, at_ns
            self._publisher.send_text(b'{"kind":"view","view":' + self._text + b"}")

    def _make(self, at_ns: int) -> View:
        view = self._core_view(at_ns)
        self._view = replace(
            view,
            groups=tuple(self._group(group) for group in view.groups),
            rejected=dict(self._rejected()),
            processes=self.processes,
            is_realtime=self._is_realtime,
            restarts=self._restarts,
            watchdog=self.watchdog[0],
            watchdog_detail=self.watchdog[1],
            stamp_ns=self._wall(),
        )
        self._text = to_json(self._view)
        self._made_ns = at_ns
        return self._view

    def _group(self, group: GroupView) -> GroupView:
        return replace(group, addresses=tuple(self._address(a) for a in group.addresses))


def process_views(rows: Sequence[Mapping[str, Any]]) -> tuple[ProcessView, ...]:
    """What the guard tells about processes. Raises TypeError for what is none."""
    return tuple(ProcessView(**row) for row in rows)
