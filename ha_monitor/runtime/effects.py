"""What the core process does for each action of the core. A table, one short function for each kind.

Actions that answer return the answers; the loop gives them to the core before anything else.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.messages import Heartbeat, Release
from ha_monitor.runtime.ipc import Channel
from ha_monitor.runtime.kernel_io import Kernel
from ha_monitor.runtime.links_io import LinkSockets
from ha_monitor.runtime.transitions import TransitionOutbox, line_of, stamp
from ha_monitor.runtime.voter_file import VoterFile
from ha_monitor.wire.seal import Endpoint

Answers = Sequence[ev.Event]
CLOSE_REPEATS = 3


@dataclass
class Outside:
    """Everything that actions reach. ``clock``: Lease clock; ``wall``: wall clock; both in ns."""

    clock: Callable[[], int]
    wall: Callable[[], int]
    endpoint: Endpoint
    links: LinkSockets
    kernel: Kernel
    voter_file: VoterFile
    guard: Channel
    worker: Channel | None
    publisher: Channel
    transitions: TransitionOutbox
    answer_order: Callable[[int, bool, str], None]
    exit_code: int | None = None


class Effects:
    """Carries out actions in the order given."""

    def __init__(self, outside: Outside) -> None:
        self._out = outside
        self._is_mute = False  # the voter's state could not be saved: nothing built on it may leave

    def begin_step(self) -> None:
        """Before the actions of one step."""
        self._is_mute = False

    def do(self, action: ac.Action) -> Answers:
        """Do it, or begin it; what it answers at once."""
        return self._TABLE[type(action)](self, action)

    # --- the voter and its packets

    def _save_voter_state(self, action: ac.SaveVoterState) -> Answers:
        if self._out.voter_file.write(action.state):
            return ()
        self._is_mute = True
        return (ev.VoterStateSaved(False),)

    def _send_heartbeat(self, action: ac.SendHeartbeat) -> Answers:
        if self._is_mute:
            return ()
        heartbeat = action.heartbeat
        refused: list[ev.Event] = []
        for packet in self._out.endpoint.packets(heartbeat):
            if self._out.links.send(heartbeat.receiver, heartbeat.link, packet):
                refused.append(ev.PeerRefused(heartbeat.receiver, heartbeat.link))
        return refused[:1]

    def _prepare_goodbye(self, action: ac.PrepareGoodbye) -> Answers:
        packets = [packet for heartbeat in action.heartbeats for packet in self._sealed(heartbeat)]
        releases = {m for h in action.heartbeats for m in h.messages if isinstance(m, Release)}
        told = [[release.group, list(release.ballot)] for release in releases]
        self._out.guard.send({"kind": "goodbye", "packets": packets, "releases": told})
        return ()

    def _sealed(self, heartbeat: Heartbeat) -> list[tuple[int, str, str]]:
        packets = self._out.endpoint.packets(heartbeat)
        return [(heartbeat.receiver, heartbeat.link, base64.b64encode(p).decode()) for p in packets]

    # --- the kernel

    def _arm_window(self, action: ac.ArmWindow) -> Answers:
        is_armed = self._out.kernel.arm(action.group, action.sending, action.timeout_ns)
        return (ev.WindowArmed(action.group, action.sending, is_armed),)

    def _add_addresses(self, action: ac.AddAddresses) -> Answers:
        self._complain(f"group {action.group}: addresses", self._out.kernel.add(action.group))
        return ()

    def _activate_window(self, action: ac.ActivateWindow) -> Answers:
        self._complain(f"group {action.group}", self._out.kernel.activate(action.resources, action.sending))
        return ()

    def _announce(self, action: ac.Announce) -> Answers:
        self._out.kernel.announce(action.resources, self._out.clock())
        return ()

    def _close_addresses(self, action: ac.CloseAddresses) -> Answers:
        is_closed = any(self._out.kernel.close(action.resources) for _ in range(CLOSE_REPEATS))
        return (ev.AddressClosed(action.group, is_closed),)

    def _repair_address(self, action: ac.RepairAddress) -> Answers:
        problem = self._out.kernel.repair(action.resource)
        self._complain(f"address {action.resource}", problem)
        if not problem:
            self._out.kernel.announce((action.resource,), self._out.clock())
        return ()

    def _probe_duplicate(self, action: ac.ProbeDuplicate) -> Answers:
        return self._out.kernel.probe(action.resources, self._out.clock())

    # --- Resources

    def _start_resource(self, action: ac.StartResource) -> Answers:
        return self._ask_worker("start", action, {"epoch": list(action.epoch)})

    def _stop_resource(self, action: ac.StopResource) -> Answers:
        return self._ask_worker("stop", action, {})

    def _probe_resource(self, action: ac.ProbeResource) -> Answers:
        return self._ask_worker("probe", action, {})

    def _ask_worker(
        self,
        kind: str,
        action: ac.StartResource | ac.StopResource | ac.ProbeResource,
        more: Mapping[str, Any],
    ) -> Answers:
        message = {
            "kind": kind,
            "group": action.group,
            "resource": action.resource,
            "operation_id": action.operation_id,
            **more,
        }
        if self._out.worker is None or not self._out.worker.send(message):
            self._complain(f"resource {action.resource}", f"the worker does not take the order to {kind} it")
        return ()

    def _fence_node(self, action: ac.FenceNode) -> Answers:
        order = {"kind": "fence", **vars(action)}
        if self._out.worker is not None and self._out.worker.send(order):
            return ()
        return (ev.FenceEnded(action.node, action.operation_id, False, "the worker takes no orders"),)

    # --- exclusive groups

    def _guard_group(self, action: ac.GuardGroup) -> Answers:
        told = {"group": action.group, "until_ns": action.until_ns, "is_new": action.is_new}
        self._out.guard.send({"kind": "guard-group", **told})
        return ()

    def _end_group(self, action: ac.EndGroup) -> Answers:
        self._out.guard.send({"kind": "end-group", "group": action.group})
        if self._out.guard.is_closed:
            return (ev.GroupEnded(action.group, False, "the guard is gone", is_guard_gone=True),)
        return ()

    # --- memory, people

    def _save_epoch(self, action: ac.SaveEpoch) -> Answers:
        self._out.guard.send({"kind": "save", "what": "counter", "counter": action.counter})
        return ()

    def _save_maintenance(self, action: ac.SaveMaintenance) -> Answers:
        self._out.guard.send({"kind": "save", "what": "maintenance", **vars(action.note)})
        return ()

    def _save_standby(self, action: ac.SaveStandby) -> Answers:
        self._out.guard.send({"kind": "save", "what": "standby", "is_standby": action.is_standby})
        return ()

    def _report_transition(self, action: ac.ReportTransition) -> Answers:
        note = stamp(action, self._out.transitions.next_ident(), self._out.wall())
        row = self._out.transitions.put(note)
        self._out.publisher.send({"kind": "transition", "transition": row})
        self._say("info", line_of(note))
        return (ev.TransitionStamped(note),)

    def _log(self, action: ac.Log) -> Answers:
        self._say(action.level, action.line)
        return ()

    def _order_answered(self, action: ac.OrderAnswered) -> Answers:
        self._out.answer_order(action.order_id, action.is_done, action.reason)
        return ()

    def _exit(self, action: ac.Exit) -> Answers:
        self._out.exit_code = action.code
        return ()

    def _complain(self, what: str, problem: str) -> None:
        if problem:
            self._say("error", f"{what}: {problem}")

    def _say(self, level: str, line: str) -> None:
        self._out.guard.send({"kind": "log", "level": level, "line": line})

    _TABLE: Mapping[type, Callable[..., Answers]] = {
        ac.SaveVoterState: _save_voter_state,
        ac.SendHeartbeat: _send_heartbeat,
        ac.PrepareGoodbye: _prepare_goodbye,
        ac.GuardGroup: _guard_group,
        ac.EndGroup: _end_group,
        ac.ArmWindow: _arm_window,
        ac.AddAddresses: _add_addresses,
        ac.ActivateWindow: _activate_window,
        ac.Announce: _announce,
        ac.CloseAddresses: _close_addresses,
        ac.RepairAddress: _repair_address,
        ac.ProbeDuplicate: _probe_duplicate,
        ac.StartResource: _start_resource,
        ac.StopResource: _stop_resource,
        ac.ProbeResource: _probe_resource,
        ac.FenceNode: _fence_node,
        ac.SaveEpoch: _save_epoch,
        ac.SaveMaintenance: _save_maintenance,
        ac.SaveStandby: _save_standby,
        ac.ReportTransition: _report_transition,
        ac.Log: _log,
        ac.OrderAnswered: _order_answered,
        ac.Exit: _exit,
    }
