"""The bugs to plant in the explored world: the exploration must find each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ha_monitor.core import actions as ac
from ha_monitor.core.leases import LeaseSeeker
from ha_monitor.core.voter import VoterSeat
from ha_monitor.sim.bugs import (
    GenerousSeat,
    OwnVoteSeeker,
    UsedOnSeeker,
)
from ha_monitor.sim.kernel import Kernel


class Budget(NamedTuple):
    """How many faults of each kind may happen on one path: processes that die, stalls, operators' orders."""

    deaths: int
    stalls: int
    orders: int


@dataclass(frozen=True)
class Bounds:
    """How far exploring goes. ``roots``: from these only, if any are named."""

    depth: int = 4
    budget: Budget = Budget(2, 1, 1)  # noqa: RUF009  frozen
    roots: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExplorePlant:
    """How the world around the core behaves; as it stands, without a bug."""

    name: str = "nothing"
    seat: type[VoterSeat] = VoterSeat
    seeker: type[LeaseSeeker] = LeaseSeeker
    abstains: bool = True
    guard_steps: tuple[str, ...] = ("close", "say goodbye", "start")
    bounds: Bounds = Bounds()

    def arm(self, kernel: Kernel, action: ac.ArmWindow) -> None:
        """The kernel's timer runs from before the asking."""
        kernel.arm(action.sending, action.timeout_ns)

    def activate(self, kernel: Kernel, action: ac.ActivateWindow) -> None:
        """The address hangs on a sending that was armed before."""
        for name in action.resources:
            kernel.activate(name, action.sending)


LATE_NS = 500_000_000  # about what the core asks for


class LateTimeout(ExplorePlant):
    """The kernel's timer begins at the grant and not before the asking."""

    def arm(self, kernel: Kernel, action: ac.ArmWindow) -> None:
        """Not yet."""

    def activate(self, kernel: Kernel, action: ac.ActivateWindow) -> None:
        """Now, or after a stall."""
        kernel.arm(action.sending, LATE_NS)
        super().activate(kernel, action)


SOUND = ExplorePlant()
EXPLORE_PLANTS = {
    plant.name: plant
    for plant in (
        ExplorePlant("no-abstention", abstains=False, bounds=Bounds(roots=("start",))),
        ExplorePlant("own-vote-unasked", seeker=OwnVoteSeeker, bounds=Bounds(roots=("start",))),
        ExplorePlant("always-open", seat=GenerousSeat, bounds=Bounds(roots=("start",))),
        ExplorePlant("ballot-used-on", seeker=UsedOnSeeker, bounds=Bounds(roots=("start",))),
        ExplorePlant(
            "goodbye-before-close",
            guard_steps=("say goodbye", "close", "start"),
            bounds=Bounds(roots=("served",)),
        ),
        LateTimeout("timeout-written-late", bounds=Bounds(roots=("stalled",))),
    )
}
