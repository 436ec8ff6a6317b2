"""One machine of the explored world: power, guard, kernel, tmpfs, and the real core in its loop.

It mirrors the loop of the core process (runtime/loop.py, sim/core_process.py): take an event, step the core,
carry out its actions one by one, give their answers to the core before anything else. At each POINT the
process may be made to stand still, with everything after it undone; only `wake` lets it go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.core.cluster import ClusterCore
from ha_monitor.core.leases import Phase
from ha_monitor.core.voter import GroupMemory, VoterSeat
from ha_monitor.messages import Accept, Heartbeat, LeaseMessage, Propose, Release
from ha_monitor.model import NO_BALLOT, REPORTER, Ballot, ClusterConfig, Group
from ha_monitor.sim.agenda import Agenda, HostClock
from ha_monitor.sim.cast import VIP
from ha_monitor.sim.kernel import Kernel
from ha_monitor.timebase import MS

if TYPE_CHECKING:
    from ha_monitor.sim.explore_plants import ExplorePlant

GROUP = "www"
PROBE_NS = 10 * MS
TIMER_RATE = 0.9  # of the kernel's timers: the slowest that NTP allows
STEPS_MAX = 200  # of one run: a core that never rests is a bug too


@dataclass(frozen=True)
class SavedSeat:
    """The voter's file on tmpfs."""

    incarnation: int
    abstain_until_ns: int
    floor: int
    groups: Mapping[str, GroupMemory]


