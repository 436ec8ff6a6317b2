"""Planted bugs of the whole-cluster world: in the guard, the use of the kernel, the life of a voter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ha_monitor.core import actions as ac
from ha_monitor.core.resources import ResourceRecord
from ha_monitor.core.voter import VoterSeat
from ha_monitor.model import REPORTER, ClusterConfig
from ha_monitor.sim.bugs import ForgetfulSeat, GenerousSeat, OwnVoteSeeker, RestlessSeat
from ha_monitor.sim.faults import Mix

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost
    from ha_monitor.sim.cluster_swarm import Climate
    from ha_monitor.sim.core_process import CoreProcess
    from ha_monitor.sim.guard import Guard


Step = Callable[[ResourceRecord, int], bool]


class ClusterPlant:
    """How the world around the core behaves; as it stands, without a bug."""

    name = "nothing"
    abstain_leases = 1  # how long a voter without memory abstains
    reaps = True
    copies = 1  # of each packet
    seat: type[VoterSeat] = VoterSeat

    def climate(self, drawn: Climate) -> Climate:
        """A bug may need a certain world to show."""
        return drawn

    def began(self, process: CoreProcess) -> None:
        """A core was made and has not run yet."""

    def arm(self, process: CoreProcess, action: ac.ArmWindow) -> None:
        """The kernel's timer runs from before the asking."""
        process.host.kernel.arm(action.sending, action.timeout_ns)

    def activate(self, process: CoreProcess, action: ac.ActivateWindow) -> None:
        """The address hangs on a sending that was armed before."""
        for name in action.resources:
            process.host.kernel.activate(name, action.sending)

    def guard_steps(self, guard: Guard) -> Sequence[str]:  # noqa: ARG002  a bug may look at it
        """After the core was reaped: close, then say goodbye, then start anew."""
        return ("close", "say_goodbye", "start")

    def end_exclusive(self, host: ClusterHost, names: Sequence[str]) -> None:
        """The guard ends what only one may run."""
        host.services.kill(names)

    def hears(self, host: ClusterHost) -> bool:  # noqa: ARG002  a bug may look at it
        """Whether a core takes what arrives."""
        return True

    def hang_patience_ns(self, lease_ns: int) -> int:
        """How long a core may not run before its guard kills it."""
        return 2 * lease_ns

    def configuration(self, host: ClusterHost) -> ClusterConfig:
        """With which a core starts: what stands on the disk."""
        return host.next_config


SOUND = ClusterPlant()
CLUSTER_PLANTS: dict[str, ClusterPlant] = {}


def planted(plant: type[ClusterPlant]) -> type[ClusterPlant]:
    """Know it by its name."""
    CLUSTER_PLANTS[plant.name] = plant()
    return plant


@planted
class NoAbstention(ClusterPlant):
    """A voter that lost its memory votes at once."""

    name = "no-abstention"
    abstain_leases = 0

    def climate(self, drawn: Climate) -> Climate:
        """Memory gets lost while Nodes are apart."""
        return replace(drawn, mix=Mix(("forget", "cut", "partition", "power")))


@planted
class GoodbyeFirst(ClusterPlant):
    """The goodbye leaves before the kernel is closed."""

    name = "goodbye-before-close"

    def climate(self, drawn: Climate) -> Climate:
        """Cores crash in good weather."""
        return replace(drawn, mix=Mix(("crash",)))

    def guard_steps(self, guard: Guard) -> Sequence[str]:  # noqa: ARG002  one signature
        """The wrong order."""
        return ("say_goodbye", "close", "start")


@planted
class GoodbyeForTheSlow(ClusterPlant):
    """The guard says goodbye for a core that is only slow, and does not reap it."""

    name = "goodbye-for-the-slow"
    reaps = False

    def climate(self, drawn: Climate) -> Climate:
        """Cores stand still."""
        return replace(drawn, mix=Mix(("pause", "hang"), stumbles=20))

    def hang_patience_ns(self, lease_ns: int) -> int:
        """Impatient too."""
        return lease_ns // 2


@planted
class LateTimeout(ClusterPlant):
    """The kernel's timer begins at the grant and not before the asking; a stall may lie in between."""

    name = "timeout-written-late"

    def climate(self, drawn: Climate) -> Climate:
        """Somebody must be able to take over during the stall."""
        return replace(drawn, mix=Mix(("service",)))

    def arm(self, process: CoreProcess, action: ac.ArmWindow) -> None:
        """Only remember how long."""
        process.host.timeout_ns = action.timeout_ns

    def activate(self, process: CoreProcess, action: ac.ActivateWindow) -> None:
        """Write it now, or after a stall."""
        world, lease_ns = process.world, process.world.config.timing.lease_ns
        if world.rng.random() < 0.05 and world.agenda.now_ns < 10 * lease_ns:
            process.stall(world.rng.randint(lease_ns, 2 * lease_ns))
            process.do_later(action)
            return
        process.host.kernel.arm(action.sending, process.host.timeout_ns)
        super().activate(process, action)


