"""What is said when a group is let go of: RELEASEs, again on some beats, and those that the guard may say."""

from __future__ import annotations

from collections.abc import Sequence

from ha_monitor.core.groups import Leaving
from ha_monitor.core.leases import LeaseSeeker, Phase
from ha_monitor.core.nodes import Peer
from ha_monitor.core.situation import Situation
from ha_monitor.messages import Release
from ha_monitor.model import Cause, Group

RELEASE_REPEATS = 3  # beats on which a RELEASE is said again, for voters that missed it
LOST_REPEATS_MAX = 600  # when the Lease was lost: most likely nobody hears the first of them


class Farewells:
    """One group's."""

    def __init__(self, situation: Situation, spec: Group, seeker: LeaseSeeker) -> None:
        self.situation = situation
        self.spec = spec
        self.seeker = seeker
        self._releases: list[tuple[int, Release]] = []  # (beats to go, message)

    def repeat_later(self, leaving: Leaving) -> None:
        """Before the seeker releases: what it will say is said again on the next beats."""
        for ballot in self.seeker.releasable():
            release = Release(self.spec.name, ballot, leaving.successor, leaving.cause)
            self._releases.append((RELEASE_REPEATS, release))

    def repeat(self) -> None:
        """Once per beat."""
        for _, release in self._releases:
            for voter in self.situation.peers:
                self.situation.say[voter].append(release)
        self._releases = [(beats - 1, release) for beats, release in self._releases if beats > 1]

    def release_lost(self, at_ns: int) -> None:
        """Voters hold an exclusive group longer than its Lease: not longer than until it is proved ended."""
        beats = self.spec.stop_within_ns // self.situation.config.timing.interval_ns
        for release in self.seeker.release_lost(Cause.LEASE_LOST):
            self._releases.append((max(RELEASE_REPEATS, min(beats, LOST_REPEATS_MAX)), release))
            self.situation.seat.answer(self.situation.me.index, release, at_ns)

    def by_proxy(self, able: Sequence[Peer], has_more_than_addresses: bool) -> tuple[Release, ...]:
        """What the guard may say for a dead core to the best of those that could take the group."""
        if self.seeker.phase is not Phase.HELD or not able or has_more_than_addresses:
            return ()  # more than an address must end: the Lease has to run out
        successor, ballots = able[0].voter.index, self.seeker.releasable()
        return tuple(Release(self.spec.name, ballot, successor, Cause.DAEMON_DIED) for ballot in ballots)
