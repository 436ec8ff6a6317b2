"""Planted bugs: each replaces one small method of the Lease, or one step of the world around it.

A checker that never failed proves nothing: each of these must be found by the swarm. They are taken from
docs/lease.md; three come in pairs, because each half alone is covered by another lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ha_monitor.core.leases import (
    Arm,
    LeaseSeeker,
    Renewed,
    SendingNumbers,
    Won,
)
from ha_monitor.core.voter import VoterSeat
from ha_monitor.model import Timing
from ha_monitor.sim.bugs import (
    AddingSeeker,
    AdoptingSeeker,
    ArrivalSeeker,
    CarelessSeeker,
    DeafSeat,
    FencingSeeker,
    ForgetfulSeat,
    GenerousSeat,
    LateAcceptSeeker,
    LaxSeat,
    LifelessSeeker,
    NoMarginSeeker,
    OwnVoteSeeker,
    ResignedSeeker,
    UnmarkedLifelessSeat,
    UnmarkedSeat,
    UsedOnSeeker,
)
from ha_monitor.sim.network import Weather
from ha_monitor.timebase import MS, SECOND

if TYPE_CHECKING:
    from ha_monitor.sim.lease_host import Guard, Host
    from ha_monitor.sim.lease_life import Life
    from ha_monitor.sim.lease_world import Climate

GROUP = "www"
LONG = Timing(2 * SECOND, 10 * SECOND)  # where a thousandth of a Lease is longer than three round trips
NO_CHANGE: Mapping[str, Any] = {}
UNSTEADY: Mapping[str, Any] = {"is_wall_steady": False}
SHORT = Timing(200 * MS, SECOND)
LATE: Mapping[str, Any] = {
    "timing": SHORT,
    "weather": Weather(loss=0.1, late=0.3, late_ns=SECOND),
    "faults": ("cut", "one_way"),
}
# What lost its memory must have forgotten a promise that somebody still builds on.
AMBUSHED: Mapping[str, Any] = {
    "is_wall_steady": False,
    "faults": ("ambush", "crash", "cut", "hang"),
    "weather": Weather(),
    "replays": 0,
    "nodes": 2,
    "has_witness": True,
}


class LeasePlant:
    """How the Lease-only world is built; as it stands, without a bug."""

    name = "nothing"
    seat: type[VoterSeat] = VoterSeat
    seeker: type[LeaseSeeker] = LeaseSeeker
    reaps = True

    def climate(self, drawn: Climate) -> Climate:
        """A bug may need a certain world to show."""
        return drawn

    def new_seat(self, host: Host, abstain_until_ns: int) -> VoterSeat:
        """A voter that lost its memory."""
        incarnation = host.world.rng.getrandbits(64)
        hold_ns = host.world.climate.timing.lease_ns
        return self.seat(host.index, incarnation, abstain_until_ns, host.world.wall_floor(), hold_ns)

    def new_seeker(self, host: Host) -> LeaseSeeker:
        """A new core's seeker."""
        incarnation = host.world.rng.getrandbits(64)
        return self._seeker(host, incarnation, host.world.wall_floor(1000))

    def _seeker(self, host: Host, incarnation: int, floor: int) -> LeaseSeeker:
        voters = range(len(host.world.hosts))
        timing = host.world.climate.timing
        return self.seeker(GROUP, host.index, incarnation, voters, timing, floor, SendingNumbers())

    def packet_ns(self, life: Life) -> int:
        """The clock for a packet: read after it was taken."""
        return life.now_ns()

    def arm(self, life: Life, arm: Arm) -> None:
        """Arm before asking."""
        life.host.kernel.arm(arm.sending, arm.timeout_ns)

    def activate(self, life: Life, output: Won | Renewed) -> None:
        """Activate after the grant: the sending armed before asking, with the timer that runs since then."""
        life.host.kernel.activate(GROUP, output.sending)

    def guard_steps(self, guard: Guard) -> Sequence[str]:  # noqa: ARG002  a bug may look at it
        """After the core was reaped: close, then say goodbye, then start anew."""
        return ("close", "say_goodbye", "start")

    def hang_patience_ns(self, lease_ns: int) -> int:
        """How long a core may miss its beats before its guard kills it."""
        return 2 * lease_ns


NOTHING = LeasePlant()
LEASE_PLANTS: dict[str, LeasePlant] = {}


def _planted(plant: type[LeasePlant]) -> type[LeasePlant]:
    LEASE_PLANTS[plant.name] = plant()
    return plant


# -- the catalogue --


def _simple(
    plant_name: str,
    seat: type[VoterSeat] = VoterSeat,
    seeker: type[LeaseSeeker] = LeaseSeeker,
    climate: Mapping[str, Any] = NO_CHANGE,
) -> None:
    def changed(_: LeasePlant, drawn: Climate) -> Climate:
        return replace(drawn, **climate)

    bugs = [bug for bug, sound in ((seeker, LeaseSeeker), (seat, VoterSeat)) if bug is not sound]
    what = " ".join((bug.__doc__ or "").partition("\n")[0] for bug in bugs)
    members = {"name": plant_name, "seat": seat, "seeker": seeker, "climate": changed, "__doc__": what}
    LEASE_PLANTS[plant_name] = type(plant_name, (LeasePlant,), members)()


