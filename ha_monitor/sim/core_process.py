"""One life of the real core in the simulated world: the loop of the core process, with a stall between steps.

Mirrors the order of the real loop (runtime/loop.py): take an item, open it by the real wire, let what is due
come first, step the real ClusterCore, carry out its actions in order, give their answers to the core before
anything else. Between any two of these the process may stand still or die.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.core.cluster import ClusterCore
from ha_monitor.core.leases import Phase
from ha_monitor.errors import PacketRejected
from ha_monitor.messages import Heartbeat, Release, TransitionNote
from ha_monitor.sim.cast import KEY
from ha_monitor.sim.checks import check_comes_to_rest
from ha_monitor.timebase import MS
from ha_monitor.wire.seal import Endpoint, Keyring, Opener, Sealer

if TYPE_CHECKING:
    from ha_monitor.core.voter import VoterSeat
    from ha_monitor.sim.cluster_host import ClusterHost

INBOX_MAX = 256
PROBE_NS = 10 * MS


@dataclass(frozen=True)
class Datagram:
    """A sealed packet as it came out of a socket."""

    source: int
    link: str
    packet: bytes
    arrived_ns: int


class Look:
    """A view is due: it is made between two events, after what is due on the own Lease."""


LOOK = Look()
Item = Datagram | ev.Event | Look


class CoreProcess:
    """A core, its end of the wire, and what it is about to do."""

    def __init__(self, host: ClusterHost, seat: VoterSeat, incarnation: int, counter_floor: int) -> None:
        world = host.world
        self.host, self.world = host, world
        self.is_alive = True
        self.heard_ns: dict[int, int] = {}  # by voter: when the last packet came that the core took
        self.began_ns = world.agenda.now_ns  # true time
        self.stalled_until_ns = 0
        self.ran_ns = world.agenda.now_ns  # true time of the last step, for the guard
        self.dropped = 0
        memory = host.disk.memory
        self.core = ClusterCore(
            host.config,
            host.index,
            incarnation,
            self.now_ns(),
            seat,
            counter_floor,
            memory.is_standby,
            memory.maintenance_note(world.agenda.now_ns),
        )
        self._endpoint = self._make_endpoint(incarnation)
        self._inbox: deque[Item] = deque()
        self._taken: deque[ev.Event] = deque()
        self._events: deque[ev.Event] = deque()  # answers that come before anything else
        self._actions: deque[ac.Action] = deque()
        self._answers: list[ev.Event] = []
        self._is_mute = False
        self._planned_ns = -1  # true moment of the next run, -1 if none
        self._deadline_ns = self.core.next_deadline_ns
        self._settled: set[str] = (
            set()
        )  # groups whose Lease from before a sleep is over once all is carried out

    def _make_endpoint(self, incarnation: int) -> Endpoint:
        config, index = self.host.config, self.host.index
        keyring = Keyring({1: KEY}, 1)
        opener = Opener(
            config.name,
            keyring,
            receiver=index,
            incarnation=incarnation,
            peers=[v.index for v in config.voters if v.index != index],
            links=sorted({link for v in config.voters for link in v.addresses}),
            interval_ns=config.timing.interval_ns,
        )
        return Endpoint(Sealer(config.name, keyring), opener)

    # The loop

    def now_ns(self) -> int:
        """The own Lease clock."""
        return self.host.clock.own_ns(self.world.agenda.now_ns)

    def post(self, item: Item) -> None:
        """Something arrives; beyond the bound it is lost, as in a full socket."""
        if not self.is_alive:
            return
        if len(self._inbox) >= INBOX_MAX:
            self.dropped += 1
            return
        self._inbox.append(item)
        self.plan(self.world.agenda.now_ns)

    def stall(self, length_ns: int) -> None:
        """Stand still from now on; the kernel's timers go on."""
        self.stalled_until_ns = max(self.stalled_until_ns, self.world.agenda.now_ns + length_ns)

    def do_later(self, action: ac.Action) -> None:
        """Put an action back: it is done when the process goes on."""
        self._actions.appendleft(action)

    def wake(self) -> None:
        """Go on, from where it stands."""
        self.stalled_until_ns = min(self.stalled_until_ns, self.world.agenda.now_ns)
        self._planned_ns = -1
        self.plan(self.world.agenda.now_ns)

    def plan(self, at_ns: int) -> None:
        """Run at that true moment at the latest."""
        at_ns = max(at_ns, self.stalled_until_ns, self.world.agenda.now_ns)
        if self._planned_ns < 0 or at_ns < self._planned_ns:
            self._planned_ns = at_ns
            self.world.agenda.at(at_ns, lambda: self._run(at_ns))

    def _run(self, planned_ns: int) -> None:
        if planned_ns != self._planned_ns:
            return  # an earlier one came in between
        self._planned_ns = -1
        steps = 0
        while self._may_step() and self._step():
            steps += 1
            check_comes_to_rest(self.host.name, steps)
            self.ran_ns = self.world.agenda.now_ns
            self.world.check()
            self.world.stumbles(self)
        if not self.is_alive or self.host.is_frozen:
            return  # `slept` goes on
        if self.stalled_until_ns > self.world.agenda.now_ns:
            self.plan(self.stalled_until_ns)
        elif not self.core.is_stopped:
            self.plan(self.host.clock.true_ns(self._deadline_ns))

    def _may_step(self) -> bool:
        is_awake = self.stalled_until_ns <= self.world.agenda.now_ns and not self.host.is_frozen
        return self.is_alive and is_awake

    def slept(self, length_ns: int) -> None:
        """The whole machine slept so long; go on from where it stands."""
        now_ns = self.world.agenda.now_ns
        if self.stalled_until_ns > now_ns - length_ns:
            self.stalled_until_ns += length_ns
        self.ran_ns += length_ns
        self._planned_ns = -1
        self.plan(now_ns)

    def believed_groups(self) -> list[str]:
        """The groups that it holds or takes up, or will think so for a moment when it goes on."""
        return [name for name, tenure in self.core.tenures.items() if tenure.seeker.phase is Phase.HELD]

    def _step(self) -> bool:
        """One instruction of the loop; False when there is nothing to do."""
        if self._actions:
            self._answers.extend(self._do(self._actions.popleft()))
        elif self._answers:
            self._events.extendleft(reversed(self._answers))
            self._answers.clear()
        elif self._settled:
            self._forget_sleep()
        elif self.core.is_stopped:
            return False
        elif self._events:
            self._feed(self._events.popleft())
        elif self._deadline_ns <= self.now_ns():
            self._feed(ev.DeadlinePassed())
        elif self._taken:
            self._feed(self._taken.popleft())
        elif self._inbox:
            self._take(self._inbox.popleft())
        else:
            return False
        return True

    def _feed(self, event: ev.Event) -> None:
        self._is_mute = False
        if self.host.woken and isinstance(event, ev.HeartbeatReceived):
            self._note_higher(event.heartbeat)
        actions = self.core.step(event, self.now_ns())
        self._deadline_ns = self.core.next_deadline_ns
        self.world.stepped(self, actions)
        if isinstance(event, ev.HeartbeatReceived):
            self.heard_ns[event.heartbeat.sender] = event.arrived_ns
        self._actions.extend(actions)

    def _note_higher(self, heartbeat: Heartbeat) -> None:
        """Rule 6: what is claimed under a higher Epoch ends a Lease from before a sleep at once.

        By somebody who knows this life: what cannot be told from a packet of long ago counts for nothing.
        """
        if heartbeat.hears_incarnation != self.core.situation.incarnation:
            return
        for report in heartbeat.report.groups:
            tenure = self.core.tenures.get(report.group)
            if tenure is not None and report.epoch > tenure.seeker.ballot:
                self._settled.add(report.group)

    def _forget_sleep(self) -> None:
        for group in self._settled:
            self.host.count_again(group)
        self._settled.clear()

    def over(self, group: str) -> None:
        """The core let go of a Lease from before a sleep: it must be closed once all is carried out."""
        self._settled.add(group)

    def _take(self, item: Item) -> None:
        if isinstance(item, Look):
            self.world.look(self)
            return
        if not isinstance(item, Datagram):
            self._taken.append(item)
            return
        try:
            opened = self._endpoint.open(item.packet, item.link, item.arrived_ns)
        except PacketRejected as rejection:
            self.world.rejected[rejection.reason] += 1
            return
        if opened.is_news:
            self._taken.append(ev.HeartbeatReceived(opened.heartbeat, item.arrived_ns))

    # What the core wants done

    def _do(self, action: ac.Action) -> list[ev.Event]:
        self.world.note_action(self.host, action)
        handler = self._TABLE.get(type(action))
        return handler(self, action) if handler is not None else []

    def _save_voter_state(self, action: ac.SaveVoterState) -> list[ev.Event]:
        if self.host.is_tmpfs_full:
            self._is_mute = True
            self.host.tmpfs = None
            return [ev.VoterStateSaved(False)]
        self.host.tmpfs = action.state
        return []

    def _send(self, action: ac.SendHeartbeat) -> list[ev.Event]:
        heartbeat = action.heartbeat
        if not self._is_mute:
            for packet in self._endpoint.packets(heartbeat) * self.world.plant.copies:
                self.world.send(self.host.index, heartbeat.receiver, heartbeat.link, packet)
        return []

    def _prepare_goodbye(self, action: ac.PrepareGoodbye) -> list[ev.Event]:
        packets = [(h.receiver, h.link, p) for h in action.heartbeats for p in self._endpoint.packets(h)]
        said = (m for h in action.heartbeats for m in h.messages if isinstance(m, Release))
        self.host.guard.goodbye = tuple(packets)
        self.host.guard.releases = tuple(dict.fromkeys((r.group, r.ballot) for r in said))
        return []

    def _arm(self, action: ac.ArmWindow) -> list[ev.Event]:
        self.world.plant.arm(self, action)
        return [ev.WindowArmed(action.group, action.sending, True)]

    def _activate(self, action: ac.ActivateWindow) -> list[ev.Event]:
        self.world.plant.activate(self, action)
        return []

    def _close(self, action: ac.CloseAddresses) -> list[ev.Event]:
        for name in action.resources:
            self.host.kernel.close(name)
        return [ev.AddressClosed(action.group, True)]

    def _probe_duplicate(self, action: ac.ProbeDuplicate) -> list[ev.Event]:
        for name in action.resources:
            event = ev.DuplicateProbed(action.group, name, self.host.strangers.get(name, ""))
            self.world.agenda.after(PROBE_NS, lambda event=event: self.post(event))  # type: ignore[misc]
        return []

    def _start_resource(self, action: ac.StartResource) -> list[ev.Event]:
        self.world.check_order(self.host, action)
        group = self.host.config.group(action.group)
        is_watched = action.group in self.host.guard.watched
        if not is_watched and action.resource in (r.name for r in group.ended_by_guard):
            self.host.services.refuse(action.resource, action.operation_id)
            return []
        self.host.services.start(action.resource, action.operation_id)
        return []

    def _stop_resource(self, action: ac.StopResource) -> list[ev.Event]:
        self.world.check_stop_order(self.host, action)
        self.host.services.stop(action.resource, action.operation_id)
        return []

    def _guard_group(self, action: ac.GuardGroup) -> list[ev.Event]:
        return self.host.guard.watch_group(action.group, action.until_ns, action.is_new)

    def _end_group(self, action: ac.EndGroup) -> list[ev.Event]:
        self.host.guard.end_group(action.group)
        return []

    def _probe_resource(self, action: ac.ProbeResource) -> list[ev.Event]:
        self.host.services.probe(action.resource, action.operation_id)
        return []

    def _save_epoch(self, action: ac.SaveEpoch) -> list[ev.Event]:
        self.host.disk.write(counter=max(self.host.disk.memory.counter, action.counter))
        return []

    def _save_standby(self, action: ac.SaveStandby) -> list[ev.Event]:
        self.host.disk.write(is_standby=action.is_standby)
        return []

    def _save_maintenance(self, action: ac.SaveMaintenance) -> list[ev.Event]:
        self.host.disk.take_maintenance(action.note, self.world.agenda.now_ns)
        return []

    def _report_transition(self, action: ac.ReportTransition) -> list[ev.Event]:
        self.world.check_transition(self.host, action)
        note = TransitionNote(
            ident=f"{self.host.name}-{self.host.boots}-{self.world.events}",
            group=action.group,
            at_ns=self.host.wall_ns(),
            kind=action.kind.value,
            cause=action.cause.value,
            sentence=action.sentence,
            node_from=action.node_from,
            node_to=action.node_to,
            epoch=str(action.epoch.counter),
        )
        return [ev.TransitionStamped(note)]

    def _fence_node(self, action: ac.FenceNode) -> list[ev.Event]:
        return self.host.fencer.order(action)

    def _exit(self, action: ac.Exit) -> list[ev.Event]:
        self.host.core_exited(action.code)
        return []

    _TABLE: Mapping[type, Callable[..., list[ev.Event]]] = {
        ac.SaveVoterState: _save_voter_state,
        ac.SendHeartbeat: _send,
        ac.PrepareGoodbye: _prepare_goodbye,
        ac.ArmWindow: _arm,
        ac.ActivateWindow: _activate,
        ac.CloseAddresses: _close,
        ac.ProbeDuplicate: _probe_duplicate,
        ac.StartResource: _start_resource,
        ac.StopResource: _stop_resource,
        ac.ProbeResource: _probe_resource,
        ac.GuardGroup: _guard_group,
        ac.EndGroup: _end_group,
        ac.SaveEpoch: _save_epoch,
        ac.SaveStandby: _save_standby,
        ac.SaveMaintenance: _save_maintenance,
        ac.ReportTransition: _report_transition,
        ac.FenceNode: _fence_node,
        ac.Exit: _exit,
    }


def draw_incarnation(rng: random.Random) -> int:
    """A life's random number, never 0."""
    return rng.getrandbits(63) | 1
