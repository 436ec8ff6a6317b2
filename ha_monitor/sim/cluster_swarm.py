"""The whole cluster under every fault that one seed draws: bad time, then heal, then quiet."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ha_monitor.core import events as ev
from ha_monitor.messages import MaintenanceNote
from ha_monitor.model import ClusterConfig, GroupState
from ha_monitor.sim import faults_fencing, faults_machines, faults_network, faults_people
from ha_monitor.sim.agenda import HostClock
from ha_monitor.sim.checks import LivenessBroken, RateCheck
from ha_monitor.sim.cluster_host import ClusterHost
from ha_monitor.sim.cluster_plants import SOUND, ClusterPlant
from ha_monitor.sim.cluster_world import ClusterWorld, addresses_of
from ha_monitor.sim.core_process import LOOK, CoreProcess
from ha_monitor.sim.faults import Fault, Mix, draw_faults, kept
from ha_monitor.sim.fencing import DeviceWeather
from ha_monitor.sim.liveness import liveness_bound_ns
from ha_monitor.sim.services import AgentWeather
from ha_monitor.sim.shapes import Shape, changed, draw_shape
from ha_monitor.sim.truth import TruthCheck
from ha_monitor.timebase import MS, SECOND

Effect = Callable[["SwarmWorld", ClusterHost, Fault], str]

_NETWORK = ("cut", "one_way", "partition", "unplug", "switch_off", "loss", "doubling", "lateness", "replay")
_MACHINES = (
    *("stumble", "pause", "hang", "crash", "kill_all", "forget", "power", "suspend", "worker", "service"),
    *("slow_agents", "failing_agents", "hanging_agents", "lying_agents"),
    *("full_tmpfs", "slow_disk", "wall_step", "stranger", "address_gone"),
)
_PEOPLE = ("switch", "stop", "restart", "standby", "maintenance", "window", "clear", "reconfigure")
_FENCING = ("failing_fences", "slow_fences", "hanging_fences", "lying_fences", "fence", "confirm_fenced")
EFFECTS: Mapping[str, Effect] = {
    **{name: getattr(faults_network, name) for name in (*_NETWORK, "shouted_replay")},
    **{name: getattr(faults_machines, name) for name in _MACHINES},
    **{name: getattr(faults_fencing, name) for name in (*_FENCING, "target_down")},
    **{name: getattr(faults_people, name) for name in _PEOPLE},
}
FAULTS = tuple(name for name in EFFECTS if name not in ("stumble", "replay"))
ALWAYS = ("loss", "doubling", "lateness", "slow_agents", "failing_agents", "hanging_agents", "lying_agents")
ALWAYS_FENCING = _FENCING[:4]
MOVING = ("partition", "cut", "power", "switch", "stop")  # what it takes for fences and takeovers
BAD_LEASES = ((1.5, 3), (1.5, 3), (4, 8))  # short lives and long ones
PACKETS_MAX = 40  # of a beat: the more a world sends, the shorter is its bad time
SETTLED_LEASES = 2  # so long everything must stay as it should
WALL_SYNC_NS, WALL_ASTRAY_NS = 50 * MS, 3600 * SECOND
LOOK_EVERY_NS = SECOND // 2
SHORTEST_BEAT_NS = 50 * MS


@dataclass(frozen=True)
class Climate:
    """What a seed knows of, before a planted bug changes it. ``shape``: the cluster."""

    shape: Shape
    mix: Mix
    bad_leases: float

    @classmethod
    def draw(cls, rng: random.Random) -> Climate:
        """Each fault is there or not: a world with all of them at once hides the rare combinations."""
        shape = draw_shape(rng)
        known = tuple(name for name in _possible(shape, FAULTS) if rng.random() < 0.3)
        always = tuple(name for name in _possible(shape, (*ALWAYS, *ALWAYS_FENCING)) if rng.random() < 0.15)
        is_slow = shape.has_data or bool(shape.fencing)  # a takeover takes more than a Lease there
        if is_slow:
            known += tuple(name for name in MOVING if rng.random() < 0.5)
        gap = rng.choice(((0.05, 0.5), (0.05, 1.0), (0.3, 2.0)))
        mix = Mix(known or ("power",), always, gap, rng.choice((0, 0, 5, 30)), rng.choice((0, 0, 10, 60)))
        leases = BAD_LEASES[-1] if is_slow else rng.choice(BAD_LEASES)
        return cls(shape, mix, rng.uniform(*leases) * _size_factor(shape))


def _possible(shape: Shape, kinds: Iterable[str]) -> Iterator[str]:
    """What there is in such a cluster to go wrong."""
    for kind in kinds:
        if (shape.fencing or kind not in _FENCING) and (shape.quorum == "ping" or kind != "target_down"):
            yield kind


def _size_factor(shape: Shape) -> float:
    """Big clusters get less time, so that every seed costs about the same."""
    packets = shape.nodes * (shape.nodes - 1) * shape.links + 2 * shape.nodes * shape.has_witness
    beats = shape.lease_ms / shape.interval_ms
    cost = packets * beats * (1 + len(shape.groups) / 3)
    return min(1.0, max(0.3, 180 / max(1.0, cost)))


class SwarmWorld(ClusterWorld):
    """One seed's cluster. ``only``: the numbers of the faults that happen, None for all."""

    def __init__(self, seed: int, plant: ClusterPlant = SOUND, only: Collection[int] | None = None) -> None:
        rng = random.Random(seed)
        self.climate = plant.climate(Climate.draw(rng))
        self.shape = self.climate.shape
        self._clocks = rng
        config = self.shape.config()
        self.lease_ns = config.timing.lease_ns
        super().__init__(config, rng.getrandbits(64), plant)
        self.seed = seed
        self.bad_ns = int(self.climate.bad_leases * self.lease_ns)
        faults = draw_faults(rng, self.climate.mix, len(self.hosts), self.lease_ns, self.bad_ns)
        self.faults = kept(faults, only)
        self.lines: list[str] = []  # what happened, for people
        self.stumbling: dict[int, tuple[int, int]] = {}  # host: instructions to go, length of the stall
        self.is_quiet = False
        self._set_wall_clocks(rng)
        self.rate = RateCheck(SHORTEST_BEAT_NS, len(self.config.groups))
        self.truth = TruthCheck(self)
        self._delays = random.Random(rng.getrandbits(64))

    def _clock(self) -> HostClock:
        return HostClock.draw(self._clocks)

    def _set_wall_clocks(self, rng: random.Random) -> None:
        """They differ from the beginning: mostly by what NTP leaves, in some worlds by up to an hour."""
        most_ns = rng.choice((0, WALL_SYNC_NS, WALL_SYNC_NS, WALL_ASTRAY_NS))
        for host in self.hosts:
            host.wall_step_ns = rng.randint(-most_ns, most_ns)
        if most_ns > WALL_SYNC_NS:
            self.leases.epochs = None  # rule 7's condition: all wall clocks are about the same

    def play(self) -> None:
        """Bad time, heal, quiet. Raises SafetyBroken, LivenessBroken or RateBroken."""
        for fault in self.faults:
            self.agenda.at(fault.at_ns, lambda fault=fault: self._happen(fault))  # type: ignore[misc]
        self.begin()
        self._look()
        self.run(self.bad_ns)
        self.become_quiet()
        self._await_everyone()

    def _happen(self, fault: Fault) -> None:
        host = self.hosts[fault.host]
        line = fault.line(host.name, EFFECTS[fault.kind](self, host, fault))
        self.lines.append(line)
        self.note("world", f"FAULT {line.strip()}")

    def next_shape(self, fault: Fault) -> Shape:
        """What an operator makes of the cluster's file."""
        self.shape = changed(self.shape, random.Random(f"{self.seed} {fault.number}"))
        return self.shape

    def configure(self, shape: Shape) -> ClusterConfig:
        """The real configuration of a shape, from now on what the cluster shall be."""
        self.config = shape.config()
        self.rate.expect(len(self.config.groups))
        self.addresses = list(dict.fromkeys((*self.addresses, *addresses_of(self.config))))
        return self.config

    def _look(self) -> None:
        """Views become facts, as in the daemon; each must be true."""
        for host in self.hosts:
            if host.process is not None:
                host.process.post(LOOK)
        self.agenda.after(LOOK_EVERY_NS, self._look)

    def look(self, process: CoreProcess) -> None:
        """What it would publish now must be true."""
        self.truth.look(process)

    # Whims

    def stumbles(self, process: CoreProcess) -> None:
        """Stand still between two instructions where a fault said so."""
        if not self.stumbling or self.is_quiet:
            return
        after, length_ns = self.stumbling.get(process.host.index, (-1, 0))
        if after > 0:
            self.stumbling[process.host.index] = after - 1, length_ns
        elif after == 0:
            del self.stumbling[process.host.index]
            process.stall(length_ns)

    def is_calm_since(self, since_ns: int) -> bool:
        """No fault happened since then, and none lies in wait."""
        now_ns = self.agenda.now_ns
        return not self.stumbling and not any(since_ns <= fault.at_ns <= now_ns for fault in self.faults)

    def draw_delay(self) -> int:
        """How long a guard stands still between two steps: mostly short, at times longer than a Lease."""
        part = self._delays.random()
        if self.is_quiet or part < 0.5:
            return int(part * MS)
        return int((part - 0.5) * 3 * self.lease_ns)

    def draw_length(self, most_ns: int) -> int:
        """How long a guard needs: often as long as it may."""
        part = self._delays.random()
        return most_ns if part < 0.3 else int(part * most_ns)

    # Healing

    def become_quiet(self) -> None:
        """Heal, and take back what operators ordered."""
        self.note("world", "all heals")
        self.is_quiet = True
        self.stumbling.clear()
        self.network.calm()
        for host in self.nodes:
            host.services.weather = AgentWeather()
            host.strangers.clear()
            host.fencer.weather = DeviceWeather()
            host.disk.write(is_standby=False)
        self.heal()
        for host in self.hosts:
            host.next_config = self.config
            if host.config is not self.config:
                host.order(ev.StopOrdered(False))
        self._reassure()

    def _reassure(self) -> None:
        """Operators look again and again at what still stands in the way."""
        for host in self.hosts:
            if not host.is_on:
                host.power_on()  # fenced after all had healed, by an order from before
            if host.process is not None:
                self._reassure_host(host, host.process)
        self.agenda.after(SECOND, self._reassure)

    def _reassure_host(self, host: ClusterHost, process: CoreProcess) -> None:
        situation = process.core.situation
        if situation.lost_carrier:
            for link in faults_network.links_of(self):
                faults_network.set_carrier(self, host, link, True)
        if situation.is_standby:
            host.order(ev.StandbyOrdered(False, "operator"))
        if situation.in_maintenance(process.now_ns()):
            host.order(ev.MaintenanceOrdered(MaintenanceNote(0)))
        for group, tenure in process.core.tenures.items():
            if tenure.runner.state is GroupState.BLOCKED or tenure.holding.is_held:
                self._clear(host, group)

    def _clear(self, host: ClusterHost, group: str) -> None:
        """Somebody looked: what could not be stopped is stopped, what was held may move again."""
        assert host.process is not None, "a core said so"
        if host.process.core.tenures[group].runner.state is GroupState.BLOCKED:
            for resource, owner in host.services.groups.items():
                if owner == group:
                    host.services.crash(resource)
        host.order(ev.BlockCleared(group, "operator"))

    def _await_everyone(self) -> None:
        """Every group must be served within the bound, and stay so."""
        until_ns = self.agenda.now_ns + liveness_bound_ns(self)
        settled_ns = SETTLED_LEASES * self.config.timing.lease_ns
        while True:
            self._run_until_served(until_ns)
            began_ns = self.agenda.now_ns
            while self._is_served() and self.agenda.now_ns < began_ns + settled_ns:
                self.run(self.config.timing.interval_ns)
            if self._is_served():
                return

    def _run_until_served(self, until_ns: int) -> None:
        while not self._is_served():
            if self.agenda.now_ns >= until_ns:
                self.check_everyone_served()
                raise LivenessBroken("a host has not taken up the changed configuration")
            self.run(self.config.timing.interval_ns)

    def _is_served(self) -> bool:
        try:
            self.check_everyone_served()
        except LivenessBroken:
            return False
        return all(host.config is self.config for host in self.hosts)
