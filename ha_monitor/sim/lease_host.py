"""One machine of the Lease-only world: power, clocks, kernel, tmpfs, guard and core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ha_monitor.core.voter import VoterSeat
from ha_monitor.messages import Release
from ha_monitor.model import NO_BALLOT, Ballot, Cause
from ha_monitor.sim.agenda import HostClock
from ha_monitor.sim.kernel import Kernel
from ha_monitor.sim.lease_life import GROUP, Life, Packet

if TYPE_CHECKING:
    from ha_monitor.sim.lease_world import LeaseWorld


class Guard:
    """The parent process: when the core died it reaps, closes, says goodbye, starts anew, in this order."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.goodbye: tuple[Ballot, ...] = ()
        self.is_busy = False

    def core_died(self) -> None:
        """Begin; a stall may lie between any two steps."""
        self.is_busy = True
        steps = self.host.world.plant.guard_steps(self)
        self._step(list(steps), self.host.boots)

    def _step(self, steps: list[str], boots: int) -> None:
        if not steps or self.host.guard is not self or self.host.boots != boots:
            return
        self.host.world.note(self.host, f"guard: {steps[0]}")
        getattr(self, f"_{steps[0]}")()
        delay_ns = self.host.world.draw_delay()
        self.host.world.agenda.after(delay_ns, lambda: self._step(steps[1:], boots))

    def _close(self) -> None:
        self.host.kernel.close_all()

    def _say_goodbye(self) -> None:
        world = self.host.world
        for ballot in self.goodbye:
            message = Release(GROUP, ballot, -1, Cause.DAEMON_DIED)
            for target in range(len(world.hosts)):
                # Its own voter died with the core; for its own next life the old Lease counts as open anyway.
                if target != self.host.index:
                    world.network.send(self.host.index, target, "lan", Packet(self.host.index, message))
        self.goodbye = ()

    def _start(self) -> None:
        self.is_busy = False
        if self.host.life is None:
            self.host.start_core()

    def watch(self) -> None:
        """A core without a beat for two Leases is hung: kill it, then as if it had died."""
        life, world = self.host.life, self.host.world
        patience_ns = world.plant.hang_patience_ns(world.climate.timing.lease_ns)
        if life is not None and world.agenda.now_ns - life.beaten_ns > patience_ns:
            if world.plant.reaps:
                self.host.end_core()
                self.core_died()
            else:
                self._step(["close", "say_goodbye"], self.host.boots)


class Host:
    """One machine: power, clocks, kernel, tmpfs (``saved``), disk (``saved_counter``), guard and core."""

    def __init__(self, world: LeaseWorld, index: int, is_witness: bool) -> None:
        self.world = world
        self.index = index
        self.name = "witness" if is_witness else "abc"[index]
        self.is_witness = is_witness
        self.clock = HostClock.draw(world.rng)
        self.kernel = Kernel(world.agenda, self.clock)
        self.saved: VoterSeat | None = None
        self.last_epoch = NO_BALLOT
        self.boots = 0
        self.is_on = False
        self.life: Life | None = None
        self.guard = Guard(self)

    def power_on(self, abstains: bool = True) -> None:
        """Boot: no memory but the disk's."""
        if self.is_on:
            return
        self.is_on, self.boots, self.saved = True, self.boots + 1, None
        self.kernel = Kernel(self.world.agenda, self.clock)
        self.guard = Guard(self)
        self.start_core(abstains)

    def power_off(self) -> None:
        """All processes and the kernel are gone at once."""
        self.end_core()
        self.guard, self.is_on, self.saved = Guard(self), False, None
        self.kernel = Kernel(self.world.agenda, self.clock)

    def start_core(self, abstains: bool = True) -> None:
        """A new life of the core; its voter goes on with what tmpfs remembers."""
        plant, world = self.world.plant, self.world
        at_ns = self.clock.own_ns(world.agenda.now_ns)
        seat = self.saved or plant.new_seat(self, at_ns + world.climate.timing.lease_ns if abstains else 0)
        seeker = None if self.is_witness else plant.new_seeker(self)
        self.life = Life(self, seat, seeker)
        world.note(self, f"core starts, abstains until {seat.abstain_until_ns - at_ns}")
        if seat.is_dirty:
            self.life._save()
        self.life.start()
        self._beat_on(self.life)

    def _beat_on(self, life: Life) -> None:
        if life.is_alive:
            life.post("beat")
            self.guard.watch()
            interval_ns = self.world.climate.timing.interval_ns
            self.world.agenda.after(int(interval_ns / self.clock.rate), lambda: self._beat_on(life))

    def end_core(self) -> None:
        """The core's process is gone, whatever it was doing."""
        if self.life is not None:
            self.life.is_alive = False
            self.life = None

    def deliver(self, packet: Packet) -> None:
        """A packet reaches the host."""
        if self.life is not None:
            self.life.post(packet)
