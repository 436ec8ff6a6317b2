"""A pair and a Witness in memory for tests of the core: packets arrive after 0.2 ms, the kernel obeys."""

from __future__ import annotations

import heapq
import ipaddress
import itertools
from dataclasses import dataclass, replace

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.core.cluster import ClusterCore
from ha_monitor.core.voter import VoterSeat
from ha_monitor.messages import TransitionNote
from ha_monitor.model import ClusterConfig, Group, Resource, ResourceKind, ResourceState, Run, Voter
from ha_monitor.timebase import MS, SECOND

START_NS = 1_000 * SECOND
DELAY_NS = MS // 5
VIP = "192.0.2.100/24"


def voter(index, name, is_witness=False, **links):
    return Voter(index, name, {k: ipaddress.ip_address(v) for k, v in links.items()}, is_witness)


def vip(text=VIP):
    return Resource(text, ResourceKind.VIP, address=ipaddress.ip_interface(text))


def command(name, run=Run.OWNER):
    return Resource(name, ResourceKind.COMMAND, run, start="start", stop="stop", status="status")


def www(*resources, **settings):
    return Group("www", ("pub2", "pub3"), resources or (vip(),), **settings)


def pair(*groups, **settings):
    nodes = (
        voter(0, "pub2", lan="192.0.2.12", direct="198.51.100.12"),
        voter(1, "pub3", lan="192.0.2.13", direct="198.51.100.13"),
    )
    witness = voter(2, "mon", True, lan="192.0.2.9")
    return ClusterConfig("web", nodes, witness, groups or (www(),), digest="d", **settings)


@dataclass(frozen=True)
class _LeaseOver:
    """For the guard: it has an end of its own to look at, whatever became of the core."""

    group: str
    until_ns: int


class Member:
    """One voter: its core, its services, and what it did."""

    def __init__(self, world, index, seat=None, **memory):
        self.world, self.index = world, index
        self.services = {}  # Resource name to state, as an agent would find it
        self.stop_fails = set()
        self.start_fails = set()
        self.strangers = {}  # service address to a stranger's MAC
        self.watched = {}  # what the guard knows: exclusive group to the end of its Lease
        self.guard_fails = set()  # groups that it cannot end
        self.has_guard = True
        self.is_worker_away = False
        self.actions, self.open = [], {}
        self.is_up = True
        self.start(seat, **memory)

    def start(self, seat=None, **memory):
        self.incarnation = next(self.world.incarnations)
        self.seat = seat or VoterSeat(self.index, self.incarnation + 7, 0, 5, 10 * SECOND)
        now = self.world.now_ns
        self.core = ClusterCore(self.world.config, self.index, self.incarnation, now, self.seat, **memory)
        for group in self.world.config.groups:
            for resource in group.resources:
                if resource.kind is not ResourceKind.VIP and self.index < 2:
                    self.services.setdefault(
                        resource.name,
                        ResourceState.RUNNING if resource.run is Run.EVERYWHERE else ResourceState.STOPPED,
                    )
                    self.report(group.name, resource.name, after_ns=20 * MS)

    def report(self, group, name, operation="probe", operation_id=0, after_ns=DELAY_NS):
        state = self.services[name]
        event = ev.ResourceReported(group, name, state, operation, operation_id, MS, "")
        self.world.post(after_ns, self.index, event)

    def step(self, event):
        """Take in an event; what the kernel answers to its actions comes next, before anything else."""
        if isinstance(event, _LeaseOver):
            if self.watched.get(event.group) == event.until_ns:
                self.end(event.group)
            return
        events = [event]
        while events:
            answers = []
            for action in self.core.step(events.pop(0), self.world.now_ns):
                self.actions.append((self.world.now_ns, action))
                answers.append(self._do(action))
            events[:0] = [answer for answer in answers if answer is not None]

    def _do(self, action):  # noqa: C901  a table of small cases
        world = self.world
        match action:
            case ac.SendHeartbeat(heartbeat):
                world.carry(heartbeat)
            case ac.ArmWindow(group, sending, _):
                return ev.WindowArmed(group, sending, True)
            case ac.ActivateWindow(group, resources, _):
                self.open.update(dict.fromkeys(resources, group))
            case ac.CloseAddresses(group, resources):
                for name in resources:
                    self.open.pop(name, None)
                return ev.AddressClosed(group, True)
            case ac.ProbeDuplicate(group, resources):
                for name in resources:
                    answer = ev.DuplicateProbed(group, name, self.strangers.get(name, ""))
                    world.post(5 * MS, self.index, answer)
            case ac.StartResource() | ac.StopResource() if self.is_worker_away:
                pass
            case ac.StartResource(group, name, operation_id, _):
                failed = name in self.start_fails
                self.services[name] = ResourceState.FAILED if failed else ResourceState.RUNNING
                self.report(group, name, "start", operation_id, 3 * MS)
            case ac.StopResource(group, name, operation_id):
                failed = name in self.stop_fails
                self.services[name] = ResourceState.FAILED if failed else ResourceState.STOPPED
                self.report(group, name, "stop", operation_id, 3 * MS)
            case ac.ProbeResource(group, name, operation_id):
                self.report(group, name, "probe", operation_id)
            case ac.GuardGroup(group, until_ns, is_new):
                if is_new or group in self.watched:
                    self.watched[group] = until_ns
                    world.post(until_ns - world.now_ns, self.index, _LeaseOver(group, until_ns))
                return ev.GroupGuarded(group) if is_new else None
            case ac.EndGroup(group):
                if not self.has_guard:
                    return ev.GroupEnded(group, False, "the guard is gone", is_guard_gone=True)
                self.end(group)
            case ac.FenceNode():
                world.fence(self.index, action)
            case ac.ReportTransition():
                world.transitions.append(action)
                return ev.TransitionStamped(self._stamp(action))
            case ac.Exit():
                self.is_up = False
        return None

    def end(self, group):
        """The guard ends it, which takes a moment; or it cannot, and says so."""
        is_ended = group not in self.guard_fails
        if is_ended:
            self.watched.pop(group, None)
            for resource in self.world.config.group(group).ended_by_guard:
                self.services[resource.name] = ResourceState.STOPPED
        answer = ev.GroupEnded(group, is_ended, "" if is_ended else "umount: busy")
        self.world.post(30 * MS, self.index, answer)

    def _stamp(self, action):
        return TransitionNote(
            f"t{len(self.world.transitions)}", action.group, self.world.now_ns, action.kind.value,
            action.cause.value, action.sentence, action.node_from, action.node_to, "",
        )  # fmt: skip

    @property
    def group(self):
        return self.core.view(self.world.now_ns).groups[0]

    def lines(self):
        return [a.line for _, a in self.actions if isinstance(a, ac.Log)]

    def of(self, kind):
        return [a for _, a in self.actions if isinstance(a, kind)]


