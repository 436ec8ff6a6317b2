"""Who must be powered off, by whom, when; and what a confirmed power-off means: docs/fencing.md.

A Node fences another one by itself in mode `fencing`, where a takeover waits for it, and in the other modes
only the silent Owner of an exclusive group, whose hold ends with it. An operator may order or confirm a
fence at any time. Devices are the worker's: this decides, asks for it, and remembers what came of it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ha_monitor.core import events as ev
from ha_monitor.core import fence_need
from ha_monitor.core.actions import FenceNode, OrderAnswered
from ha_monitor.core.nodes import Peer
from ha_monitor.core.situation import Situation
from ha_monitor.core.tenure import Tenure
from ha_monitor.core.voter import FENCED, STOPPED, Absence
from ha_monitor.model import REPORTER, Fencing, NodeState, Quorum
from ha_monitor.timebase import SECOND, format_duration

RETRY_NS, RETRY_MAX_NS = 10 * SECOND, 60 * SECOND
# One step runs its device's agent up to four times for its whole timeout: for what it can do, to power off,
# to ask until the power is gone, and once more for an answer that begins just in time.
RUNS_OF_STEP = 4
STEP_SLACK_NS = 20 * SECOND  # beyond these timeouts: then the worker has died with the order
BY_ITSELF = "ha-monitor"


class FenceState(enum.Enum):
    """How far the fence of one Node is, as this Node knows it."""

    IDLE = "idle"
    WAITING = "waiting"  # the delay against fence races runs
    RUNNING = "running"
    FENCED = "fenced"
    FAILED = "failed"  # every level failed; tried again while it is needed


@dataclass
class Fence:
    """What this Node knows of one other Node's fence."""

    peer: Peer
    bound_ns: int  # for all levels together
    state: FenceState = FenceState.IDLE
    since_ns: int = 0
    due_ns: int = 0  # when WAITING or FAILED: to be ordered then
    failures: int = 0  # in a row
    count: int = 0  # confirmed fences of this life
    operation_id: int = 0
    only_ask: bool = False
    life: int = 0  # of the Node's core, known when the order was given: only that one is over for certain
    order_id: int = 0  # of the operator who waits for the answer
    who: str = ""
    why: str = ""
    detail: str = ""
    took_ns: int = 0

    @property
    def node(self) -> str:
        """Whose fence it is."""
        return self.peer.voter.name

    def turn(self, state: FenceState, at_ns: int) -> None:
        """Enter a state."""
        self.state, self.since_ns = state, at_ns


@dataclass
class DeviceTest:
    """The last periodic test of one device. ``at_ns`` 0: not tested yet."""

    is_working: bool = False
    detail: str = "not tested yet"
    at_ns: int = 0