_simple("lease-from-arrival", seeker=ArrivalSeeker, climate=LATE)
_simple("late-accept-extends", seeker=LateAcceptSeeker, climate=LATE)
_simple("accepts-added-up", seeker=AddingSeeker)
_simple("release-clears-any", seat=ForgetfulSeat)
_simple("own-vote-unasked", seeker=OwnVoteSeeker)
_simple("ballot-used-on", seeker=UsedOnSeeker, climate=UNSTEADY)
_simple("adopted-from-held", seeker=AdoptingSeeker, climate=UNSTEADY)
_simple("no-drift-margin", seeker=NoMarginSeeker, climate={"timing": LONG})
_simple("always-open", seat=GenerousSeat)
_simple("not-open-proposed-and-unmarked", seat=UnmarkedSeat, seeker=CarelessSeeker)
_simple("life-ignored-and-unmarked", seat=UnmarkedLifelessSeat, seeker=LifelessSeeker, climate=AMBUSHED)
_simple("life-ignored-and-ballot-above", seat=LaxSeat, seeker=LifelessSeeker, climate=AMBUSHED)
_simple("asks-only-once", seeker=ResignedSeeker)


@_planted
class NoAbstention(LeasePlant):
    """A voter that lost its memory votes at once."""

    name = "no-abstention"

    def new_seat(self, host: Host, abstain_until_ns: int) -> VoterSeat:  # noqa: ARG002  that is the bug
        """Forget that there was a former life."""
        return super().new_seat(host, 0)


@_planted
class GoodbyeFirst(LeasePlant):
    """The goodbye leaves before the kernel is closed."""

    name = "goodbye-before-close"

    def guard_steps(self, guard: Guard) -> Sequence[str]:  # noqa: ARG002  one signature
        """The wrong order."""
        return ("say_goodbye", "close", "start")


@_planted
class GoodbyeForTheSlow(LeasePlant):
    """The guard says goodbye for a core that is only slow, and does not reap it."""

    name = "goodbye-for-the-slow"
    reaps = False

    def hang_patience_ns(self, lease_ns: int) -> int:
        """Impatient too."""
        return lease_ns // 2


@_planted
class LateTimeout(LeasePlant):
    """The kernel's timeout is computed at the grant; a stall may lie between computing and writing it."""

    name = "timeout-computed-then-written"

    def climate(self, drawn: Climate) -> Climate:
        """Without other faults, so that somebody can take over during the stall."""
        return replace(drawn, weather=Weather(), faults=("pause",), stumbles=0)

    def arm(self, life: Life, arm: Arm) -> None:
        """Nothing before asking."""

    def activate(self, life: Life, output: Won | Renewed) -> None:
        """Compute now, write later."""
        timeout_ns = (output.end_ns - life.now_ns()) * 9 // 10
        life.host.kernel.activate(GROUP, output.sending)
        if life.world.rng.random() < 0.05 and not life.world.is_quiet:
            lease_ns = life.world.climate.timing.lease_ns
            life.stall(life.world.rng.randint(lease_ns // 2, 2 * lease_ns))
        life.later(lambda: life.host.kernel.arm(output.sending, max(timeout_ns, 1)))


@_planted
class ClockFirst(LeasePlant):
    """The voter's clock is read before it waits for a packet."""

    name = "clock-before-packet"

    def packet_ns(self, life: Life) -> int:
        """The time at which it began to wait."""
        return life.waited_since_ns


@_planted
class BallotAgain(LeasePlant):
    """A restarted core begins where its former life began, under the same incarnation."""

    name = "ballot-again-after-restart"

    def new_seeker(self, host: Host) -> LeaseSeeker:
        """The next ballot is the last one won."""
        last = host.last_epoch
        return (
            self._seeker(host, last.incarnation, last.counter - 1)
            if last.counter
            else super().new_seeker(host)
        )


@_planted
class FenceAsVote(LeasePlant):
    """A fenced Node's vote is counted although there are three voters."""

    name = "fence-as-vote"
    seeker = FencingSeeker

    def climate(self, drawn: Climate) -> Climate:
        """Three Nodes, each able to fence."""
        return replace(drawn, nodes=3, has_witness=False)

    def new_seeker(self, host: Host) -> LeaseSeeker:
        """Wire the fence device."""
        seeker = super().new_seeker(host)
        assert isinstance(seeker, FencingSeeker), "this plant's seeker"
        seeker.fence = lambda index: host.world.hosts[index].power_off()
        return seeker


@_planted
class FallingEpochs(LeasePlant):
    """Neither voters nor cores begin above the wall clock, and nobody hears floors."""

    name = "no-floors"
    seat = DeafSeat

    def climate(self, drawn: Climate) -> Climate:
        """Under the condition of rule 7."""
        return replace(drawn, is_wall_steady=True)

    def new_seat(self, host: Host, abstain_until_ns: int) -> VoterSeat:
        """A floor of nothing."""
        hold_ns = host.world.climate.timing.lease_ns
        return self.seat(host.index, host.world.rng.getrandbits(64), abstain_until_ns, 0, hold_ns)

    def new_seeker(self, host: Host) -> LeaseSeeker:
        """A counter from nothing."""
        return self._seeker(host, host.world.rng.getrandbits(64), 0)


def lease_plant(name: str) -> LeasePlant:
    """The plant of that name. Raises KeyError."""
    known: Mapping[str, LeasePlant] = {NOTHING.name: NOTHING, **LEASE_PLANTS}
    return known[name]
