"""Planted bugs around quorum modes, fencing, exclusive groups and machines that slept."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ha_monitor.core.fencing import Fence
from ha_monitor.sim.cluster_plants import CLUSTER_PLANTS, ClusterPlant, planted
from ha_monitor.sim.faults import Mix
from ha_monitor.sim.modes import draw_fencing
from ha_monitor.sim.shapes import Shape, as_pair, with_witness

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost
    from ha_monitor.sim.cluster_swarm import Climate
    from ha_monitor.sim.core_process import CoreProcess

__all__ = ["CLUSTER_PLANTS", "ClusterPlant", "planted"]

DEAF_BEATS = 4


def _with_data(shape: Shape) -> Shape:
    return replace(shape, groups=(replace(shape.groups[0], kind="data"), *shape.groups[1:]))


@planted
class ShortHold(ClusterPlant):
    """Voters hold an exclusive group no longer than its Lease."""

    name = "exclusive-held-too-short"

    def climate(self, drawn: Climate) -> Climate:
        """Owners are cut off, and ending takes its time."""
        return replace(drawn, shape=_with_data(with_witness(drawn.shape)), mix=Mix(("cut", "pause")))

    def began(self, process: CoreProcess) -> None:
        """Ask for too little."""
        for tenure in process.core.tenures.values():
            tenure.seeker.hold_ns = process.host.config.timing.lease_ns


@planted
class IdleGuard(ClusterPlant):
    """The guard says that it has ended an exclusive group, and ends nothing."""

    name = "guard-ends-nothing"

    def climate(self, drawn: Climate) -> Climate:
        """Owners are cut off."""
        shape, mix = _with_data(with_witness(drawn.shape)), Mix(("cut", "hang"))
        return replace(drawn, shape=shape, mix=mix, bad_leases=max(drawn.bad_leases, 8))

    def end_exclusive(self, host: ClusterHost, names: Sequence[str]) -> None:
        """Do nothing, which is the bug."""


@planted
class HopefulFencer(ClusterPlant):
    """A fence that failed counts as confirmed."""

    name = "failed-fence-confirmed"

    def climate(self, drawn: Climate) -> Climate:
        """Pairs with devices that fail, and Nodes that do not hear each other."""
        pair = as_pair(
            drawn.shape, "fencing", draw_fencing(random.Random(drawn.shape.toml()), ("pub2", "pub3"))
        )
        mix = Mix(("partition", "cut"), ("failing_fences", "lying_fences"))
        return replace(drawn, shape=pair, mix=mix, bad_leases=max(drawn.bad_leases, 8))

    def began(self, process: CoreProcess) -> None:
        """Take a failure for a success."""
        fences = process.core.fences

        def fail(fence: Fence, detail: str, at_ns: int) -> None:
            fences._confirm(fence, detail, at_ns)

        fences._fail = fail  # type: ignore[method-assign]


@planted
class BlindPing(ClusterPlant):
    """In mode `ping` a Node takes over without having reached a target."""

    name = "ping-unanswered"

    def climate(self, drawn: Climate) -> Climate:
        """Nodes that hear and reach nobody."""
        return replace(drawn, shape=as_pair(drawn.shape, "ping"), mix=Mix(("cut", "power", "target_down")))

    def began(self, process: CoreProcess) -> None:
        """Every target answers, as far as it is concerned."""
        process.core.situation.votes._reaches = lambda at_ns: True  # type: ignore[method-assign]  # noqa: ARG005


@planted
class DeafWhenWoken(ClusterPlant):
    """A machine that slept as a whole takes no packets for some beats after it woke."""

    name = "deaf-when-woken"

    def climate(self, drawn: Climate) -> Climate:
        """Only a machine that slept as a whole needs it."""
        return replace(drawn, shape=with_witness(drawn.shape), mix=Mix(("suspend",), gap_leases=(0.3, 2.0)))

    def hears(self, host: ClusterHost) -> bool:
        """Not yet."""
        woke_ns = max((woken.woke_ns for woken in host.woken.values()), default=-1)
        deaf_ns = DEAF_BEATS * host.config.timing.interval_ns
        return woke_ns < 0 or host.world.agenda.now_ns > woke_ns + deaf_ns
