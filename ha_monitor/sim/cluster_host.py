"""One simulated machine of the whole cluster: power, clocks, kernel, tmpfs, disk, services, guard, core."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ha_monitor.core import events as ev
from ha_monitor.core.bids import ballot_floor
from ha_monitor.core.voter import VoterSeat
from ha_monitor.messages import MaintenanceNote, Release
from ha_monitor.model import Ballot, Cause
from ha_monitor.sim.agenda import HostClock
from ha_monitor.sim.core_process import CoreProcess, Datagram, draw_incarnation
from ha_monitor.sim.kernel import Kernel
from ha_monitor.sim.services import Services

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_world import ClusterWorld


@dataclass
class Disk:
    """What survives a power cut: written beside the work, never waited for."""

    counter: int = 0
    is_standby: bool = False
    maintenance: MaintenanceNote = field(default_factory=lambda: MaintenanceNote(0))
    maintenance_end_ns: int = 0  # true time

    def take_maintenance(self, note: MaintenanceNote, now_ns: int) -> None:
        """Remember until when it lasts."""
        self.maintenance, self.maintenance_end_ns = note, now_ns + note.remaining_ns

    def maintenance_note(self, now_ns: int) -> MaintenanceNote:
        """The note as it stands now."""
        note = self.maintenance
        return MaintenanceNote(note.number, max(0, self.maintenance_end_ns - now_ns), note.why, note.who)


class Guard:
    """The parent process. Its steps after a core's death come one by one, with room for a stall between."""

    def __init__(self, host: ClusterHost) -> None:
        self.host = host
        self.goodbye: tuple[tuple[int, str, bytes], ...] = ()
        self.releases: tuple[tuple[str, Ballot], ...] = ()
        self.released: tuple[tuple[str, Ballot], ...] = ()  # for the next core's own voter
        self.is_busy = False

    def core_died(self) -> None:
        """The core is reaped."""
        self.is_busy = True
        self._step(list(self.host.world.plant.guard_steps(self)))

    def _step(self, steps: list[str]) -> None:
        if not steps or self.host.guard is not self:
            return
        getattr(self, f"_{steps[0]}")()
        self.host.world.agenda.after(self.host.world.draw_delay(), lambda: self._step(steps[1:]))

    def _close(self) -> None:
        groups = {group for group, _ in self.releases}
        for group in self.host.world.config.groups:
            for resource in group.addresses if group.name in groups else ():
                self.host.kernel.close(resource.name)

    def _say_goodbye(self) -> None:
        for receiver, link, packet in self.goodbye:
            self.host.world.send(self.host.index, receiver, link, packet)
        self.released = self.releases if self.goodbye else ()
        self.goodbye, self.releases = (), ()

    def _start(self) -> None:
        self.is_busy = False
        if self.host.process is None:
            self.host.start_core()

    def watch(self) -> None:
        """A core that did not run for two Leases is hung."""
        process, world = self.host.process, self.host.world
        if process is None or self.is_busy:
            return
        if world.agenda.now_ns - process.ran_ns > world.plant.hang_patience_ns(world.config.timing.lease_ns):
            if world.plant.reaps:
                self.host.end_core()
                self.core_died()
            else:
                self._step(["close", "say_goodbye"])


class ClusterHost:
    """A machine."""

    def __init__(self, world: ClusterWorld, index: int, clock: HostClock) -> None:
        self.world = world
        self.index = index
        self.voter = world.config.voters[index]
        self.name = self.voter.name
        self.clock = clock
        self.disk = Disk()
        self.services = Services(world.config, world.agenda, world.rng, self._tell)
        self.strangers: dict[str, str] = {}
        self.tmpfs: bytes | None = None
        self.is_tmpfs_full = False
        self.timeout_ns = 0  # for the planted bug that writes the kernel's timeout late
        self.boots = 0
        self.is_on = False
        self.is_stopped = False  # by an operator
        self.process: CoreProcess | None = None
        self.kernel = Kernel(world.agenda, clock)
        self.guard = Guard(self)

    # Power and processes

    def power_on(self) -> None:
        """Boot, and start the daemon."""
        if self.is_on:
            return
        self.is_on, self.boots, self.tmpfs = True, self.boots + 1, None
        self.start_daemon()

    def power_off(self) -> None:
        """All processes, the kernel and tmpfs are gone at once."""
        self.end_core()
        self.is_on, self.tmpfs, self.guard = False, None, Guard(self)
        self.kernel = Kernel(self.world.agenda, self.clock)
        self.services.power_off()

    def start_daemon(self) -> None:
        """A new guard, which starts a core."""
        if self.is_on and self.process is None and not self.guard.is_busy:
            self.is_stopped = False
            self.guard = Guard(self)
            self.start_core()

    def start_core(self) -> None:
        """A new life of the core; its voter goes on with what tmpfs remembers."""
        world, rng = self.world, self.world.rng
        now_ns = self.clock.own_ns(world.agenda.now_ns)
        floor = max(self.disk.counter, ballot_floor(world.wall_ns()))
        seat = self._take_seat(now_ns, floor)
        for group, ballot in self.guard.released:
            seat.answer(self.index, Release(group, ballot, -1, Cause.DAEMON_DIED), now_ns)
        self.guard.released = ()
        if not self.is_tmpfs_full:
            self.tmpfs = seat.dump()
        self.process = CoreProcess(self, seat, draw_incarnation(rng), floor)
        self.process.plan(world.agenda.now_ns)
        if not self.voter.is_witness:
            self.services.probe_all()
        world.note(self.name, "core starts")

    def _take_seat(self, now_ns: int, floor: int) -> VoterSeat:
        lease_ns, boot = self.world.config.timing.lease_ns, f"boot-{self.boots}"
        if self.tmpfs is not None:
            try:
                return self.world.plant.seat.load(self.tmpfs, self.index, lease_ns, boot)
            except ValueError:
                self.world.note(self.name, "the voter's state is damaged")
        until_ns = 0 if self.world.is_first_start else now_ns + self.world.plant.abstain_leases * lease_ns
        return self.world.plant.seat(
            self.index, draw_incarnation(self.world.rng), until_ns, floor, lease_ns, boot
        )

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
        """SIGKILL to guard and core together."""
        self.end_core()
        self.guard = Guard(self)

    def core_exited(self, code: int) -> None:
        """The core ended because it was asked to: an operator's stop, or a planned restart."""
        self.world.note(self.name, f"core exits with {code}")
        self.end_core()
        if self.is_stopped:
            self.kernel.close_all()
        else:
            self.start_core()

    # What reaches the core

    def deliver(self, source: int, link: str, packet: bytes) -> None:
        """A packet reaches a socket of the host."""
        if self.process is not None:
            arrived_ns = self.clock.own_ns(self.world.agenda.now_ns)
            self.process.post(Datagram(source, link, packet, arrived_ns))

    def _tell(self, event: ev.Event) -> None:
        if self.process is not None:
            self.process.post(event)

    def order(self, event: ev.Event) -> None:
        """An operator at this host."""
        self._tell(event)
