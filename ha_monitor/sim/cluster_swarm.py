"""The whole cluster under every fault that one seed chooses: bad time, then heal, then quiet."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ha_monitor.core import events as ev
from ha_monitor.messages import MaintenanceNote
from ha_monitor.model import Failback, FailbackKind, GroupState, Timing
from ha_monitor.sim.agenda import HostClock
from ha_monitor.sim.cast import LINKS, PAIR, TRIO, pair, queue, trio, web
from ha_monitor.sim.cluster_host import ClusterHost, Guard
from ha_monitor.sim.cluster_plants import SOUND, ClusterPlant
from ha_monitor.sim.cluster_world import ClusterWorld
from ha_monitor.sim.core_process import CoreProcess
from ha_monitor.sim.network import CALM, Weather
from ha_monitor.sim.services import AgentWeather
from ha_monitor.timebase import MS, SECOND

TIMINGS = (Timing(200 * MS, SECOND), Timing(100 * MS, SECOND), Timing(100 * MS, 500 * MS))
FAILBACKS = (Failback(), Failback(FailbackKind.AFTER, after_ns=SECOND), Failback(FailbackKind.BETWEEN))
BAD_LEASES = 12
FAULTS = (
    *("cut", "one_way", "partition", "unplug", "crash", "kill_all", "forget", "power", "pause", "hang"),
    *("switch", "stop", "restart", "standby", "maintenance", "service", "worker", "tmpfs", "window"),
)


@dataclass(frozen=True)
class Climate:
    """Which faults this seed knows, and how often."""

    weather: Weather
    agents: AgentWeather
    stall: float
    replays: int
    faults: tuple[str, ...]

    @classmethod
    def draw(cls, rng: random.Random) -> Climate:
        """Each fault is there or not: a world with all of them at once hides the rare combinations."""
        weather = Weather(
            loss=rng.choice((0, 0, 0.1, 0.3)),
            doubled=rng.choice((0, 0.2)),
            late=rng.choice((0, 0, 0.05)),
            late_ns=2 * SECOND,
        )
        agents = AgentWeather(
            start_fails=rng.choice((0, 0, 0, 0.2)),
            stop_fails=rng.choice((0, 0, 0, 0.2)),
            delay_ns=rng.choice(((MS, 30 * MS), (MS, 2 * SECOND))),
        )
        faults = tuple(name for name in FAULTS if rng.random() < 0.4)
        stall, replays = rng.choice((0, 0.0005, 0.003)), rng.choice((0, 30, 300))
        return cls(weather, agents, stall, replays, faults or ("power",))


class SwarmWorld(ClusterWorld):
    """One seed's cluster."""

    def __init__(self, seed: int, plant: ClusterPlant = SOUND) -> None:
        rng = random.Random(seed)
        timing, failback = rng.choice(TIMINGS), rng.choice(FAILBACKS)
        self._clocks = random.Random(seed)
        nodes, cast = (TRIO, trio) if seed % 4 == 3 else (PAIR, pair)
        groups = web(failback, nodes), queue(nodes)
        super().__init__(cast(*groups, timing=timing, start_grace_ns=SECOND), seed, plant)
        self.climate = plant.climate(Climate.draw(self.rng))
        self.lease_ns = timing.lease_ns
        self.is_quiet = False
        self._orders = 0

    def _clock(self) -> HostClock:
        return HostClock.draw(self._clocks)

    def command(self) -> str:
        """The line that plays this seed again."""
        plant = f" --plant {self.plant.name}" if self.plant is not SOUND else ""
        return f"ha-monitor simulate --world cluster --seed {self.seed}{plant}"

    def play(self) -> None:
        """Bad time, heal, quiet. Raises SafetyBroken or LivenessBroken, naming the seed."""
        try:
            self._play()
        except AssertionError as broken:
            note = f"seed {self.seed}, event {self.events}, {self.agenda.now_ns / SECOND:.6f} s: {broken}"
            raise type(broken)(f"{note}\n  replay: {self.command()}") from broken

    def _play(self) -> None:
        bad_ns = BAD_LEASES * self.lease_ns
        self.begin()
        self.network.weather = self.climate.weather
        for host in self.nodes:
            host.services.weather = self.climate.agents
        self._plan_fault()
        self._look()
        for _ in range(self.climate.replays):
            self.agenda.at(self.rng.randint(0, bad_ns), self.network.replay)
        self.run(bad_ns)
        self.become_quiet()
        # Abstention, hold, 3 T; the grace of a first start; what was late or still starting when it healed.
        self.run(5 * self.lease_ns + self.config.start_grace_ns + 4 * SECOND)
        if any(len(hosts) != 1 for hosts in self.answering().values()):
            self.run(max(0, self._held_down_ns()))
        self.check_everyone_served()

    def _held_down_ns(self) -> int:
        """How long a Node is still not tried again after the group failed there."""
        waits = [
            tenure.hold_down.until_ns(is_alone=True) - host.process.now_ns() + 2 * self.lease_ns
            for host in self.nodes
            if host.process is not None
            for tenure in host.process.core.tenures.values()
            if tenure.hold_down.reason
        ]
        return max(waits, default=0)

    def _look(self) -> None:
        """Somebody asks for the view, as facts and `status` do."""
        for host in self.hosts:
            if host.process is not None and host.process.stalled_until_ns <= self.agenda.now_ns:
                host.process.core.view(host.process.now_ns())
        self.agenda.after(SECOND, self._look)

    # Whims

    def draws_stall(self, process: CoreProcess) -> None:
        """Now and then a process stands still between two instructions."""
        if not self.is_quiet and self.rng.random() < self.climate.stall:
            process.stall(self.draw_delay())

    def draw_delay(self) -> int:
        """Mostly short, at times longer than a Lease."""
        if self.is_quiet or self.rng.random() < 0.5:
            return self.rng.randint(0, MS)
        return self.rng.randint(0, 3 * self.lease_ns // 2)

    def become_quiet(self) -> None:
        """Heal, and take back what operators ordered."""
        self.note("world", "all heals")
        self.is_quiet = True
        self.network.weather = CALM
        for host in self.nodes:
            host.services.weather = AgentWeather()
            host.disk.is_standby = False
        self.heal()
        for host in self.nodes:
            self._set_carrier(host, "lan", True)
            host.order(ev.StandbyOrdered(False, "operator"))
            host.order(ev.MaintenanceOrdered(MaintenanceNote(0)))
        self._clear_blocks()

    def _clear_blocks(self) -> None:
        """An operator looks again and again at what could not be stopped."""
        for host in self.nodes:
            for group in self.config.groups:
                tenure = host.process.core.tenures[group.name] if host.process is not None else None
                if tenure is not None and tenure.runner.state is GroupState.BLOCKED:
                    for resource, owner in host.services.groups.items():
                        if owner == group.name:
                            host.services.crash(resource)
                    host.order(ev.BlockCleared(group.name, "operator"))
        self.agenda.after(SECOND, self._clear_blocks)

    def _plan_fault(self) -> None:
        self.agenda.after(self.rng.randint(self.lease_ns // 20, self.lease_ns), self._fault)

    def _fault(self) -> None:
        if self.is_quiet:
            return
        name, host = self.rng.choice(self.climate.faults), self.rng.choice(self.hosts)
        length_ns = self.rng.randint(0, 3 * self.lease_ns)
        self.note(host.name, f"FAULT {name} for {length_ns / SECOND:.3f} s")
        getattr(self, f"_fault_{name}")(host, length_ns)
        self._plan_fault()

    def _for_a_while(self, cut: set[tuple[int, int, str]], length_ns: int) -> None:
        self.network.cut |= cut
        self.agenda.after(length_ns, lambda: self.network.cut.difference_update(cut))

    # The network

    def _fault_cut(self, host: ClusterHost, length_ns: int) -> None:
        others = [o.index for o in self.hosts if o is not host]
        ends = [end for o in others for end in ((host.index, o), (o, host.index))]
        self._for_a_while({(*end, link) for end in ends for link in LINKS}, length_ns)

    def _fault_one_way(self, host: ClusterHost, length_ns: int) -> None:
        other, link = self.rng.choice(self.hosts), self.rng.choice(LINKS)
        self._for_a_while({(host.index, other.index, link)}, length_ns)

    def _fault_partition(self, host: ClusterHost, length_ns: int) -> None:
        other = self.rng.choice(self.hosts)
        ends = ((host.index, other.index), (other.index, host.index))
        self._for_a_while({(*end, link) for end in ends for link in LINKS}, length_ns)

    def _fault_unplug(self, host: ClusterHost, length_ns: int) -> None:
        link = self.rng.choice(LINKS)
        others = [o.index for o in self.hosts if o is not host]
        ends = [end for o in others for end in ((host.index, o), (o, host.index))]
        self._for_a_while({(*end, link) for end in ends}, length_ns)
        self._set_carrier(host, link, False)
        self.agenda.after(length_ns, lambda: self._set_carrier(host, link, True))

    def _set_carrier(self, host: ClusterHost, link: str, has_carrier: bool) -> None:
        resources = tuple(name for _, name in self.addresses) if link == "lan" else ()
        host.order(ev.CarrierChanged(link, resources, has_carrier))

    # Processes and machines

    def _fault_crash(self, host: ClusterHost, _length_ns: int) -> None:
        host.crash_core()

    def _fault_kill_all(self, host: ClusterHost, length_ns: int) -> None:
        host.kill_all()
        self.agenda.after(self.rng.randint(0, length_ns), host.start_daemon)

    def _fault_forget(self, host: ClusterHost, length_ns: int) -> None:
        """The voter's file is lost or damaged while its processes are down."""
        host.tmpfs = self.rng.choice((None, host.tmpfs and host.tmpfs[:-3]))
        self._fault_kill_all(host, length_ns)

    def _fault_power(self, host: ClusterHost, length_ns: int) -> None:
        host.power_off()
        self.agenda.after(length_ns, host.power_on)

    def _fault_pause(self, host: ClusterHost, length_ns: int) -> None:
        if host.process is not None:
            host.process.stall(length_ns // 2)

    def _fault_hang(self, host: ClusterHost, length_ns: int) -> None:
        if host.process is not None:
            host.process.stall(2 * self.lease_ns + length_ns)

    def _fault_tmpfs(self, host: ClusterHost, length_ns: int) -> None:
        host.is_tmpfs_full = True
        self.agenda.after(length_ns, lambda: setattr(host, "is_tmpfs_full", False))

    def _fault_worker(self, host: ClusterHost, _length_ns: int) -> None:
        host.order(ev.WorkerLost())

    def _fault_service(self, host: ClusterHost, _length_ns: int) -> None:
        if not host.voter.is_witness:
            host.services.crash(self.rng.choice(list(host.services.states)))

    # Operators

    def _fault_switch(self, host: ClusterHost, _length_ns: int) -> None:
        self._orders += 1
        group = self.rng.choice(self.config.groups).name
        target = self.rng.choice(("", *(node.name for node in self.nodes)))
        host.order(ev.SwitchOrdered(self._orders, group, target, "operator"))

    def _fault_stop(self, host: ClusterHost, length_ns: int) -> None:
        if host.process is not None:
            host.is_stopped = True
            host.order(ev.StopOrdered(True))
            self.agenda.after(2 * self.lease_ns + length_ns, lambda: self._start_again(host))

    def _start_again(self, host: ClusterHost) -> None:
        if host.is_stopped and host.is_on:
            host.end_core()  # did not hand over in time: killed
            host.kernel.close_all()
            host.guard = Guard(host)
            host.start_daemon()

    def _fault_restart(self, host: ClusterHost, _length_ns: int) -> None:
        host.order(ev.StopOrdered(False))

    def _fault_standby(self, host: ClusterHost, _length_ns: int) -> None:
        if not host.voter.is_witness:
            host.order(ev.StandbyOrdered(self.rng.random() < 0.5, "operator"))

    def _fault_maintenance(self, host: ClusterHost, length_ns: int) -> None:
        host.order(ev.MaintenanceOrdered(MaintenanceNote(0, self.rng.choice((0, length_ns)), "why", "who")))

    def _fault_window(self, host: ClusterHost, _length_ns: int) -> None:
        host.order(ev.FailbackWindowChanged("www", self.rng.random() < 0.5))
