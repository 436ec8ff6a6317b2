"""The whole cluster in memory: the real core and the real wire on simulated hosts, networks and agents.

A story drives it by hand in calm weather; a swarm lets one seed choose weather and faults. Safety is checked
after each step of each process; then all heals; then every group must have its Owner.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ha_monitor.core import actions as ac
from ha_monitor.model import ClusterConfig, Quorum
from ha_monitor.sim.agenda import Agenda, HostClock
from ha_monitor.sim.checks import (
    RateCheck,
    check_owner_everywhere,
    check_single_answer,
    check_single_lease,
)
from ha_monitor.sim.cluster_host import ClusterHost
from ha_monitor.sim.cluster_plants import SOUND, ClusterPlant
from ha_monitor.sim.core_process import CoreProcess
from ha_monitor.sim.exclusive import check_one_writer
from ha_monitor.sim.fencing import FenceCheck
from ha_monitor.sim.network import Network
from ha_monitor.sim.order import check_start_order, check_stop_order
from ha_monitor.sim.pinging import Pinging
from ha_monitor.sim.sleep import SleepWatch
from ha_monitor.sim.swarm import Window
from ha_monitor.sim.watch import LeaseWatch
from ha_monitor.timebase import MS, SECOND

WALL_NS = 1_700_000_000 * SECOND
STEADY = HostClock(1000 * SECOND, 1.0, 1.0)


class ClusterWorld:
    """Hosts of one configuration, their network, and the checks."""

    def __init__(self, config: ClusterConfig, seed: int = 0, plant: ClusterPlant = SOUND) -> None:
        self.config = config
        self.seed = seed
        self.plant = plant
        self.rng = random.Random(seed)
        self.agenda = Agenda()
        self.network = Network(self.agenda, self.rng, self._deliver)
        self.rejected: Counter[str] = Counter()
        self.trace: Callable[[str], None] | None = None
        self.events = 0
        self.counts: Counter[str] = Counter()  # what was played: takeovers, fences, ...
        self.counted_again_ns = -3600 * SECOND  # true time: when a woken machine last let go
        self.windows: list[Window] = []  # in which woken machines answered beside others
        self.is_first_start = True
        self.rate = RateCheck(config.timing.interval_ns, len(config.groups))
        self.hosts = [ClusterHost(self, v.index, self._clock()) for v in config.voters]
        self.nodes = [host for host in self.hosts if not host.voter.is_witness]
        self.addresses = addresses_of(config)
        self.leases = LeaseWatch(self)
        self.fences = FenceCheck()
        self.sleeps = SleepWatch(self)
        self.pinging = Pinging(self)
        if config.quorum is Quorum.PING:
            self.agenda.after(0, self.pinging.ask)
        self._kernel_changes = 0
        self._lease_changes = 0
        self._service_changes = 0

    def _clock(self) -> HostClock:
        return STEADY

    @property
    def now_ns(self) -> int:
        """True time."""
        return self.agenda.now_ns

    def __getitem__(self, name: str) -> ClusterHost:
        return next(host for host in self.hosts if host.name == name)

    def begin(self) -> None:
        """Power on everything for the first time: nobody can have granted anything before."""
        for host in self.hosts:
            host.power_on()
        self.is_first_start = False
        self._probe_services()

    def _probe_services(self) -> None:
        for host in self.nodes:
            if host.is_on and not host.is_frozen:
                host.services.probe_all()
            host.guard.watch()
        self.agenda.after(SECOND // 2, self._probe_services)

    def run(self, length_ns: int) -> None:
        """Let time pass."""
        until_ns = self.agenda.now_ns + length_ns
        while self.agenda.run_one(until_ns):
            self.check()

    # What hosts need

    def _deliver(self, source: int, target: int, link: str, packet: bytes) -> None:
        self.hosts[target].deliver(source, link, packet)

    def send(self, source: int, target: int, link: str, packet: bytes) -> None:
        """A core or a guard sends a packet."""
        self.rate.sent((source, target, link), self.agenda.now_ns)
        self.network.send(source, target, link, packet)

    def wall_ns(self) -> int:
        """The wall clock where nobody has set it."""
        return WALL_NS + self.agenda.now_ns

    def is_calm_since(self, since_ns: int) -> bool:  # noqa: ARG002  a swarm knows
        """Whether surely nothing has gone wrong since then: by hand anything may have."""
        return False

    def draw_delay(self) -> int:
        """How long the guard stands still between two steps."""
        return MS

    def draw_length(self, most_ns: int) -> int:
        """How long something takes that may take so long."""
        return most_ns // 2

    def stumbles(self, process: CoreProcess) -> None:
        """A process may stand still between two instructions."""

    def look(self, process: CoreProcess) -> None:
        """A view was due and may be looked at."""

    def note(self, host: str, text: object) -> None:
        """Tell the trace, if anybody listens."""
        if self.trace is not None:
            self.trace(f"{self.agenda.now_ns / SECOND:10.4f} {host}: {text}")

    def note_action(self, host: ClusterHost, action: ac.Action) -> None:
        """What people would read in the journal, and what the kernel is told."""
        if self.trace is None:
            return
        if isinstance(action, ac.Log):
            self.note(host.name, action.line)
        elif isinstance(action, ac.ReportTransition):
            self.note(host.name, f"TRANSITION {action.cause.value}: {action.sentence}")
        elif isinstance(action, ac.Announce | ac.CloseAddresses | ac.OrderAnswered):
            self.note(host.name, action)

    # Checks

    def check(self) -> None:
        """Safety, after each step of a process and each thing that happens to it.

        Time alone only closes: without anything new in a kernel or in a core there is nothing to look at.
        """
        self.events += 1
        kernels = sum([host.kernel.changes for host in self.nodes])
        if kernels != self._kernel_changes:
            self._kernel_changes = kernels
            check_single_answer(self.leases.without_woken(self.answering()))
        if self.leases.changes != self._lease_changes:
            self._lease_changes = self.leases.changes
            check_single_lease(self.holding())
        services = sum([host.services.changes for host in self.nodes])
        if services != self._service_changes:
            self._service_changes = services
            check_one_writer(self.config, self.nodes)

    def answering(self) -> dict[str, list[str]]:
        """Whose kernels answer for each service address."""
        return {
            name: [host.name for host in self.nodes if host.kernel.answers(name)]
            for _, name in self.addresses
        }

    def holding(self) -> dict[str, list[str]]:
        """Whose cores hold an unexpired Lease by their own clocks, those from before a sleep left out."""
        groups = dict.fromkeys(name for host in self.nodes for name in self.leases.held_by(host))
        return {group: self.leases.holders(group) for group in groups}

    def stepped(self, process: CoreProcess, actions: Sequence[ac.Action]) -> None:
        """After a step of a core."""
        self.fences.stepped(process)
        self.leases.stepped(process, actions)
        self.watch_leases(process)
        self.check_decided(process.host, actions)

    def watch_leases(self, process: CoreProcess) -> None:
        """A story looks here."""

    def check_decided(self, host: ClusterHost, actions: Iterable[ac.Action]) -> None:
        """What an action orders is allowed by the Lease, at the time of deciding."""
        self.leases.check_decided(host, actions)

    def check_order(self, host: ClusterHost, action: ac.StartResource) -> None:
        """What runs on the Owner alone starts after everything left of it."""
        check_start_order(host, action)

    def check_stop_order(self, host: ClusterHost, action: ac.StopResource) -> None:
        """What is stopped stops after everything right of it."""
        check_stop_order(host, action)

    def check_transition(self, host: ClusterHost, action: ac.ReportTransition) -> None:
        """Who is told to be the new Owner holds the Lease under that Epoch."""
        self.leases.check_transition(host, action)

    def check_everyone_served(self) -> None:
        """Liveness: each address is answered by exactly one host, each group held by exactly one."""
        configured = {name for _, name in addresses_of(self.config)}
        check_owner_everywhere({a: hosts for a, hosts in self.answering().items() if a in configured})
        check_owner_everywhere({g.name: self.leases.holders(g.name) for g in self.config.groups})

    def heal(self) -> None:
        """Everything is on, connected, awake and willing again."""
        self.network.cut.clear()
        for host in self.hosts:
            host.is_tmpfs_full = False
            host.thaw()
            host.start_worker()
            if host.process is not None:
                host.process.wake()
            elif not host.is_on:
                host.power_on()
            else:
                host.start_daemon()


def addresses_of(config: ClusterConfig) -> list[tuple[str, str]]:
    """Every service address: its group and its name."""
    return [(group.name, resource.name) for group in config.groups for resource in group.addresses]
