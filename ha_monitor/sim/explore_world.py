"""The explored world: two Nodes, a Witness, one group, and all that may happen next.

A machine does the same thing in the same state, so each of its steps is taken by the real core once and then
remembered (`Machines`); the world only puts remembered steps together. A state of the world is three
machines, the packets on their way with their ages, what faults are left, and the last Epoch.

A choice is one step: a packet arrives, time passes to the next moment at which something is due, a process
dies, stands still at one of its POINTs, goes on, ... or one of ROUNDS: everything on its way arrives in
order, except what a cut takes, and time passes. Rounds only make long calm stretches short to tell.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

from ha_monitor.messages import Heartbeat
from ha_monitor.model import Ballot, ClusterConfig, Group, Timing
from ha_monitor.sim.cast import one_link, pair, vip
from ha_monitor.sim.explore_freeze import START_NS, copied, freeze, restored
from ha_monitor.sim.explore_machine import GROUP, Machine, shifted
from ha_monitor.sim.explore_plants import Budget, ExplorePlant
from ha_monitor.timebase import MS

BEAT_NS = 200 * MS
LEASE_NS = 3 * BEAT_NS
IN_FLIGHT_MAX = 2  # from one voter to another: the oldest is lost when a third is sent
ROUND_STEPS_MAX = 60
FLOOR_STEP = 1000  # ballots between two starts: nobody wins more often in between


class Packet(NamedTuple):
    """A packet on its way. ``age_ns``: since it was sent."""

    source: int
    target: int
    content: int
    age_ns: int


class State(NamedTuple):
    """A state of the world; machines are numbers of `Machines`. ``starts``: of cores, for their floors."""

    machines: tuple[int, ...]
    flight: tuple[Packet, ...]
    budget: Budget
    epoch: Ballot
    starts: int


class Choice(NamedTuple):
    """What happens next: to whom, with which packet, standing still at which POINT (0: none)."""

    what: str
    machine: int = -1
    packet: Packet | None = None
    stop: int = 0


@dataclass(frozen=True)
class Facts:
    """What the world needs to know of a machine's state."""

    serves: bool
    holds: bool
    epoch: Ballot
    due_in_ns: int | None
    is_paused: bool
    is_alive: bool
    todo: tuple[str, ...]


class Step(NamedTuple):
    """What a machine's step led to. ``points``: where it could have stood still."""

    machine: int
    packets: tuple[tuple[int, int], ...]  # target and content
    points: tuple[str, ...]


def small_config(timing: Timing = Timing(BEAT_NS, LEASE_NS)) -> ClusterConfig:  # noqa: B008  frozen
    """pub2 and pub3 with one Link, the Witness mon, one group that is one address."""
    return one_link(pair(Group(GROUP, ("pub2", "pub3"), (vip(),)), timing=timing, start_grace_ns=0))


class Machines:
    """Every state that a machine was in, by number, and every step that was taken from there."""

    def __init__(self, config: ClusterConfig, plant: ExplorePlant) -> None:
        self.config = config
        self.plant = plant
        self.facts: list[Facts] = []
        self.taken = 0  # steps of the real core
        self._copies: list[bytes] = []
        self._digests: list[bytes] = []
        self._packet_digests: list[bytes] = []
        self._numbers: dict[bytes, int] = {}  # by canonical form, in the order of the numbers
        self._contents: dict[bytes, int] = {}
        self.packets: list[tuple[Heartbeat, int]] = []  # with the sender's clock at that moment
        self._steps: dict[tuple[object, ...], Step] = {}

    def first(self, index: int) -> int:
        """A machine that was just switched on for the first time."""
        machine = Machine(self.config, index, START_NS)
        machine.todo = ("start",)
        return self._take(machine)

    def step(
        self, number: int, what: str, stop: int = 0, extra: int = 0, packet: Packet | None = None
    ) -> Step:
        """One step of a machine; ``extra`` is a length of time or a floor, as ``what`` needs it."""
        content, age_ns = (packet.content, packet.age_ns) if packet else (-1, 0)
        key = (number, what, stop, extra, content, age_ns)
        step = self._steps.get(key)
        if step is None:
            step = self._steps[key] = self._play(number, what, stop, extra, content, age_ns)
        return step

    def _play(self, number: int, what: str, stop: int, extra: int, content: int, age_ns: int) -> Step:
        machine: Machine = restored(self._copies[number])
        self.taken += 1
        if what == "packet":
            heartbeat, sent_at_ns = self.packets[content]
            arrived = shifted(heartbeat, machine.now_ns - age_ns - sent_at_ns)
            machine.receive(arrived, stop, self.plant)
        else:
            machine.act(what, stop, extra, self.plant)
        sent = tuple((h.receiver, self._content(h, machine.now_ns)) for h in machine.sent)
        points = tuple(machine.points)
        machine.sent, machine.points = [], []
        return Step(self._take(machine), sent, points)

    def _take(self, machine: Machine) -> int:
        canonical = freeze(machine, machine.now_ns)
        number = self._numbers.get(canonical)
        if number is None:
            number = self._numbers[canonical] = len(self.facts)
            self._copies.append(copied(machine))
            self._digests.append(_digest(canonical))
            self.facts.append(self._facts(machine))
        return number

    def canonical(self, number: int) -> bytes:
        """What tells this state from others, also in another exploration."""
        return self._digests[number]

    def canonical_packet(self, packet: Packet) -> bytes:
        """The same for a packet."""
        return self._packet_digests[packet.content]

    def _facts(self, machine: Machine) -> Facts:
        due_ns = machine.due_ns
        return Facts(
            machine.serves,
            machine.holds,
            machine.epoch,
            None if due_ns is None else max(0, due_ns - machine.now_ns),
            machine.is_paused,
            machine.core is not None,
            machine.todo,
        )

    def _content(self, heartbeat: Heartbeat, now_ns: int) -> int:
        canonical = freeze(heartbeat, now_ns)
        number = self._contents.get(canonical)
        if number is None:
            number = self._contents[canonical] = len(self.packets)
            self.packets.append((heartbeat, now_ns))
            self._packet_digests.append(_digest(canonical))
        return number


def _digest(canonical: bytes) -> bytes:
    return hashlib.blake2b(canonical, digest_size=16).digest()