class Fences:
    """All fences of one voter. The Witness orders none, but may be told of one."""

    def __init__(self, situation: Situation, tenures: Mapping[str, Tenure]) -> None:
        self.situation = situation
        self.tenures = tenures
        fencing = situation.config.fencing
        others = [peer.voter.name for peer in situation.node_peers]
        self.tests = {device: DeviceTest() for name in others for device in fencing.devices_of(name)}
        self.of_node = {
            p.voter.index: Fence(p, bound_ns(fencing, p.voter.name)) for p in situation.node_peers
        }
        for index, absence in situation.seat.absences.items():
            if absence.reason == FENCED and index in self.of_node:
                self.of_node[index].turn(FenceState.FENCED, situation.started_at_ns)
                self.of_node[index].life = absence.life
                situation.fenced.add((index, absence.life))

    # Deciding

    def look(self, at_ns: int) -> None:
        """Once per beat: begin what is needed, forget what is not needed any more."""
        groups = [tenure for name, tenure in self.tenures.items() if name != REPORTER]
        for fence in self.of_node.values():
            if fence.state is FenceState.RUNNING and at_ns >= fence.since_ns + fence.bound_ns:
                self._fail(fence, "the worker gave no answer", at_ns)
            if fence.state in (FenceState.IDLE, FenceState.WAITING, FenceState.FAILED):
                self._decide(fence, groups, at_ns)

    def _decide(self, fence: Fence, groups: Sequence[Tenure], at_ns: int) -> None:
        why = fence_need.need(self.situation, fence.peer, groups, at_ns)
        if not why:
            if fence.state is FenceState.WAITING or fence.peer.is_mutual(at_ns):
                fence.turn(FenceState.IDLE, at_ns)
                fence.failures = 0
            return
        if fence.state is FenceState.IDLE:
            wait_ns = fence_need.wait_ns(self.situation, fence.peer, groups, at_ns)
            fence.turn(FenceState.WAITING, at_ns)
            fence.why, fence.who, fence.due_ns = why, BY_ITSELF, at_ns + wait_ns
            if wait_ns:
                self.situation.log(
                    f"node {fence.node}: fenced in {format_duration(wait_ns)} ({why})", "warning"
                )
        if at_ns >= fence.due_ns:
            self._begin(fence, why, BY_ITSELF, at_ns)

    def _begin(self, fence: Fence, why: str, who: str, at_ns: int) -> None:
        situation = self.situation
        # Who came back alone may not power off the one that goes on: it only asks. A majority may.
        is_pair = situation.config.quorum.is_pair
        fence.only_ask = is_pair and who == BY_ITSELF and fence.peer.voter.index not in situation.seat.met
        fence.why, fence.who = why, who
        fence.operation_id = situation.take_id()
        fence.life = fence.peer.incarnation
        fence.turn(FenceState.RUNNING, at_ns)
        verb = "asking whether it is off" if fence.only_ask else "powering it off"
        situation.log(f"node {fence.node}: {verb}, by {who}: {why}", "warning")
        situation.emit(FenceNode(fence.node, fence.operation_id, fence.only_ask, why))

    # What came of it

    def take(self, event: ev.Event, at_ns: int) -> None:
        """One of the four events about fences."""
        match event:
            case ev.FenceEnded():
                self.take_end(event, at_ns)
            case ev.FenceTested():
                self.take_test(event, at_ns)
            case ev.FenceOrdered():
                self.order(event, at_ns)
            case ev.FenceConfirmed():
                self.take_confirmation(event, at_ns)

    def take_end(self, event: ev.FenceEnded, at_ns: int) -> None:
        """The worker is done."""
        fence = self._named(event.node)
        if fence is None or event.operation_id != fence.operation_id or fence.state is not FenceState.RUNNING:
            return
        fence.took_ns = event.took_ns
        if event.is_off:
            self._confirm(fence, event.detail, at_ns)
        else:
            self._fail(fence, event.detail, at_ns)

    def lose_worker(self, at_ns: int) -> None:
        """Whatever it was doing is not known to have worked."""
        for fence in self.of_node.values():
            if fence.state is FenceState.RUNNING:
                self._fail(fence, "the worker died", at_ns)

    def take_test(self, event: ev.FenceTested, at_ns: int) -> None:
        """The periodic test of one device ended."""
        test = self.tests.get(event.device)
        if test is None:
            return
        if event.is_working != test.is_working or not test.at_ns:
            word = "works" if event.is_working else "does not work"
            level = "info" if event.is_working else "error"
            self.situation.log(f"fence device {event.device} {word}: {event.detail}", level)
        self.tests[event.device] = DeviceTest(event.is_working, event.detail, at_ns)

    def _fail(self, fence: Fence, detail: str, at_ns: int) -> None:
        fence.failures += 1
        fence.detail, fence.operation_id = detail, 0
        fence.turn(FenceState.FAILED, at_ns)
        fence.due_ns = at_ns + min(RETRY_MAX_NS, RETRY_NS << min(fence.failures - 1, 8))
        self.situation.log(f"node {fence.node}: not known to be off: {detail}", "error")
        self._answer(fence, False, f"{fence.node} is not known to be off: {detail}")

    def _confirm(self, fence: Fence, detail: str, at_ns: int) -> None:
        fence.failures = 0
        fence.count += 1
        fence.detail, fence.operation_id = detail, 0
        fence.turn(FenceState.FENCED, at_ns)
        self.situation.seat.note_absent(fence.peer.voter.index, Absence(fence.life, FENCED))
        self.situation.log(f"node {fence.node}: off, confirmed: {detail}", "warning")
        self.end_life(fence.peer.voter.index, fence.life, at_ns)
        self._answer(fence, True, f"{fence.node} is off: {detail}")

    def end_life(self, node: int, incarnation: int, at_ns: int) -> None:
        """A life of that Node's core is over for certain: what is held for it ends, like after a RELEASE.

        ``incarnation``: the one that was known *before* the power was switched off, so that nothing is taken
        from a Node that came back meanwhile.
        """
        self.situation.fenced.add((node, incarnation))
        for tenure in self.tenures.values():
            tenure.see_fenced(at_ns)

    def _answer(self, fence: Fence, is_done: bool, text: str) -> None:
        if fence.order_id:
            self.situation.emit(OrderAnswered(fence.order_id, is_done, text))
            fence.order_id = 0

    # Orders

    def order(self, event: ev.FenceOrdered, at_ns: int) -> None:
        """An operator wants it powered off, whatever the cluster thinks of that."""
        fence = self._named(event.node)
        refusal = self._refusal(fence, event.node)
        if fence is None or refusal:
            self.situation.emit(OrderAnswered(event.order_id, False, refusal))
            return
        fence.order_id = event.order_id
        self._begin(fence, event.why, event.who, at_ns)

    def _refusal(self, fence: Fence | None, node: str) -> str:
        if self.situation.me.is_witness:
            return "the Witness runs no fence agents: give this order on a Node"
        if fence is None:
            return f"{node} is this Node: give the order on another one"
        if not self.situation.config.fencing.levels.get(node):
            return f"[fencing.levels] names no device for {node}"
        if fence.state is FenceState.RUNNING:
            return f"a fence of {node} is running, by {fence.who}: {fence.why}"
        return ""

    def take_confirmation(self, event: ev.FenceConfirmed, at_ns: int) -> None:
        """An operator's word, which the cluster takes for the truth, unless it hears otherwise."""
        fence = self._named(event.node)
        refusal = f"{event.node} is this host" if fence is None else self._heard_reason(fence, at_ns)
        if fence is None or refusal:
            self.situation.emit(OrderAnswered(event.order_id, False, refusal))
            return
        self._answer(fence, False, f"{event.who} has confirmed by hand that {event.node} is off")
        fence.order_id, fence.who, fence.why, fence.took_ns = event.order_id, event.who, event.why, 0
        fence.life = fence.peer.incarnation
        self._confirm(fence, f"{event.who} said so: {event.why}", at_ns)

    def _heard_reason(self, fence: Fence, at_ns: int) -> str:
        index = fence.peer.voter.index
        if fence.peer.is_heard(at_ns):
            return f"{fence.node} is heard: it runs"
        for other in self.situation.peers.values():
            if other.is_mutual(at_ns) and any(h.voter == index and h.is_heard for h in other.report.heard):
                return f"{other.voter.name} hears {fence.node}: it runs"
        return ""

    # Absent Nodes that are heard

    def is_dead(self, voter: int, incarnation: int) -> bool:
        """Whether that life ended with a confirmed fence: what it still says is late, or the fence a lie."""
        absence = self.situation.seat.absences.get(voter)
        return absence is not None and absence.reason == FENCED and absence.life == incarnation != 0

    def hear_dead(self, voter: int, at_ns: int) -> None:
        """A packet of a life that was fenced. Soon after the fence it was under way; later nothing may be."""
        fence = self.of_node[voter]
        if at_ns < fence.since_ns + self.situation.config.timing.lease_ns:
            return
        self.situation.seat.note_present(voter, 0)
        self.situation.fenced.discard((voter, fence.life))
        fence.detail = f"it speaks although it was fenced ({fence.detail})"
        fence.failures, fence.due_ns = 1, at_ns + RETRY_NS
        fence.turn(FenceState.FAILED, at_ns)
        self.situation.log(f"node {fence.node}: {fence.detail}: the fence is void", "error")

    def hear_life(self, peer: Peer, at_ns: int) -> None:
        """A packet from a Node that hears this one."""
        situation, index = self.situation, peer.voter.index
        if index not in self.of_node:
            return
        if not situation.config.quorum.is_pair:
            self.hear_vote(peer, at_ns)
        elif peer.state is NodeState.STOPPED:
            # It let go of everything and forgot that it met this Node: it will not go on alone.
            situation.seat.note_absent(index, Absence(peer.incarnation, STOPPED))
        elif situation.config.quorum is Quorum.FENCING:
            situation.seat.note_met(index)

    def hear_vote(self, peer: Peer, at_ns: int) -> None:
        """It votes, or may own something by this voter's grant: from now on its own vote counts."""
        fence = self.of_node.get(peer.voter.index)
        self.situation.seat.note_present(peer.voter.index, peer.incarnation)
        is_back = peer.voter.index not in self.situation.seat.absences
        if fence is not None and fence.state is FenceState.FENCED and is_back:
            fence.turn(FenceState.IDLE, at_ns)
            self.situation.log(f"node {fence.node}: back after its fence")

    # Knowing

    def broken(self, at_ns: int) -> str:
        """Mode fencing: why the other Node could not be fenced now, "" if it could, by all that is known."""
        for fence in self.of_node.values():
            if fence.state is FenceState.FAILED:
                return f"the fence of {fence.node} failed: {fence.detail}"
            levels = self.situation.config.fencing.levels.get(fence.node, ())
            if not any(all(self.is_working(step.device, at_ns) for step in level) for level in levels):
                return f"no level of {fence.node}'s fence devices passed its test"
        return ""

    def is_working(self, device: str, at_ns: int) -> bool:
        """Whether its last test passed and is not too old."""
        test = self.tests[device]
        fencing = self.situation.config.fencing
        fresh_ns = 2 * fencing.test_every_ns + 2 * fencing.device(device).timeout_ns
        return test.is_working and test.at_ns > 0 and at_ns < test.at_ns + fresh_ns

    def _named(self, node: str) -> Fence | None:
        return next((f for f in self.of_node.values() if f.node == node), None)


def bound_ns(fencing: Fencing, node: str) -> int:
    """By when the worker must have answered; a fence that is told as failed before would be done in vain."""
    steps = [step for level in fencing.levels.get(node, ()) for step in level]
    timeouts_ns = [fencing.device(step.device).timeout_ns for step in steps]
    return sum(RUNS_OF_STEP * timeout_ns + STEP_SLACK_NS for timeout_ns in timeouts_ns)
