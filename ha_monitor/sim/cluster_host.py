"""One simulated machine of the whole cluster: power, clocks, kernel, tmpfs, disk, services, guard, core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ha_monitor.core import events as ev
from ha_monitor.core.bids import ballot_floor
from ha_monitor.core.voter import VoterSeat
from ha_monitor.messages import Release
from ha_monitor.model import Cause, ClusterConfig, Quorum
from ha_monitor.sim.agenda import HostClock
from ha_monitor.sim.core_process import CoreProcess, Datagram, draw_incarnation
from ha_monitor.sim.disk import Disk
from ha_monitor.sim.fencing import Fencer
from ha_monitor.sim.guard import Guard, exclusive_names
from ha_monitor.sim.kernel import Kernel
from ha_monitor.sim.services import Services
from ha_monitor.sim.swarm import SLEEPS
from ha_monitor.timebase import SECOND

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_world import ClusterWorld

BOOT_NS = 5 * SECOND  # how old the Lease clock is when a daemon starts
NO_SENDING = 1 << 64  # higher than any
NIC_MAX = 64  # packets that a machine finds when it wakes up


@dataclass
class Woken:
    """A Lease that a machine held when it was put to sleep, kernel and all: outside the promise's condition.

    It counts until the machine has heard a higher Epoch, or was granted another sending after it woke. The
    same holds for an Owner of mode `ping` whose place was taken by a Node that does not hear it.
    """

    woke_ns: int  # true time
    sending: int  # the highest that was taken before


class ClusterHost:
    """A machine."""

    def __init__(self, world: ClusterWorld, index: int, clock: HostClock) -> None:
        self.world = world
        self.index = index
        self.config = world.config
        self.next_config = world.config  # what the next start of a core finds on disk
        self.voter = world.config.voters[index]
        self.name = self.voter.name
        self.clock = clock
        self.wall_step_ns = 0  # how far somebody has set the wall clock
        self.boots = 0
        self._asleep_since_ns = -1
        self._when_awake: list[Callable[[], None]] = []
        self.disk = Disk(self.later)
        self.services = Services(world.config, world.agenda, world.rng, self._tell, self.later)
        self.fencer = Fencer(self)
        self.strangers: dict[str, str] = {}
        self.tmpfs: bytes | None = None
        self.is_tmpfs_full = False
        self.timeout_ns = 0  # for the planted bug that writes the kernel's timeout late
        self.is_on = False
        self.was_off_ns = 0  # true time: when its power came or went last
        self.is_stopped = False  # by an operator
        self.woken: dict[str, Woken] = {}  # by group
        self.slept_with: set[str] = set()  # exclusive groups that ran here when the machine slept
        self._is_unguarded = False  # guard and core are dead, and exclusive groups may run
        self.process: CoreProcess | None = None
        self.kernel = Kernel(world.agenda, clock)
        self.guard = Guard(self)

    def later(self, delay_ns: int, do: Callable[[], None]) -> None:
        """Plan something that this machine does itself: not while it sleeps, nor after its power failed."""
        boots = self.boots

        def run() -> None:
            if self.is_frozen:
                self._when_awake.append(run)
            elif boots == self.boots:
                do()

        self.world.agenda.after(delay_ns, run)

    # Power and processes

    def lose_worker(self) -> None:
        """It dies; what is ordered before the next one begins reaches nobody."""
        self.services.worker_dies()
        self.fencer.worker_dies()
        self.order(ev.WorkerLost())

    def start_worker(self) -> None:
        """The guard starts another one, if there is none."""
        if not self.services.is_away:
            return
        self.services.is_away = self.fencer.is_away = False
        if self.process is not None:
            self.order(ev.WorkerStarted())
            self._look_around()

    def _look_around(self) -> None:
        """What a worker does first."""
        if not self.voter.is_witness:
            self.services.probe_all()
            self.fencer.test_all()

    def power_on(self) -> None:
        """Boot, and start the daemon."""
        if self.is_on:
            return
        if self.boots:
            self.clock = self.clock.booted(self.world.agenda.now_ns, BOOT_NS)
        self.is_on, self.boots, self.tmpfs = True, self.boots + 1, None
        self.was_off_ns = self.world.agenda.now_ns
        self.disk.lose_unsynced()
        self.start_daemon()

    def power_off(self) -> None:
        """All processes, the kernel and tmpfs are gone at once."""
        self.end_core()
        self.is_on, self.tmpfs, self.guard = False, None, Guard(self)
        self.was_off_ns = self.world.agenda.now_ns
        self.boots += 1
        self._asleep_since_ns = -1
        self._when_awake.clear()
        self.woken.clear()
        self.slept_with.clear()
        self._is_unguarded = False
        self.kernel = Kernel(self.world.agenda, self.clock)
        self.services.power_off()
        self.fencer.worker_dies()

    def start_daemon(self) -> None:
        """A new guard, which starts a core."""
        if self.is_on and self.process is None and not self.guard.is_busy:
            self.is_stopped = False
            self.guard = Guard(self)
            if self._is_unguarded:
                self._is_unguarded = False
                self.services.kill(exclusive_names(self.config))  # a new guard's first work
            self.disk.write_through(hold_ns=max(self.disk.memory.hold_ns, self.next_config.longest_hold_ns))
            self.start_worker()
            self.start_core()

    def start_core(self) -> None:
        """A new life of the core; its voter goes on with what tmpfs remembers."""
        world = self.world
        self._take_configuration(world.plant.configuration(self))
        now_ns = self.clock.own_ns(world.agenda.now_ns)
        floor = max(self.disk.memory.counter, ballot_floor(self.wall_ns()))
        seat = self._take_seat(now_ns, floor)
        for group, ballot in self.guard.released:
            seat.answer(self.index, Release(group, ballot, -1, Cause.DAEMON_DIED), now_ns)
        self.guard.released = ()
        if not self.is_tmpfs_full:
            self.tmpfs = seat.dump()
        self.process = CoreProcess(self, seat, draw_incarnation(world.rng), floor)
        world.plant.began(self.process)
        self.process.plan(world.agenda.now_ns)
        self._look_around()
        world.note(self.name, "core starts")

    def _take_configuration(self, config: ClusterConfig) -> None:
        if config is self.config:
            return
        old = {r.name for group in self.config.groups for r in group.addresses}
        new = {r.name for group in config.groups for r in group.addresses}
        self.config = config
        self.voter = config.voters[self.index]
        self.disk.write(hold_ns=max(self.disk.memory.hold_ns, config.longest_hold_ns))
        self.services.configure(config)
        for name in old - new:
            self.kernel.close(name)

    def _take_seat(self, now_ns: int, floor: int) -> VoterSeat:
        plant, hold_ns, boot = self.world.plant, self.disk.memory.hold_ns, f"boot-{self.boots}"
        if self.tmpfs is not None:
            try:
                return plant.seat.load(self.tmpfs, self.index, hold_ns, boot)
            except ValueError:
                self.world.note(self.name, "the voter's state is damaged")
        is_alone = self.config.quorum is Quorum.SINGLE  # nobody else could hold anything
        is_new = self.world.is_first_start or is_alone
        until_ns = 0 if is_new else now_ns + plant.abstain_leases * hold_ns
        incarnation = draw_incarnation(self.world.rng)
        return plant.seat(self.index, incarnation, until_ns, floor, hold_ns, boot)

    def end_core(self) -> None:
        """The core's process is gone, whatever it was doing."""
        if self.process is not None:
            self.process.is_alive = False
            self.process = None

    def crash_core(self) -> None:
        """SIGKILL to the core alone."""
        if self.process is not None:
            self.end_core()
            self.guard.core_died()

    def kill_all(self) -> None:
        """SIGKILL to guard and core together; what the guard had not written yet is lost."""
        self.end_core()
        if self.guard.watched and self.config.watchdog is not None:
            self._is_unguarded = True
            self.later(self.config.watchdog.timeout_ns, self._watchdog_bites)
        self.guard = Guard(self)
        self.disk.lose_unsynced()

    def _watchdog_bites(self) -> None:
        if self._is_unguarded:
            self.world.note(self.name, "the watchdog resets the host")
            self.power_off()
            self.world.agenda.after(BOOT_NS // 5, self.power_on)

    def core_exited(self, code: int) -> None:
        """The core ended because it was asked to: an operator's stop, or a planned restart."""
        self.world.note(self.name, f"core exits with {code}")
        self.end_core()
        if self.is_stopped:
            self.kernel.close_all()
            self.services.kill(exclusive_names(self.config))
            self.guard.watched.clear()
        else:
            self.start_core()

    # A machine that sleeps as a whole

    @property
    def is_frozen(self) -> bool:
        """Whether the whole machine stands still: a virtual machine that was suspended."""
        return self._asleep_since_ns >= 0

    def freeze(self) -> None:
        """Put the machine to sleep, kernel and all."""
        if self.is_on and not self.is_frozen:
            self._asleep_since_ns = self.world.agenda.now_ns
            self.kernel.freeze()
            self.world.counts[SLEEPS] += 1

    def thaw(self, knows: bool = False) -> None:
        """Wake it up. ``knows``: its Lease clock has gone on, as in a laptop and not in a virtual machine."""
        if not self.is_frozen:
            return
        now_ns = self.world.agenda.now_ns
        slept_ns, self._asleep_since_ns = now_ns - self._asleep_since_ns, -1
        self.kernel.thaw()
        if not knows:
            self.clock = self.clock.stopped(slept_ns)
        self._note_woken(now_ns)
        waiting, self._when_awake = self._when_awake, []
        for do in waiting:
            do()
        if self.process is not None:
            self.process.slept(slept_ns)

    def count_again(self, group: str) -> None:
        """It has heard, or holds by a new grant: from now on it counts."""
        if (woken := self.woken.pop(group, None)) is not None:
            self.world.sleeps.ended(self, group, woken)
            self.world.counted_again_ns = self.world.agenda.now_ns

    def leave_out(self, group: str) -> None:
        """Mode `ping`: it may go on until it hears of a higher Epoch, however often it renews."""
        self.woken[group] = Woken(self.world.agenda.now_ns, NO_SENDING)

    def _note_woken(self, now_ns: int) -> None:
        self.slept_with.update(group.name for group in self.config.groups if group.exclusive)
        own_ns = self.clock.own_ns(now_ns)
        believed = self.process.believed_groups() if self.process else ()
        answering = (group for group, name in self.world.addresses if self.kernel.answers(name))
        for name in {*believed, *answering}:
            is_left_out = name in self.woken and self.woken[name].sending == NO_SENDING
            # Sendings never run ahead of the Lease clock.
            self.woken[name] = Woken(now_ns, NO_SENDING if is_left_out else own_ns)
        self.world.sleeps.woke(self)

    # What reaches the core

    def wall_ns(self) -> int:
        """This machine's wall clock."""
        return self.world.wall_ns() + self.wall_step_ns

    def deliver(self, source: int, link: str, packet: bytes) -> None:
        """A packet reaches a socket of the host."""
        if self.is_frozen:
            if len(self._when_awake) < NIC_MAX:
                self._when_awake.append(lambda: self.deliver(source, link, packet))
        elif self.process is not None and self.world.plant.hears(self):
            arrived_ns = self.clock.own_ns(self.world.agenda.now_ns)
            self.process.post(Datagram(source, link, packet, arrived_ns))

    def _tell(self, event: ev.Event) -> None:
        if self.process is not None:
            self.process.post(event)

    def order(self, event: ev.Event) -> None:
        """An operator at this host."""
        self._tell(event)
