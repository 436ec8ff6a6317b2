"""The whole cluster in memory: the real core and the real wire on simulated hosts, networks and agents.

A story drives it by hand in calm weather; a swarm lets one seed choose weather and faults. Safety is checked
after each step of each process; then all heals; then every group must have its Owner.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable

from ha_monitor.core import actions as ac
from ha_monitor.core.leases import Phase
from ha_monitor.model import Ballot, ClusterConfig, Resource, ResourceKind, ResourceState, Run
from ha_monitor.sim.agenda import Agenda, HostClock
from ha_monitor.sim.checks import (
    EpochCheck,
    RateCheck,
    SafetyBroken,
    check_owner_everywhere,
    check_single_answer,
    check_single_lease,
)
from ha_monitor.sim.cluster_host import ClusterHost
from ha_monitor.sim.cluster_plants import SOUND, ClusterPlant
from ha_monitor.sim.core_process import CoreProcess
from ha_monitor.sim.network import Network
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
        self.stall = 0.0  # chance of standing still between two steps
        self.is_first_start = True
        self.epochs = EpochCheck()
        self.rate = RateCheck(config.timing.interval_ns)
        self._epochs_held: dict[tuple[str, str], Ballot] = {}
        self.hosts = [ClusterHost(self, v.index, self._clock()) for v in config.voters]
        self.nodes = [host for host in self.hosts if not host.voter.is_witness]
        self.addresses = [
            (group.name, resource.name) for group in config.groups for resource in group.addresses
        ]

    def _clock(self) -> HostClock:
        return STEADY

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
            if host.is_on:
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
        """The wall clock, the same on every host."""
        return WALL_NS + self.agenda.now_ns

    def draw_delay(self) -> int:
        """How long the guard stands still between two steps."""
        return MS

    def draws_stall(self, process: CoreProcess) -> None:
        """A process may stand still between two instructions."""

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
        """Safety, after each step of a process and each thing that happens to it."""
        self.events += 1
        check_single_answer(self.answering())
        check_single_lease(self.holding())

    def answering(self) -> dict[str, list[str]]:
        """Whose kernels answer for each service address."""
        return {
            name: [host.name for host in self.nodes if host.kernel.answers(name)]
            for _, name in self.addresses
        }

    def holding(self) -> dict[str, list[str]]:
        """Whose cores hold an unexpired Lease by their own clocks."""
        return {
            group.name: [host.name for host in self.nodes if self._holds(host, group.name)]
            for group in self.config.groups
        }

    def _holds(self, host: ClusterHost, group: str) -> bool:
        if host.process is None or host.process.core.is_stopped:
            return False
        seeker = host.process.core.tenures[group].seeker
        return seeker.phase is Phase.HELD and seeker.end_ns > host.process.now_ns()

    def watch_leases(self, process: CoreProcess) -> None:
        """After a step: a ballot that was not held before is a new Epoch."""
        for name, tenure in process.core.tenures.items():
            key = (process.host.name, name)
            ballot = tenure.seeker.ballot
            if tenure.seeker.phase is Phase.HELD and self._epochs_held.get(key) != ballot:
                self._epochs_held[key] = ballot
                self.epochs.won(name, ballot)

    def check_decided(self, host: ClusterHost, actions: Iterable[ac.Action]) -> None:
        """What runs on the Owner alone is ordered to start only under the Lease, at the time of deciding.

        A process that stands still before it passes the order on starts a service late: the promise covers
        what is reached through the address, and no more.
        """
        starts = (action for action in actions if isinstance(action, ac.StartResource))
        for start in starts:
            if self._spec(start).run is Run.OWNER and not self._holds(host, start.group):
                raise SafetyBroken(f"{host.name} starts {start.resource} without its group's Lease")

    def _spec(self, action: ac.StartResource) -> Resource:
        return next(r for r in self.config.group(action.group).resources if r.name == action.resource)

    def check_order(self, host: ClusterHost, action: ac.StartResource) -> None:
        """What runs on the Owner alone starts after everything left of it."""
        group = self.config.group(action.group)
        if self._spec(action).run is Run.EVERYWHERE:
            return
        names = [resource.name for resource in group.resources]
        for earlier in group.resources[: names.index(action.resource)]:
            if earlier.kind is ResourceKind.VIP:
                is_up = host.kernel.is_activated(earlier.name)
            else:
                is_up = host.services.states[earlier.name] is ResourceState.RUNNING
            if not is_up:
                raise SafetyBroken(f"{host.name} starts {action.resource} before {earlier.name} is up")

    def check_everyone_served(self) -> None:
        """Liveness: each address is answered by exactly one host."""
        check_owner_everywhere(self.answering())

    def heal(self) -> None:
        """Everything is on, connected, awake and willing again."""
        self.network.cut.clear()
        for host in self.hosts:
            host.is_tmpfs_full = False
            if host.process is not None:
                host.process.wake()
            elif not host.is_on:
                host.power_on()
            else:
                host.start_daemon()