class Machine:
    """One voter's machine. Its clocks are right; only the kernel's timers are slow."""

    def __init__(self, config: ClusterConfig, index: int, now_ns: int) -> None:
        self.config = config
        self.index = index
        self.now_ns = now_ns
        self.kernel = Kernel(cast(Agenda, self), cast(HostClock, self))  # a machine is its own time
        self.core: ClusterCore | None = None
        self.saved: SavedSeat | None = None
        self.lives = 0
        self.is_paused = False
        self.goodbye: tuple[Heartbeat, ...] = ()
        self.todo: tuple[str, ...] = ()  # what the guard, or the init system, is about to do
        self.released: tuple[Release, ...] = ()  # by the guard, for the next core's own voter
        self.actions: deque[ac.Action] = deque()
        self.events: deque[ev.Event] = deque()  # answers, which come before anything else
        self.timers: tuple[tuple[int, ev.Event], ...] = ()
        self.sent: list[Heartbeat] = []
        self.points: list[str] = []
        self.orders = 0

    @property
    def name(self) -> str:
        """The voter's name."""
        return self.config.voters[self.index].name

    def timer_ns(self, length_ns: int) -> int:
        """How long a timer of the kernel truly takes."""
        return int(length_ns / TIMER_RATE)

    # What may be asked about it

    @property
    def serves(self) -> bool:
        """Whether its kernel answers for the address."""
        return self.kernel.answers(VIP)

    @property
    def holds(self) -> bool:
        """Whether its core holds an unexpired Lease by its own clock, even one that stands still."""
        if self.core is None:
            return False
        seeker = self.core.tenures[GROUP].seeker
        return seeker.phase is Phase.HELD and seeker.end_ns > self.now_ns

    @property
    def epoch(self) -> Ballot:
        """The ballot of the Lease that its core believes to hold."""
        if self.core is None:
            return NO_BALLOT
        seeker = self.core.tenures[GROUP].seeker
        return seeker.ballot if seeker.phase is Phase.HELD else NO_BALLOT

    @property
    def due_ns(self) -> int | None:
        """When something happens here by itself, None if nothing does."""
        if self.core is None or self.is_paused:
            return None
        return min([self.core.next_deadline_ns, *(at_ns for at_ns, _ in self.timers)])

    # What may happen to it

    def act(self, what: str, stop: int, extra: int, plant: ExplorePlant) -> None:
        """One step by its name; ``extra`` is a length of time or a floor, as the step needs it."""
        if what in self.todo[:1]:
            self.todo = self.todo[1:]
        _ACTS[what](self, stop, extra, plant)

    def _pass_time(self, stop: int, length_ns: int, plant: ExplorePlant) -> None:
        self.now_ns += length_ns
        if self.due_ns is not None and self.due_ns <= self.now_ns:
            self.run(stop, plant)

    def _pause(self, stop: int, extra: int, plant: ExplorePlant) -> None:
        """It stands still where nothing is half done; packets wait in its socket."""
        self.is_paused = True

    def _wake(self, stop: int, extra: int, plant: ExplorePlant) -> None:
        self.run(stop, plant)

    def _start(self, stop: int, floor: int, plant: ExplorePlant) -> None:
        """A new life of the core; its voter goes on with what tmpfs remembers. Floor 0: the first of all."""
        incarnation = 3 * self.lives + self.index + 1
        self.lives += 1
        seat = self._seat(incarnation, floor, plant)
        for release in self.released:
            seat.answer(self.index, release, self.now_ns)
        self.released = ()
        self._save(seat)
        self.core = ClusterCore(self.config, self.index, incarnation, self.now_ns, seat, floor)
        # One group: the pseudo-group that chooses who speaks for the cluster is not played.
        self.core.tenures[REPORTER].spec = NOBODYS
        for tenure in self.core.tenures.values():
            tenure.seeker.__class__ = plant.seeker
        self.run(stop, plant)

    def _seat(self, incarnation: int, floor: int, plant: ExplorePlant) -> VoterSeat:
        lease_ns, saved = self.config.timing.lease_ns, self.saved
        if saved is None:
            until_ns = self.now_ns + lease_ns if plant.abstains and floor else 0
            return plant.seat(self.index, incarnation, until_ns, floor, lease_ns)
        seat = plant.seat(self.index, saved.incarnation, saved.abstain_until_ns, saved.floor, lease_ns)
        seat._groups = dict(saved.groups)
        return seat

    def _save(self, seat: VoterSeat) -> None:
        seat.is_dirty = False
        self.saved = SavedSeat(
            seat.incarnation, seat.abstain_until_ns, seat._floor_counter, dict(seat._groups)
        )

    def receive(self, heartbeat: Heartbeat, stop: int, plant: ExplorePlant) -> None:
        """A packet is taken out of the socket."""
        if self.core is None:
            return
        known = self.core.situation.peers[heartbeat.sender].incarnation
        if heartbeat.incarnation < known:
            return  # the wire refuses what a former life of the sender said
        self.events.append(ev.HeartbeatReceived(heartbeat, self.now_ns))
        self.run(stop, plant)

    def run(self, stop: int, plant: ExplorePlant) -> None:
        """Do all that is to be done now, or stand still at the POINT of that number (0: at none)."""
        assert self.core is not None, "a dead core does not run"
        self.is_paused = False
        for _ in range(STEPS_MAX):
            point = self._next_point()
            if point:
                self.points.append(point)
                if len(self.points) == stop:
                    self.is_paused = True
                    return
            if not self._step(plant):
                return
        raise AssertionError(f"{self.name} never rests")

    def _step(self, plant: ExplorePlant) -> bool:
        core = self.core
        assert core is not None, "a dead core does not run"
        if self.actions:
            self._do(self.actions.popleft(), plant)
        elif self.events:
            self.actions.extend(core.step(self.events.popleft(), self.now_ns))
        elif core.next_deadline_ns <= self.now_ns:
            self.actions.extend(core.step(ev.DeadlinePassed(), self.now_ns))
        elif self.timers and self.timers[0][0] <= self.now_ns:
            self.events.append(self.timers[0][1])
            self.timers = self.timers[1:]
        else:
            return False
        return True

    def _next_point(self) -> str:
        """Between which two instructions the process stands, where a stall could matter."""
        if self.actions:
            action = self.actions[0]
            if isinstance(action, ac.SendHeartbeat):
                is_propose = any(isinstance(m, Propose) for m in action.heartbeat.messages)
                return "before it sends what it armed" if is_propose else ""
            return _POINTS.get(type(action), "")
        if self.events and isinstance(self.events[0], ev.WindowArmed):
            return "armed, before it reads the clock"
        return ""

    def _do(self, action: ac.Action, plant: ExplorePlant) -> None:
        if isinstance(action, ac.SendHeartbeat):
            self.sent.append(_without_trifles(action.heartbeat))
        elif isinstance(action, ac.SaveVoterState):
            assert self.core is not None, "only a core acts"
            self._save(self.core.situation.seat)
        elif isinstance(action, ac.ArmWindow):
            plant.arm(self.kernel, action)
            self.events.append(ev.WindowArmed(action.group, action.sending, True))
        elif isinstance(action, ac.ActivateWindow):
            plant.activate(self.kernel, action)
        elif isinstance(action, ac.CloseAddresses):
            for name in action.resources:
                self.kernel.close(name)
            self.events.append(ev.AddressClosed(action.group, True))
        elif isinstance(action, ac.ProbeDuplicate):
            at_ns = self.now_ns + PROBE_NS
            probed = ((at_ns, ev.DuplicateProbed(action.group, n, "")) for n in action.resources)
            self.timers = (*self.timers, *probed)
        elif isinstance(action, ac.PrepareGoodbye):
            self.goodbye = tuple(_without_trifles(heartbeat) for heartbeat in action.heartbeats)

    # How it ends

    def _core_dies(self, todo: tuple[str, ...]) -> None:
        """The core's process is gone, whatever it was doing; ``todo``: what comes next."""
        self.core = None
        self.is_paused = False
        self.actions.clear()
        self.events.clear()
        self.timers = ()
        self.todo = todo

    def _crash(self, stop: int, extra: int, plant: ExplorePlant) -> None:
        self._core_dies(plant.guard_steps if self.goodbye else ("start",))

    def _kill_all(self, stop: int, extra: int, plant: ExplorePlant) -> None:
        """The guard dies too; the init system starts both again."""
        self.goodbye = ()
        self._core_dies(("start",))

    def _forget(self, stop: int, extra: int, plant: ExplorePlant) -> None:
        """And the voter's file is lost meanwhile."""
        self._kill_all(stop, extra, plant)
        self.saved = None
        self.released = ()

    def _close(self, stop: int, extra: int, plant: ExplorePlant) -> None:
        """The guard closes what the core left open."""
        if self.goodbye or self.released:
            self.kernel.close(VIP)

    def _say_goodbye(self, stop: int, extra: int, plant: ExplorePlant) -> None:
        """The guard sends what the core had sealed for it."""
        self.sent.extend(self.goodbye)
        said = (m for heartbeat in self.goodbye for m in heartbeat.messages if isinstance(m, Release))
        self.released = tuple(dict.fromkeys(said))
        self.goodbye = ()

    def _switch(self, stop: int, extra: int, plant: ExplorePlant) -> None:
        """An operator wants the group on another Node."""
        self.orders += 1
        self.events.append(ev.SwitchOrdered(self.orders, GROUP, "", "somebody"))
        self.run(stop, plant)


