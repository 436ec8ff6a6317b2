"""A simulated guard: the parent process, whose steps after a core's death come one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ha_monitor.core import events as ev
from ha_monitor.model import Ballot, ClusterConfig

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
        self.watched: dict[str, int] = {}  # exclusive group to the end of its Lease, by the own clock
        self._ending: set[str] = set()
        self._asked: dict[str, int] = {}  # what the core wants watched as soon as its end is over

    # Exclusive groups

    def watch_group(self, group: str, until_ns: int, is_new: bool) -> list[ev.Event]:
        """The core says how long it holds the Lease; after that the group is ended whatever the core does."""
        if group in self._ending:
            if is_new:
                self._asked[group] = until_ns
            return []
        if is_new or group in self.watched:
            self.watched[group] = until_ns
            wait_ns = self.host.clock.true_ns(until_ns) - self.host.world.agenda.now_ns
            self.host.later(max(0, wait_ns), lambda: self._lease_over(group, until_ns))
        return [ev.GroupGuarded(group)] if is_new else []

    def _lease_over(self, group: str, until_ns: int) -> None:
        if self.host.guard is self and self.watched.get(group) == until_ns:
            self.end_group(group)

    def end_group(self, group: str) -> None:
        """Stop, kill, prove; then tell the core. It takes at most what `stop_within` leaves for it."""
        if group in self._ending:
            return
        self._ending.add(group)
        config = self.host.config
        reset_ns = config.watchdog.timeout_ns if config.watchdog else 0
        most_ns = (config.group(group).stop_within_ns - reset_ns) * 9 // 10
        self.host.later(self.host.world.draw_length(most_ns), lambda: self._ended(group))

    def _ended(self, group: str) -> None:
        if self.host.guard is not self:
            return
        self._ending.discard(group)
        self.watched.pop(group, None)
        self.host.world.plant.end_exclusive(self.host, exclusive_names(self.host.config, group))
        self.host.order(ev.GroupEnded(group, True))
        if (until_ns := self._asked.pop(group, None)) is not None:
            for event in self.watch_group(group, until_ns, True):
                self.host.order(event)

    # A core that died

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


def exclusive_names(config: ClusterConfig, group: str = "") -> list[str]:
    """What the guard must end: of one exclusive group, or of all."""
    groups = [g for g in config.groups if group in ("", g.name)]
    return [resource.name for g in groups for resource in g.ended_by_guard]
