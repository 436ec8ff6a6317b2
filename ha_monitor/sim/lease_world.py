"""The Lease-only world: two or three hosts that want one group, under every fault, from one seed.

Fast, because nothing but the Lease runs: thousands of short lives. The whole cluster is in cluster_world.py.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ha_monitor.core.bids import ballot_floor
from ha_monitor.core.leases import Output, Phase, Prepared, Say
from ha_monitor.messages import Prepare
from ha_monitor.model import Ballot, Timing
from ha_monitor.sim.agenda import Agenda
from ha_monitor.sim.checks import (
    EpochCheck,
    check_owner_everywhere,
    check_single_answer,
    check_single_lease,
)
from ha_monitor.sim.faults import Fault, Mix, draw_faults, kept
from ha_monitor.sim.lease_host import Guard, Host
from ha_monitor.sim.lease_life import GROUP, Life, Packet, SwitchOrder
from ha_monitor.sim.network import CALM, Network, Weather
from ha_monitor.sim.plants import NOTHING, LeasePlant
from ha_monitor.sim.swarm import TAKEOVERS, Window
from ha_monitor.timebase import MS, SECOND

TIMINGS = (Timing(200 * MS, SECOND), Timing(100 * MS, SECOND), Timing(2 * SECOND, 10 * SECOND))
FAULT_LEASES = 12  # how many Leases long the bad time is
WALL_NS = 1_700_000_000 * SECOND


@dataclass(frozen=True)
class Climate:
    """Which faults this seed knows, and how often."""

    timing: Timing
    nodes: int
    has_witness: bool
    weather: Weather
    stumbles: int  # how often somebody stands still between two steps
    replays: int
    faults: tuple[str, ...]
    is_wall_steady: bool

    @classmethod
    def draw(cls, rng: random.Random) -> Climate:
        """Each fault is there or not: a world with all of them at once hides the rare combinations."""
        timing = rng.choice(TIMINGS)
        three = rng.random() < 0.25
        weather = Weather(
            loss=rng.choice((0, 0, 0.1, 0.3)),
            doubled=rng.choice((0, 0.2)),
            late=rng.choice((0, 0, 0.05, 0.2)),
            late_ns=2 * timing.lease_ns,
        )
        faults = tuple(name for name in FAULTS if rng.random() < 0.5)
        return cls(
            timing,
            3 if three else 2,
            not three,
            weather,
            rng.choice((0, 5, 40)),
            rng.choice((0, 20, 200)),
            faults or ("cut",),
            rng.random() < 0.8,
        )


FAULTS = (
    "cut",
    "one_way",
    "partition",
    "crash",
    "power",
    "pause",
    "hang",
    "kill_all",
    "forget",
    "switch",
    "ambush",
)


class LeaseWorld:
    """Hosts, network, faults and checks of one seed."""

    def __init__(self, seed: int, plant: LeasePlant = NOTHING, only: Collection[int] | None = None) -> None:
        self.seed = seed
        self.plant = plant
        self.rng = random.Random(seed)
        self.climate = plant.climate(Climate.draw(self.rng))
        self.agenda = Agenda()
        self.network = Network(self.agenda, self.rng, self._deliver)
        count = self.climate.nodes + self.climate.has_witness
        self.hosts = [Host(self, i, i == self.climate.nodes) for i in range(count)]
        self.nodes = self.hosts[: self.climate.nodes]
        self.epochs = EpochCheck()
        self.wall_offset_s = 0
        self.events = 0
        self.counts: Counter[str] = Counter()
        self.windows: list[Window] = []  # no machine sleeps here
        self._last_owner = -1
        self.is_quiet = False
        self._ambush_over_ns = 0
        self._ambushed: Life | None = None
        self._stumbling: dict[int, tuple[int, int]] = {}  # host: steps to go, length of the stall
        self.faults = kept(self._draw_faults(), only)
        self.lines: list[str] = []
        self._lies_in_wait = any(fault.kind == "ambush" for fault in self.faults)
        self.trace: Callable[[str], None] | None = None  # a line per thing that happens, for a replay

    @property
    def now_ns(self) -> int:
        """True time."""
        return self.agenda.now_ns

    def _draw_faults(self) -> tuple[Fault, ...]:
        climate, lease_ns = self.climate, self.climate.timing.lease_ns
        mix = Mix(climate.faults, ("weather",), (0.05, 1.0), climate.stumbles, climate.replays)
        return draw_faults(self.rng, mix, len(self.hosts), lease_ns, FAULT_LEASES * lease_ns)

    def note(self, host: Host, text: object) -> None:
        """Tell the trace, if anybody listens."""
        if self.trace is not None:
            self.trace(f"{self.agenda.now_ns / SECOND:12.6f} {host.name:8} {text}")

    # -- what the hosts need --

    def _deliver(self, source: int, target: int, link: str, packet: Packet) -> None:  # noqa: ARG002  one signature
        self.note(self.hosts[target], f"<- {source} {packet.message}")
        self.hosts[target].deliver(packet)

    def draws_stall(self, life: Life) -> None:
        """Stand still between two instructions where a fault said so."""
        if not self._stumbling or self.is_quiet:
            return
        after, length_ns = self._stumbling.get(life.host.index, (-1, 0))
        if after > 0:
            self._stumbling[life.host.index] = after - 1, length_ns
        elif after == 0:
            del self._stumbling[life.host.index]
            life.stall(length_ns)

    def draw_delay(self) -> int:
        """Mostly short, at times longer than a Lease."""
        lease_ns = self.climate.timing.lease_ns
        if self.is_quiet or self.rng.random() < 0.5:
            return self.rng.randint(0, MS)
        return self.rng.randint(0, 3 * lease_ns // 2)

    def wall_floor(self, wildest: int = 3) -> int:
        """The wall clock's seconds shifted left by 20 bits; anything small where the clock is not steady."""
        if not self.climate.is_wall_steady:
            return self.rng.choice((0, self.rng.randint(0, wildest)))
        return ballot_floor(WALL_NS + self.agenda.now_ns)

    def epoch_won(self, host: Host, epoch: Ballot) -> None:
        """Rule 7's condition: Epochs rise unless a wall clock ran backwards."""
        host.last_epoch = epoch
        if self._last_owner not in (-1, host.index):
            self.counts[TAKEOVERS] += 1
        self._last_owner = host.index
        if self.climate.is_wall_steady:
            self.epochs.won(GROUP, epoch)

    # -- the run --

    def play(self) -> None:
        """Bad time, then heal, then quiet. Raises SafetyBroken or LivenessBroken."""
        lease_ns = self.climate.timing.lease_ns
        bad_ns = FAULT_LEASES * lease_ns
        for fault in self.faults:
            self.agenda.at(fault.at_ns, lambda fault=fault: self._happen(fault))  # type: ignore[misc]
        for host in self.hosts:
            host.power_on(abstains=False)
        self._run_until(bad_ns)
        self._heal()
        # Abstention + hold + 3 T, and what was still late when it healed.
        self._run_until(bad_ns + (5 + 2) * lease_ns)
        check_owner_everywhere(self.answering())

    def _run_until(self, until_ns: int) -> None:
        while self.agenda.run_one(until_ns):
            self.check()

    def check(self) -> None:
        """Safety, after each step of a process and each thing that happens to it."""
        self.events += 1
        check_single_answer(self.answering())
        check_single_lease(self.holding())

    def answering(self) -> dict[str, list[str]]:
        """Whose kernel answers for the group."""
        return {GROUP: [host.name for host in self.nodes if host.kernel.answers(GROUP)]}

    def holding(self) -> dict[str, list[str]]:
        """Whose core holds an unexpired Lease by its own clock."""
        now_ns = self.agenda.now_ns
        return {
            GROUP: [
                host.name
                for host in self.nodes
                if host.life is not None
                and host.life.seeker is not None
                and host.life.seeker.phase is Phase.HELD
                and host.life.seeker.end_ns > host.clock.own_ns(now_ns)
            ]
        }

    def _heal(self) -> None:
        self.is_quiet = True
        self.network.weather = CALM
        self.network.cut.clear()
        for host in self.hosts:
            if host.life is not None:
                host.life.wake()
            elif host.is_on and not host.guard.is_busy:
                host.start_core()
            elif not host.is_on:
                host.power_on()

    # -- faults --

    def _happen(self, fault: Fault) -> None:
        if self.is_quiet:
            return
        host = self.hosts[fault.host]
        self.lines.append(fault.line(host.name, ""))
        self.note(host, f"FAULT {self.lines[-1].strip()}")
        getattr(self, f"_fault_{fault.kind}")(host, fault)

    def _fault_weather(self, host: Host, fault: Fault) -> None:  # noqa: ARG002  one signature for all faults
        self.network.weather = self.climate.weather

    def _fault_replay(self, host: Host, fault: Fault) -> None:  # noqa: ARG002
        self.network.replay(fault.dice[0])

    def _fault_stumble(self, host: Host, fault: Fault) -> None:
        self._stumbling[host.index] = int(fault.dice[0] * fault.dice[0] * 30), fault.length_ns

    def _cut(self, pairs: set[tuple[int, int]], length_ns: int) -> None:
        cut = {(source, target, "lan") for source, target in pairs}
        self.network.cut |= cut
        self.agenda.after(length_ns, lambda: self.network.cut.difference_update(cut))

    def _fault_cut(self, host: Host, fault: Fault) -> None:
        others = [other.index for other in self.hosts if other is not host]
        self._cut({p for o in others for p in ((host.index, o), (o, host.index))}, fault.length_ns)

    def _fault_one_way(self, host: Host, fault: Fault) -> None:
        other = self.hosts[fault.pick(0, self.hosts)]
        self._cut({(host.index, other.index)}, fault.length_ns)

    def _fault_partition(self, host: Host, fault: Fault) -> None:
        other = self.hosts[fault.pick(0, self.hosts)]
        self._cut({(host.index, other.index), (other.index, host.index)}, fault.length_ns)

    def _fault_crash(self, host: Host, fault: Fault) -> None:
        if host.life is None:
            return
        host.end_core()
        if host.is_witness:
            self.agenda.after(fault.length_ns, lambda: self._restart(host))
        else:
            host.guard.core_died()

    def _fault_kill_all(self, host: Host, fault: Fault) -> None:
        """Guard and core die together; the init system starts them again."""
        host.end_core()
        host.guard = Guard(host)
        self.agenda.after(int(fault.dice[0] * fault.length_ns), lambda: self._restart(host))

    def _fault_forget(self, host: Host, fault: Fault) -> None:
        """The voter's file is lost or damaged while its processes are down."""
        host.saved = None
        self._fault_kill_all(host, fault)

    def _restart(self, host: Host) -> None:
        if host.is_on and host.life is None and not host.guard.is_busy:
            host.start_core()

    def _fault_power(self, host: Host, fault: Fault) -> None:
        host.power_off()
        self.agenda.after(fault.length_ns, host.power_on)

    def _fault_pause(self, host: Host, fault: Fault) -> None:
        if host.life is not None:
            host.life.stall(fault.length_ns // 2)

    def _fault_hang(self, host: Host, fault: Fault) -> None:
        if host.life is not None:
            host.life.stall(2 * self.climate.timing.lease_ns + fault.length_ns)

    def _fault_ambush(self, host: Host, fault: Fault) -> None:
        """Nothing yet: see `ambush`."""

    def ambush(self, life: Life, output: Output) -> None:
        """The deepest trap: while a candidate prepares, its promise is forgotten and it stands still.

        Lies in wait for a candidate whose ballot is above all that the other Nodes know, and cuts it off from
        them. The voter that promised loses its memory; the candidate sleeps until another Node could have
        won; its PREPARE is played again; then it wakes and builds on the old promise.
        """
        if self.is_quiet or not self._lies_in_wait:
            return
        lease_ns, me = self.climate.timing.lease_ns, life.host.index
        if isinstance(output, Say) and isinstance(output.message, Prepare):
            if self._is_above_all(life.host, output.message.ballot):
                self._ambush_over_ns, self._ambushed = self.agenda.now_ns + 4 * lease_ns, life
                others = {node.index for node in self.nodes} - {me}
                self._cut({pair for o in others for pair in ((me, o), (o, me))}, 4 * lease_ns)
        elif isinstance(output, Prepared) and life is self._ambushed and self.climate.has_witness:
            self._ambushed = None
            life.stall(self.rng.randint(3 * lease_ns // 2, 5 * lease_ns // 2))
            self._forget_and_remind(self.hosts[-1], Packet(me, Prepare(GROUP, output.ballot)))

    def _is_above_all(self, host: Host, ballot: Ballot) -> bool:
        seekers = [o.life.seeker for o in self.nodes if o is not host and o.life and o.life.seeker]
        known = [Ballot(seeker.counter + 1, seeker.node, 0) for seeker in seekers]
        is_alone = all(seeker.phase in {Phase.IDLE, Phase.ASKING} for seeker in seekers)
        is_over = self.agenda.now_ns >= self._ambush_over_ns
        return is_over and is_alone and all(ballot > other for other in known)

    def _forget_and_remind(self, victim: Host, prepare: Packet) -> None:
        lease_ns = self.climate.timing.lease_ns
        if victim.is_on:
            victim.end_core()
            victim.saved, victim.guard = None, Guard(victim)
            self.agenda.after(self.rng.randint(0, lease_ns // 16), lambda: self._restart(victim))
        for _ in range(4):
            when_ns = self.rng.randint(11 * lease_ns // 8, 5 * lease_ns // 2)
            self.agenda.after(when_ns, lambda: victim.deliver(prepare))

    def _fault_switch(self, host: Host, fault: Fault) -> None:
        if host.life is not None:
            host.life.post(SwitchOrder(fault.pick(0, [*self.nodes, None]) - 1))
