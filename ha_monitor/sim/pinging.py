"""Quorum mode `ping` in the simulated world: the target that answers or not, and what is checked there.

"At most one Owner" does not hold in this mode while both Nodes reach a target and not each other. Left out of
the checks of one Owner is therefore, from the moment at which a Node wins without the other one's vote, the
Owner with the lower Epoch of the two, until it has carried out what the first packet of the other one tells
it. All else is checked as in any mode, and this more:

- who wins without the other one's vote has heard nothing of it for two Leases by its own clock, and a target
  has answered it within the last three quarters of a Lease;
- who is told of a higher Epoch has closed once that is carried out;
- Epochs rise on each Node; after healing there is exactly one Owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ha_monitor.core import events as ev
from ha_monitor.model import NO_BALLOT, Ballot
from ha_monitor.sim.checks import SafetyBroken
from ha_monitor.timebase import MS

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost
    from ha_monitor.sim.cluster_world import ClusterWorld

TARGET = -1  # in place of a voter's number; it hangs on the first Link
ANSWER_NS = MS
ASKED_A_LEASE = 4
SILENT_LEASES = 2


class Pinging:
    """Asks the target for every Node, as its worker does."""

    def __init__(self, world: ClusterWorld) -> None:
        self._world = world
        self._newest_ns: dict[int, int] = {}  # by host: when the newest answered request left

    def ask(self) -> None:
        """All Nodes, again and again."""
        world = self._world
        link = next(iter(world.config.nodes[0].addresses))
        for host in world.nodes:
            if host.is_on and not host.is_frozen:
                is_reached = not {(host.index, TARGET, link), (TARGET, host.index, link)} & world.network.cut
                asked_ns = host.clock.own_ns(world.agenda.now_ns)
                host.later(ANSWER_NS, lambda h=host, r=is_reached, a=asked_ns: self._tell(h, r, a))  # type: ignore[misc]
        world.agenda.after(world.config.timing.lease_ns // ASKED_A_LEASE, self.ask)

    def _tell(self, host: ClusterHost, is_reached: bool, asked_ns: int) -> None:
        if is_reached:
            self._newest_ns[host.index] = asked_ns
        newest_ns = self._newest_ns.get(host.index, 0)
        host.order(ev.TargetsPinged(int(is_reached), 1, newest_ns))

    # Checking

    def won_alone(self, host: ClusterHost, group: str, ballot: Ballot) -> None:
        """A Node won without the other one's vote. Raises SafetyBroken if it must not."""
        assert host.process is not None, "only a core wins"
        lease_ns, now_ns = host.config.timing.lease_ns, host.process.now_ns()
        if now_ns >= self._newest_ns.get(host.index, 0) + lease_ns * 3 // 4:
            raise SafetyBroken(f"{group}: {host.name} won it alone and reaches no target")
        for other in self._world.nodes:
            if other is not host:
                heard_ns = host.process.heard_ns.get(other.index, 0)
                if now_ns < heard_ns + SILENT_LEASES * lease_ns:
                    raise SafetyBroken(f"{group}: {host.name} won it alone and hears {other.name}")
                self._leave_out(host, other, group, ballot)

    def _leave_out(self, winner: ClusterHost, other: ClusterHost, group: str, ballot: Ballot) -> None:
        leases = self._world.leases
        answers = any(other.kernel.answers(name) for of, name in self._world.addresses if of == group)
        if answers or (other.process and group in other.process.believed_groups()):
            is_older = leases.epochs_held.get((other.name, group), NO_BALLOT) < ballot
            (other if is_older else winner).leave_out(group)