class World:
    """Time goes on only in `run`."""

    def __init__(self, config=None):
        self.config = config or pair()
        self.now_ns = START_NS
        self.incarnations = itertools.count(1_000)
        self.cut = set()  # (sender, receiver, link); None for any link
        self.transitions = []
        self._queue, self._serial = [], itertools.count()
        self.members = [Member(self, v.index) for v in self.config.voters]

    def __getitem__(self, name):
        return self.members[self.config.voter(name).index]

    def post(self, after_ns, index, event):
        heapq.heappush(self._queue, (self.now_ns + after_ns, next(self._serial), index, event))

    def forget(self):
        """Nothing that is under way arrives."""
        self._queue.clear()

    def carry(self, heartbeat):
        ends = heartbeat.sender, heartbeat.receiver
        if (*ends, heartbeat.link) not in self.cut and (*ends, None) not in self.cut:
            event = ev.HeartbeatReceived(heartbeat, self.now_ns + DELAY_NS)
            self.post(DELAY_NS, heartbeat.receiver, event)

    def separate(self, one, other, link=None):
        a, b = self.config.voter(one).index, self.config.voter(other).index
        self.cut |= {(a, b, link), (b, a, link)}

    def run(self, seconds):
        until_ns = self.now_ns + int(seconds * SECOND)
        while True:
            due = [(m.core.next_deadline_ns, m.index) for m in self.members if m.is_up]
            next_due = min(due, default=(until_ns, -1))
            if self._queue and self._queue[0][0] <= next_due[0]:
                at_ns, _, index, event = self._queue[0]
            else:
                (at_ns, index), event = next_due, ev.DeadlinePassed()
            if at_ns > until_ns or index < 0:
                self.now_ns = until_ns
                return
            if self._queue and self._queue[0][3] is event:
                heapq.heappop(self._queue)
            self.now_ns = max(self.now_ns, at_ns)
            if self.members[index].is_up or not isinstance(event, ev.Event):
                self.members[index].step(event)
                self.check_single_owner()

    def fence(self, index, action):
        """What the fence devices make of it: here there are none."""
        event = ev.FenceEnded(action.node, action.operation_id, False, "no device")
        self.post(MS, index, event)

    def order(self, name, event):
        self[name].step(event)

    def owners(self, address=VIP):
        return [m.core.situation.me.name for m in self.members if m.is_up and address in m.open]

    def check_single_owner(self):
        for resource in {name for m in self.members for name in m.open}:
            assert len(self.owners(resource)) <= 1, f"{resource} is open on {self.owners(resource)}"

    def power_off(self, name):
        self[name].is_up = False
        self[name].open.clear()

    def start_again(self, name, seat=None, **memory):
        member = self[name]
        member.is_up = True
        member.start(seat, **memory)


def with_failback(group, failback):
    return replace(group, failback=failback)


def causes(world):
    """Of every transition that was told, in order."""
    return [t.cause for t in world.transitions]
