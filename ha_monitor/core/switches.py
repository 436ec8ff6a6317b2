"""Switchovers that an operator orders: checked where they are given, carried out where the Owner is."""

from __future__ import annotations

from collections.abc import Mapping

from ha_monitor.core.actions import OrderAnswered
from ha_monitor.core.events import SwitchOrdered
from ha_monitor.core.placement import preference
from ha_monitor.core.situation import Situation
from ha_monitor.core.tenure import Tenure
from ha_monitor.messages import SwitchRequest
from ha_monitor.model import REPORTER, Cause, GroupState
from ha_monitor.timebase import SECOND

REQUESTED_FOR_NS = 3 * SECOND  # how long a request rides on heartbeats
REQUESTS_MAX = 8
ANSWERED_MAX = 64


class Switches:
    """Orders given here, and requests that came from other voters."""

    def __init__(self, situation: Situation, tenures: Mapping[str, Tenure]) -> None:
        self._situation = situation
        self._tenures = tenures
        self._requests: list[tuple[int, SwitchRequest]] = []  # (until, request)
        self._answered: list[int] = []

    def pending(self) -> tuple[SwitchRequest, ...]:
        """Requests on their way to the Owner."""
        return tuple(request for _, request in self._requests)

    def forget_old(self, at_ns: int) -> None:
        """Let go of requests that nobody answered."""
        self._requests = [(until, request) for until, request in self._requests if until > at_ns]

    def order(self, event: SwitchOrdered, at_ns: int) -> None:
        """An operator at this voter wants a group elsewhere: refuse with the reason, or have it done."""
        problem = self._problem(event.group, event.target, at_ns)
        if problem:
            self._situation.emit(OrderAnswered(event.order_id, False, problem))
            return
        # Named here, once: the request rides on after the move, and the new Owner must not take "any other
        # Node" for an order to move it back.
        target = event.target or self._able(self._tenures[event.group], at_ns)[0]
        self._situation.log(f"group {event.group}: switch to {target} ordered by {event.who}")
        self._tenures[event.group].holding.clear(at_ns, event.who)  # an order is an answer
        request = SwitchRequest(event.order_id, event.group, self._situation.config.voter(target).index)
        if self.take(request, at_ns):
            self._situation.emit(OrderAnswered(event.order_id, True, "handing over"))
        elif len(self._requests) < REQUESTS_MAX:
            self._requests.append((at_ns + REQUESTED_FOR_NS, request))
            self._situation.emit(OrderAnswered(event.order_id, True, "passed on to the Owner"))
        else:
            self._situation.emit(OrderAnswered(event.order_id, False, "too many orders are under way"))

    def _problem(self, group: str, target: str, at_ns: int) -> str:
        tenure = self._tenures.get(group)
        if tenure is None or group == REPORTER:
            return f"no group {group!r} is configured"
        if self._situation.in_maintenance(at_ns):
            return "the cluster is in maintenance: nothing is moved"
        if not tenure.passage.owner or not self._is_owner_known(tenure, at_ns):
            return f"group {group} has no Owner now"
        if target == tenure.passage.owner:
            return f"group {group} is on {target} already"
        able = self._able(tenure, at_ns)
        if target and target not in able:
            return f"{target} cannot take {group} now: {self._why_not(tenure, target, at_ns)}"
        return "" if able else f"no other Node can take {group} now"

    def _able(self, tenure: Tenure, at_ns: int) -> list[str]:
        """The Nodes that could take the group from its Owner, best first."""
        me = self._situation.me
        names = [p.voter.name for p in tenure.candidates()]
        if not me.is_witness and not tenure.ineligible(at_ns):
            names.append(me.name)
        others = [name for name in names if name != tenure.passage.owner]
        return sorted(others, key=lambda name: preference(tenure.spec, name))

    def _is_owner_known(self, tenure: Tenure, at_ns: int) -> bool:
        if tenure.passage.owner == self._situation.me.name:
            return tenure.runner.is_owner
        return any(
            p.voter.name == tenure.passage.owner and p.is_mutual(at_ns) for p in self._situation.node_peers
        )

    def _why_not(self, tenure: Tenure, target: str, at_ns: int) -> str:
        if target == self._situation.me.name:
            return tenure.ineligible(at_ns) or "it is not in prefer"
        peer = next((p for p in self._situation.node_peers if p.voter.name == target), None)
        if peer is None:
            return "no such Node"
        report = peer.group(tenure.spec.name)
        return report.reason if report is not None and report.reason else f"it is {peer.state.value}"

    def take(self, request: SwitchRequest, at_ns: int) -> bool:
        """Carry out a request if this Node owns the group and a target is able; each request once."""
        tenure = self._tenures.get(request.group)
        if tenure is None or request.order_id in self._answered:
            return False
        if tenure.runner.state not in (GroupState.RUNNING, GroupState.DEGRADED):
            return False
        able = [p for p in tenure.candidates() if request.target in (-1, p.voter.index)]
        if not able or self._situation.in_maintenance(at_ns):
            return False
        self._answered = [*self._answered[-ANSWERED_MAX:], request.order_id]
        tenure.hand_over(able[0], Cause.SWITCHOVER_ORDERED, at_ns)
        return True
