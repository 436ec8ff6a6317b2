"""A simulated guard: the parent process, whose steps after a core's death come one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ha_monitor.model import Ballot

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost


class Guard:
    """One life of it, with room for a stall between any two steps."""

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
        self.host.later(self.host.world.draw_delay(), lambda: self._step(steps[1:]))

    def _close(self) -> None:
        """Only what is released is closed: what is not may be taken up again."""
        groups = {group for group, _ in self.releases}
        for group in self.host.config.groups:
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
        if process is None or self.is_busy or self.host.is_frozen:
            return
        lease_ns = self.host.config.timing.lease_ns
        if world.agenda.now_ns - process.ran_ns > world.plant.hang_patience_ns(lease_ns):
            if world.plant.reaps:
                self.host.end_core()
                self.core_died()
            else:
                self._step(["close", "say_goodbye"])
