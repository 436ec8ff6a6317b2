"""Machines that slept as a whole: for how long they answer beside another Owner after they woke up.

This is the one case outside the promise's condition. What is checked: where the way between the two was clear
and both cores ran, it is over one heartbeat (and what packets take) after both answer. How long it lasted is
measured in any case.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ha_monitor.model import CLOCK_DRIFT, Timing
from ha_monitor.sim.checks import SafetyBroken
from ha_monitor.sim.swarm import Window
from ha_monitor.timebase import MS

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost, Woken
    from ha_monitor.sim.cluster_world import ClusterWorld

PACKETS_NS = 2 * MS  # three packets at their slowest in calm weather, 0.3 ms each, and as many steps


def bound_ns(timing: Timing) -> int:
    """One heartbeat by the slowest clock, and what packets take."""
    return int(timing.interval_ns * (1 + CLOCK_DRIFT)) + PACKETS_NS


class SleepWatch:
    """Judges all windows of one world, and notes them there."""

    def __init__(self, world: ClusterWorld) -> None:
        self._world = world
        self._hindered: set[tuple[str, str]] = set()  # host, address: not clear after one heartbeat
        self._until_ns: dict[tuple[str, str], int] = {}  # host, address: when the kernel closes by itself

    def woke(self, host: ClusterHost) -> None:
        """A machine goes on where it stood; what it held is in ``host.woken``."""
        for group, woken in host.woken.items():
            for name in self._addresses(group):
                self._hindered.discard((host.name, name))
                self._until_ns[host.name, name] = host.kernel.answers_until_ns(name)
            self._judge_later(host, group, woken, self._world.agenda.now_ns)

    def _addresses(self, group: str) -> Iterator[str]:
        return (name for of, name in self._world.addresses if of == group)

    def _judge_later(self, host: ClusterHost, group: str, woken: Woken, from_ns: int) -> None:
        when_ns = from_ns + bound_ns(host.config.timing)
        self._world.agenda.at(when_ns, lambda: self._judge(host, group, woken))

    def _judge(self, host: ClusterHost, group: str, woken: Woken) -> None:
        """Where it has not let go yet, there must be a reason."""
        if host.woken.get(group) is not woken:
            return
        for name in self._addresses(group):
            for other in self._beside(host, group, name):
                since_ns = max(woken.woke_ns, other.kernel.answers_since_ns(name))
                if since_ns + bound_ns(host.config.timing) > self._world.agenda.now_ns:
                    self._judge_later(host, group, woken, since_ns)
                elif not self._is_clear(host, other, since_ns):
                    self._hindered.add((host.name, name))
                elif host.kernel.answers(name):
                    lasted = f"{(self._world.agenda.now_ns - since_ns) / MS:.0f} ms"
                    raise SafetyBroken(
                        f"{group}: {host.name} woke and answers beside {other.name} for {lasted}"
                    )

    def _beside(self, host: ClusterHost, group: str, name: str) -> list[ClusterHost]:
        others = (node for node in self._world.nodes if node is not host and group not in node.woken)
        return [node for node in others if node.kernel.answers(name)]

    def _is_clear(self, host: ClusterHost, other: ClusterHost, since_ns: int) -> bool:
        """Nothing went wrong since then, both cores ran, and packets passed both ways on one Link."""
        if not self._world.is_calm_since(since_ns) or host.config is not other.config:
            return False
        is_running = all(_runs_since(one, since_ns) for one in (host, other))
        ends = ((host.index, other.index), (other.index, host.index))
        links = host.voter.addresses
        return is_running and any(
            all(self._world.network.is_clear((*end, link)) for end in ends) for link in links
        )

    def ended(self, host: ClusterHost, group: str, woken: Woken) -> None:
        """It has let go, or was granted anew: how long did it answer beside another one?"""
        now_ns = self._world.agenda.now_ns
        for name in self._addresses(group):
            end_ns = min(now_ns, self._until_ns.pop((host.name, name), 0))
            for other in self._beside(host, group, name):
                since_ns = max(woken.woke_ns, other.kernel.answers_since_ns(name))
                if end_ns > since_ns:
                    was_clear = (host.name, name) not in self._hindered
                    is_clear = was_clear and self._is_clear(host, other, since_ns)
                    interval_ns = host.config.timing.interval_ns
                    self._world.windows.append(Window(end_ns - since_ns, interval_ns, is_clear))


def _runs_since(host: ClusterHost, since_ns: int) -> bool:
    """A new core takes its former Lease up first: only after a heartbeat does it speak of that."""
    process = host.process
    if process is None or host.is_frozen or host.is_tmpfs_full:
        return False
    speaks_ns = process.began_ns + bound_ns(host.config.timing)
    return speaks_ns <= since_ns and process.stalled_until_ns <= since_ns
