"""Exclusive groups under faults drawn from a seed: cores, guards, networks and power, and one writer always.

The real core in the small world of these tests, with a guard that takes its time, may be stuck until a
watchdog resets its host, and dies with the host. The checks look after every event.
"""

from __future__ import annotations

import random

from ha_monitor.core import events as ev
from ha_monitor.core.custody import Custody
from ha_monitor.core.voter import VoterSeat
from ha_monitor.model import ClusterConfig, ResourceState, Timing
from ha_monitor.timebase import MS, SECOND
from tests.core.world import World, command, pair, vip, www

STOP_WITHIN = 3 * SECOND
WATCHDOG = SECOND
RUNNING, STOPPED = ResourceState.RUNNING, ResourceState.STOPPED
SEEDS = 8
FAULTS = ("core", "all", "power", "cut", "cut-from-peer", "switch", "guard-stuck")


class TwoWritersError(AssertionError):
    """What must never be."""


class ExclusiveWorld(World):
    def __init__(self, seed):
        group = www(command("fs"), command("db"), vip(), exclusive=True, stop_within_ns=STOP_WITHIN)
        self.rng = random.Random(seed)
        self.takeovers, self._last = 0, ""
        super().__init__(pair(group, timing=Timing(200 * MS, SECOND)))
        for member in self.members:
            member.end = lambda group, m=member: self.end(m, group)
        self.stuck = set()

    def end(self, member, group):
        """The guard's ladder takes a part of its time; where it is stuck the watchdog resets in time."""
        if member.index in self.stuck:
            self.post(STOP_WITHIN - WATCHDOG, member.index, ev.DeadlinePassed())
            self.at(STOP_WITHIN - 10 * MS, lambda: self.reset(member))
            return
        length_ns = self.rng.randrange(20 * MS, STOP_WITHIN - WATCHDOG)

        def ended():
            if group in member.watched:
                del member.watched[group]
            self.stop_services(member)
            if member.is_up:
                member.step(ev.GroupEnded(group, True))

        self.at(length_ns, ended)

    def at(self, after_ns, what):
        """Something that needs no core, at its moment."""
        self.post(after_ns, 0, _Call(what))

    def stop_services(self, member):
        member.services = dict.fromkeys(member.services, STOPPED)

    def reset(self, member):
        """The host's power goes, all on it stops, and it boots after a while as a voter without memory."""
        self.stuck.discard(member.index)
        member.is_up = False
        member.open.clear()
        member.watched.clear()
        self.stop_services(member)
        self.at(2 * SECOND, lambda: self.boot(member))

    def boot(self, member):
        if member.is_up:
            return
        until_ns, floor = self.now_ns + self.config.longest_hold_ns, self.now_ns // MS
        hold_ns = self.config.longest_hold_ns
        seat = VoterSeat(member.index, next(self.incarnations) + 7, until_ns, floor, hold_ns)
        member.is_up = True
        member.start(seat, counter_floor=floor)

    def check_single_owner(self):
        super().check_single_owner()
        writers = [m.core.situation.me.name for m in self.members if m.services.get("db") is RUNNING]
        if len(writers) > 1:
            raise TwoWritersError(f"at {self.now_ns}: {writers}")
        if writers and writers[0] != self._last:
            self.takeovers += bool(self._last)
            self._last = writers[0]

    def strike(self):
        owner = next((m for m in self.members[:2] if m.is_up and m.services.get("db") is RUNNING), None)
        if owner is None:
            return
        fault = self.rng.choice(FAULTS)
        if fault == "core":  # its guard starts another one, sooner or later
            owner.is_up = False
            owner.open.clear()
            self.at(self.rng.randrange(50 * MS, 6 * SECOND), lambda: self.restart(owner))
        elif fault == "all":  # guard and core: the watchdog goes on from the last feed
            owner.is_up = False
            owner.watched.clear()
            owner.open.clear()
            self.at(self.rng.randrange(WATCHDOG), lambda: self.reset(owner))
        elif fault == "power":
            self.reset(owner)
        elif fault in ("cut", "cut-from-peer"):
            for other in ("pub2", "pub3", "mon")[: 3 if fault == "cut" else 2]:
                if other != owner.core.situation.me.name:
                    self.separate(owner.core.situation.me.name, other)
        elif fault == "switch":
            owner.step(ev.SwitchOrdered(self.now_ns, "www", "", "root"))
        else:
            self.stuck.add(owner.index)
            self.separate(owner.core.situation.me.name, "mon")
            self.separate("pub2", "pub3")

    def restart(self, member):
        if not member.is_up and member.watched is not None:
            member.is_up = True
            member.start(member.seat, counter_floor=self.now_ns // MS)

    def play(self, rounds=4):
        self.run(2)
        for _ in range(rounds):
            self.strike()
            self.run(self.rng.uniform(0.1, 6))
            self.cut.clear()
            self.run(self.rng.uniform(0.5, 4))
        self.cut.clear()
        self.run(18)  # abstention, hold and a Lease or two
        return self


class _Call:
    def __init__(self, what):
        self.what = what


def play(seed):
    world = ExclusiveWorld(seed)
    for member in world.members:
        stepped = member.step
        member.step = lambda event, step=stepped: event.what() if isinstance(event, _Call) else step(event)
    return world.play()


def test_under_any_faults_at_most_one_node_writes_and_in_the_end_one_does():
    takeovers = 0
    for seed in range(SEEDS):
        world = play(seed)
        assert [m for m in world.members if m.services.get("db") is RUNNING], f"seed {seed}: nobody serves"
        takeovers += world.takeovers
    assert takeovers >= SEEDS


def found(monkeypatch, target, name, value):
    monkeypatch.setattr(target, name, value)
    for seed in range(SEEDS):
        try:
            play(seed)
        except TwoWritersError:
            return True
    return False


def test_planted_voters_that_hold_for_the_lease_alone_are_found(monkeypatch):
    assert found(monkeypatch, ClusterConfig, "hold_ns", lambda self, _: self.timing.lease_ns)


def take_it_for_proved(custody):
    custody.is_ended = True
    return True


def test_planted_a_release_before_the_proof_is_found(monkeypatch):
    assert found(monkeypatch, Custody, "prove_ended", take_it_for_proved)
