"""What each peer is to this one: a table of states, and what it said last.

The state tells people and `placement` whom to reckon with. It never frees a group: only the Lease does.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from ha_monitor.core.links import LinkWatch
from ha_monitor.messages import GroupReport, Heartbeat, NodeReport
from ha_monitor.model import NodeState, Voter


class NodeInput(enum.IntEnum):
    """What can happen to a peer, as seen from here."""

    HEARD, HEARD_STANDBY, SAID_GOODBYE, SILENT, GRACE_OVER = range(5)


S = NodeState
NODE_TABLE: Mapping[NodeState, tuple[NodeState, ...]] = {
    #            HEARD     HEARD_STANDBY  SAID_GOODBYE  SILENT      GRACE_OVER
    S.JOINING: (S.ONLINE, S.STANDBY, S.STOPPED, S.JOINING, S.LOST),
    S.ONLINE: (S.ONLINE, S.STANDBY, S.STOPPED, S.SUSPECT, S.ONLINE),
    S.STANDBY: (S.ONLINE, S.STANDBY, S.STOPPED, S.SUSPECT, S.STANDBY),
    S.SUSPECT: (S.ONLINE, S.STANDBY, S.STOPPED, S.SUSPECT, S.LOST),
    # A LOST Node that is heard again is ONLINE again: the Lease says what it may serve, not this table.
    S.LOST: (S.ONLINE, S.STANDBY, S.STOPPED, S.LOST, S.LOST),
    # Silence after a goodbye is what was announced, so nothing is lost by it.
    S.STOPPED: (S.ONLINE, S.STANDBY, S.STOPPED, S.STOPPED, S.STOPPED),
}


@dataclass
class Peer:
    """One other voter: its Links, its state, its latest report."""

    voter: Voter
    links: dict[str, LinkWatch]
    started_at_ns: int
    lease_ns: int
    state: NodeState = NodeState.JOINING
    incarnation: int = 0
    report: NodeReport = field(default_factory=NodeReport)
    reported_at_ns: int = 0  # last packet that names our own life
    mutual_since_ns: int = 0  # since when it is heard both ways without a gap
    report_sent_ns: int = 0  # by the peer's clock, to tell which of two reports is newer
    report_echo_ns: int = 0  # by our own clock: when we sent the last packet that it knew as it reported
    changes: list[tuple[NodeState, NodeState]] = field(default_factory=list)

    def hear(self, heartbeat: Heartbeat, arrived_ns: int, self_index: int, is_mutual: bool) -> bool:
        """Take in a packet; True if it began another life of the peer."""
        is_reborn = heartbeat.incarnation != self.incarnation
        if is_reborn:
            self.incarnation = heartbeat.incarnation
            self.report = NodeReport()
            self.report_sent_ns = self.report_echo_ns = 0
            for watch in self.links.values():
                watch.begin_anew()
        heard = {(h.voter, h.link): h.is_heard for h in heartbeat.report.heard}
        self.links[heartbeat.link].hear(heartbeat, arrived_ns, heard.get((self_index, heartbeat.link), False))
        if is_mutual:
            if not self.is_mutual(arrived_ns):
                self.mutual_since_ns = arrived_ns
            self.reported_at_ns = max(self.reported_at_ns, arrived_ns)
            if heartbeat.sent_ns >= self.report_sent_ns:  # else overtaken by a newer one on another Link
                self.report_sent_ns = heartbeat.sent_ns
                self.report_echo_ns = max(self.report_echo_ns, heartbeat.echo_sent_ns)
                self._take_report(heartbeat.report)
        return is_reborn

    def _take_report(self, report: NodeReport) -> None:
        self.report = report
        if report.state is NodeState.STOPPED:
            self._input(NodeInput.SAID_GOODBYE)
        elif report.state is NodeState.STANDBY:
            self._input(NodeInput.HEARD_STANDBY)
        else:
            self._input(NodeInput.HEARD)

    def look(self, at_ns: int) -> None:
        """Judge the peer's silence at ``at_ns``. Not to be called by a Node that was itself stalled."""
        if self.is_mutual(at_ns):
            return
        self._input(NodeInput.SILENT)
        if at_ns - max(self.reported_at_ns, self.started_at_ns) >= self.lease_ns:
            self._input(NodeInput.GRACE_OVER)

    def is_mutual(self, at_ns: int) -> bool:
        """Whether it is heard, and hears us, on some Link."""
        interval = next(iter(self.links.values())).interval_ns
        return self.reported_at_ns > 0 and at_ns < self.reported_at_ns + 5 * interval

    def is_heard(self, at_ns: int) -> bool:
        """Whether any Link carries its packets, even if it does not hear us."""
        return any(watch.is_heard(at_ns) for watch in self.links.values())

    def hears_us(self, at_ns: int) -> bool:
        """Whether it says so by its last packet on some Link that is not silent."""
        return any(watch.peer_hears_us and watch.is_heard(at_ns) for watch in self.links.values())

    @property
    def was_never_heard(self) -> bool:
        """Whether no packet of it ever named our own life; it may be called LOST by now."""
        return not self.reported_at_ns

    def group(self, name: str) -> GroupReport | None:
        """Its latest word on a group, None if it said nothing or is not reckoned with."""
        if self.state not in (NodeState.ONLINE, NodeState.STANDBY, NodeState.SUSPECT):
            return None
        return next((g for g in self.report.groups if g.group == name), None)

    def next_look_ns(self, at_ns: int) -> int:
        """When silence could next change something."""
        interval = next(iter(self.links.values())).interval_ns
        grace = max(self.reported_at_ns, self.started_at_ns) + self.lease_ns
        times = [self.reported_at_ns + 5 * interval, grace]
        return min((t for t in times if t > at_ns), default=at_ns + self.lease_ns)

    def _input(self, what: NodeInput) -> None:
        state = NODE_TABLE[self.state][what]
        if state is not self.state:
            self.changes.append((self.state, state))
            self.state = state