@planted
class AlwaysOpen(ClusterPlant):
    """A voter says OPEN whatever it holds."""

    name = "always-open"
    seat = GenerousSeat


@planted
class ReleaseClearsAny(ClusterPlant):
    """A RELEASE clears any ballot of its Owner."""

    name = "release-clears-any"
    seat = ForgetfulSeat

    def climate(self, drawn: Climate) -> Climate:
        """Leases are released and won again, and packets come late."""
        mix = Mix(("switch", "crash", "restart"), ("lateness", "doubling"), replays=30)
        return replace(drawn, mix=mix)


@planted
class AbstainsForGood(ClusterPlant):
    """A voter that lost its memory never votes again."""

    name = "abstains-for-good"
    abstain_leases = 1_000_000

    def climate(self, drawn: Climate) -> Climate:
        """Everybody loses its memory sooner or later."""
        return replace(drawn, mix=Mix(("forget", "power")))


@planted
class WritesForEver(ClusterPlant):
    """What could not be written is written again at once, without end."""

    name = "writes-without-end"
    seat = RestlessSeat

    def climate(self, drawn: Climate) -> Climate:
        """The voter's memory cannot be written for a while."""
        return replace(drawn, mix=Mix(("full_tmpfs",)))


@planted
class Shouting(ClusterPlant):
    """Every packet is sent ten times."""

    name = "shouting"
    copies = 10


@planted
class StartsUnordered(ClusterPlant):
    """The worker is told to start what runs on the Owner without its address being open."""

    name = "kernel-never-opens"

    def climate(self, drawn: Climate) -> Climate:
        """Nothing else is wrong."""
        return replace(drawn, mix=Mix(("service",)))

    def activate(self, process: CoreProcess, action: ac.ActivateWindow) -> None:
        """Do nothing, which is the bug."""


@planted
class OwnVote(ClusterPlant):
    """A candidate counts its own vote without asking for it."""

    name = "own-vote-unasked"

    def began(self, process: CoreProcess) -> None:
        """Exchange the seekers."""
        for tenure in process.core.tenures.values():
            tenure.seeker.__class__ = OwnVoteSeeker


@planted
class DeafToEpochs(ClusterPlant):
    """Nobody closes for a higher Epoch."""

    name = "deaf-to-higher-epochs"

    def climate(self, drawn: Climate) -> Climate:
        """Only a machine that slept as a whole needs it."""
        return replace(drawn, mix=Mix(("suspend",)))

    def began(self, process: CoreProcess) -> None:
        """Hear nothing."""
        for tenure in process.core.tenures.values():
            tenure.seeker.hear_higher = lambda *_: []  # type: ignore[method-assign]


@planted
class SpeaksOn(ClusterPlant):
    """Who held the reporter's Lease last goes on speaking for the cluster."""

    name = "reporter-speaks-on"

    def climate(self, drawn: Climate) -> Climate:
        """Nodes get lonely."""
        return replace(drawn, mix=Mix(("cut", "partition")))

    def began(self, process: CoreProcess) -> None:
        """Look at the past instead of the Lease."""
        view, tenure = process.core.view, process.core.tenures[REPORTER]
        process.core.view = lambda at_ns: replace(  # type: ignore[method-assign]
            view(at_ns), reporter=tenure.passage.owner
        )


@planted
class StartsAtOnce(ClusterPlant):
    """All Resources of a group are started at once."""

    name = "starts-without-order"

    def began(self, process: CoreProcess) -> None:
        """Do not wait for what is left of it."""
        for tenure in process.core.tenures.values():
            tenure.runner._bring_up = _hurried(  # type: ignore[method-assign,assignment]
                tenure.runner._bring_up
            )


def _hurried(step: Step) -> Step:
    return lambda record, at_ns: step(record, at_ns) or True


@planted
class StopsAtOnce(ClusterPlant):
    """All Resources of a group are stopped at once."""

    name = "stops-without-order"

    def climate(self, drawn: Climate) -> Climate:
        """Groups move."""
        return replace(drawn, mix=Mix(("switch", "standby", "stop")))

    def began(self, process: CoreProcess) -> None:
        """Do not wait for what is right of it."""
        for tenure in process.core.tenures.values():
            tenure.runner._bring_down = _hurried(  # type: ignore[method-assign,assignment]
                tenure.runner._bring_down
            )