_ACTS: Mapping[str, Callable[[Machine, int, int, ExplorePlant], None]] = {
    "time": Machine._pass_time,
    "pause": Machine._pause,
    "wake": Machine._wake,
    "start": Machine._start,
    "crash": Machine._crash,
    "kill all": Machine._kill_all,
    "forget": Machine._forget,
    "close": Machine._close,
    "say goodbye": Machine._say_goodbye,
    "switch": Machine._switch,
}
_POINTS: Mapping[type, str] = {
    ac.ArmWindow: "before it arms",
    ac.ActivateWindow: "before it activates",
    ac.CloseAddresses: "before it closes",
}
NOBODYS = Group(name=REPORTER, prefer=())


def _without_trifles(heartbeat: Heartbeat) -> Heartbeat:
    """What is only published would make states differ that are the same."""
    report = replace(heartbeat.report, uptime_s=0, stall_max_ms=0)
    return replace(heartbeat, report=report, transitions=(), echo_sent_ns=0, echo_held_ns=0)


def shifted(heartbeat: Heartbeat, by_ns: int) -> Heartbeat:
    """The same packet on another clock: its stamp, and sendings, which are counted from the clock too."""
    messages = tuple(_shifted_message(message, by_ns) for message in heartbeat.messages)
    return replace(heartbeat, sent_ns=heartbeat.sent_ns + by_ns, messages=messages)


def _shifted_message(message: LeaseMessage, by_ns: int) -> LeaseMessage:
    if isinstance(message, Propose | Accept):
        return replace(message, sending=message.sending + by_ns)
    return message
