"""The world of a story: the simulated cluster in calm weather, driven by hand, with an outsider who notes.

What is noted: whose kernel answers for a group's addresses, what runs where, every transition, answers to
orders, what voters think of each other and of their Links, and the journals' lines that say more than that.
"""

from __future__ import annotations

import functools
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.messages import Heartbeat
from ha_monitor.model import REPORTER, Ballot, Cause, ClusterConfig, GroupState, LinkState, NodeState
from ha_monitor.sim.agenda import HostClock
from ha_monitor.sim.cluster_host import ClusterHost
from ha_monitor.sim.cluster_world import STEADY, ClusterWorld
from ha_monitor.sim.core_process import CoreProcess
from ha_monitor.sim.guard import Guard
from ha_monitor.sim.network import Network, Weather
from ha_monitor.sim.story_cast import Cast
from ha_monitor.sim.story_fencing import DeviceScript, StoryFencer
from ha_monitor.sim.story_services import StoryServices
from ha_monitor.sim.story_telling import Teller
from ha_monitor.timebase import MS

WIRE_NS = MS // 5  # one way, always the same
CALM = Weather(delay_ns=(WIRE_NS, WIRE_NS))
RECORDED_MAX = 20_000
LOOK_AGAIN_NS = 10 * MS
LASTING_BEATS = 1.5  # what is shorter is only how two ends learn of each other
# Told in other words already, or of no interest to anybody outside.
UNTOLD = re.compile(
    r"^((node|witness|resource) \S+: [A-Z]+ -> |heartbeat of |group \S+: (switch to|taking up) )"
)
UNWELL = (GroupState.BLOCKED, GroupState.DEGRADED, GroupState.FAILED)


@dataclass(frozen=True)
class Packet:
    """What somebody with a recorder has kept: a Heartbeat and its sealed bytes."""

    heartbeat: Heartbeat
    source: int
    target: int
    link: str
    sealed: bytes


class StoryNetwork(Network):
    """Each Link has its own weather."""

    def __init__(self, world: StoryWorld) -> None:
        super().__init__(world.agenda, world.rng, world.carry)
        self.by_link: dict[str, Weather] = {}

    def send(self, source: int, target: int, link: str, packet: bytes) -> None:
        """Carry one packet by the weather of its Link."""
        self.weather = self.by_link.get(link, CALM)
        super().send(source, target, link, packet)

    def change(self, links: tuple[str, ...], **weather: object) -> None:
        """Make the weather of these Links worse."""
        for link in links:
            self.by_link[link] = replace(self.by_link.get(link, CALM), **weather)  # type: ignore[arg-type]

    def heal(self) -> None:
        """Nothing is cut, lost, doubled or late any more."""
        self.cut.clear()
        self.by_link.clear()


class StoryWorld(ClusterWorld):
    """A cluster, settled unless it is cold."""

    def __init__(self, cast: Cast) -> None:
        config = cast.config()
        self._tells_only_groups = cast.tells_only_groups
        self._clocks = self._clocks_of(cast, config)
        self.teller = Teller([voter.name for voter in config.voters])
        self.epoch_numbers: dict[tuple[str, Ballot], int] = {}
        self.recorded: deque[Packet] = deque(maxlen=RECORDED_MAX)
        self.orders: list[tuple[int, bool, str]] = []  # answered: id, whether done, reason
        self.causes: dict[str, str] = {}  # of each group's last transition
        self.silent_since_ns: dict[str, int] = {}  # groups that nobody answers for now
        self.gaps_ns: dict[str, int] = {}  # the longest of this block
        self.stirred: set[str] = set()  # groups whose addresses changed hosts in this block
        self._sending: Heartbeat | None = None
        self._goodbyes: dict[tuple[int, int, str], Heartbeat] = {}
        self._answered: dict[str, tuple[tuple[str, ...], ...]] = {}
        self._is_looking = False
        self._is_at_hand = False  # a command is being carried out: what it does itself is not news
        self._known: dict[tuple[str, ...], object] = {}
        self._link_changes: dict[tuple[str, str, str], tuple[int, LinkState]] = {}
        super().__init__(config, cast.seed, cast.plant)
        self.network: StoryNetwork = StoryNetwork(self)
        self._devices: dict[str, DeviceScript] = {}
        for host in self.hosts:
            note = functools.partial(self.note, host.name)
            host.fencer = StoryFencer(self, host)
            host.services = StoryServices(config, self.agenda, self.rng, host.order, note, host.later)
        self._settle(cast)

    def _settle(self, cast: Cast) -> None:
        timing = self.config.timing
        if cast.is_cold:
            self.is_first_start = False
            for host in self.nodes:
                host.services.power_off()
            self._probe_services()
        else:
            self.begin()
            # Happenings fall into the middle between two beats; an exclusive group is proved ended first.
            proof_ns = self.config.longest_hold_ns - timing.lease_ns
            self.run(2 * timing.lease_ns + proof_ns + timing.interval_ns // 2)
        self._compare()
        self.begin_block()

    def _clocks_of(self, cast: Cast, config: ClusterConfig) -> Iterator[HostClock]:
        return iter([cast.clocks.get(voter.name, STEADY) for voter in config.voters])

    def _clock(self) -> HostClock:
        return next(self._clocks)

    def begin_block(self) -> None:
        """Time in the trace counts from here."""
        self.teller.begin(self.agenda.now_ns)
        self.stirred.clear()
        self.gaps_ns.clear()

    def by_hand(self, do: object, *values: object) -> None:
        """Carry out one command; what starts by it is not noted as news."""
        assert callable(do), "a command"
        self._is_at_hand = True
        try:
            do(self, *values)
        finally:
            self._is_at_hand = False
        self._compare()

    # Noting

    def tell(self, by: str, text: str, at_ns: int | None = None) -> None:
        """Note something, now if nothing else is said."""
        self.teller.tell(self.agenda.now_ns if at_ns is None else at_ns, by, text)

    def note(self, host: str, text: object) -> None:
        """What the world around a core says."""
        super().note(host, text)
        if not self._is_at_hand and not str(text).startswith("core exits"):
            self.tell(host, str(text))

    def note_action(self, host: ClusterHost, action: ac.Action) -> None:
        """What the core wants done: transitions, answers to operators, the journal."""
        super().note_action(host, action)
        if isinstance(action, ac.SendHeartbeat):
            self._sending = action.heartbeat
        elif isinstance(action, ac.PrepareGoodbye):
            self._goodbyes.update({(h.sender, h.receiver, h.link): h for h in action.heartbeats})
        elif isinstance(action, ac.ReportTransition):
            moved = f"{action.node_from or 'nobody'} -> {action.node_to or 'nobody'}"
            self.causes[action.group] = action.cause.value
            self.tell(action.group, f"{moved} ({action.cause.value}, {action.kind.value})")
        elif isinstance(action, ac.OrderAnswered):
            self.orders.append((action.order_id, action.is_done, action.reason))
            self.tell(host.name, f"order {'done' if action.is_done else 'refused'}: {action.reason}")
        elif isinstance(action, ac.Log) and not UNTOLD.match(action.line):
            self.tell(host.name, action.line)

    def check(self) -> None:
        """Safety, and who answers now."""
        super().check()
        self._compare()

    def _compare(self) -> None:
        answering = self.answering()
        for group in self.config.groups:
            now = tuple(tuple(answering[r.name]) for r in group.addresses)
            if now and now != self._answered.get(group.name):
                self._tell_answers(group.name, [r.name for r in group.addresses], now)
                self._answered[group.name] = now
        if any(answering.values()):
            self._look_later()

    def _tell_answers(self, group: str, names: list[str], now: tuple[tuple[str, ...], ...]) -> None:
        self.stirred.add(group)
        before = self._answered.get(group, ((),) * len(now))
        if len(set(now)) == 1:
            self.tell(group, f"{_who(now[0])} answers")
        else:
            for name, was, hosts in zip(names, before, now, strict=True):
                if was != hosts:
                    self.tell(group, f"{_who(hosts)} answers for {name.partition('/')[0]}")
        if not any(now):
            self.silent_since_ns[group] = self.agenda.now_ns
        elif group in self.silent_since_ns:
            since_ns = self.silent_since_ns.pop(group)
            self.gaps_ns[group] = max(self.gaps_ns.get(group, 0), self.agenda.now_ns - since_ns)

    def _look_later(self) -> None:
        """The kernel closes by itself, without a step of anybody: look when it should have."""
        if self._is_looking:
            return
        ends = [host.kernel.answers_until_ns(name) for host in self.nodes for _, name in self.addresses]
        open_ends = [end for end in ends if end > self.agenda.now_ns]
        self._is_looking = True
        self.agenda.at(max(min(open_ends, default=0), self.agenda.now_ns + LOOK_AGAIN_NS), self._look)

    def _look(self) -> None:
        self._is_looking = False
        self._compare()

    def watch_leases(self, process: CoreProcess) -> None:
        """After each step of a core: what it thinks of others now."""
        super().watch_leases(process)
        self._number_epochs()
        host, now_ns = process.host.name, process.now_ns()
        self._news((host, "abstains"), process.core.situation.seat.is_abstaining(now_ns), False)
        for peer in process.core.situation.peers.values():
            if peer.state is not NodeState.JOINING:
                self._news((host, "node", peer.voter.name), peer.state, None)
            for watch in peer.links.values():
                is_here = peer.state in (NodeState.ONLINE, NodeState.STANDBY)
                self._note_link((host, peer.voter.name, watch.link), watch.state(now_ns), is_here)
        for name, tenure in process.core.tenures.items():
            if name != REPORTER:
                state = tenure.runner.state
                self._news((host, "group", name), state if state in UNWELL else None, None)

    def _number_epochs(self) -> None:
        for (_, group), ballot in self.leases.epochs_held.items():
            if (group, ballot) not in self.epoch_numbers:
                count = sum(1 for name, _ in self.epoch_numbers if name == group)
                self.epoch_numbers[group, ballot] = count + 1

    def _news(self, key: tuple[str, ...], value: object, usual: object) -> None:
        before = self._known.get(key, usual)
        if value == before:
            return
        self._known[key] = value
        match key, value:
            case (_, "abstains" | "node", *_), _ if self._tells_only_groups:
                pass
            case (host, "abstains"), is_abstaining:
                self.tell(host, "abstaining" if is_abstaining else "voting again")
            case (host, "node", name), NodeState() as state:
                self.tell(host, f"{name} is {state.value}")
            case (host, "group", name), GroupState() as state:
                self.tell(host, f"{name} is {state.value} here")
            case (host, "group", name), None:
                assert isinstance(before, GroupState), "it was told before"
                self.tell(host, f"{name} is no longer {before.value} here")

    def _note_link(self, key: tuple[str, str, str], state: LinkState, is_here: bool) -> None:
        """A change of a Link is told when it has lasted for a while, and only of a voter that is heard."""
        told = self._known.get((*key, "link"), LinkState.UP)
        state = LinkState.UP if state is LinkState.LATE else state
        if state in (told, LinkState.UNKNOWN) or not is_here or self._tells_only_groups:
            self._link_changes.pop(key, None)
            return
        since_ns, pending = self._link_changes.get(key, (0, None))
        if pending is not state:
            self._link_changes[key] = (self.agenda.now_ns, state)
        elif self.agenda.now_ns - since_ns > LASTING_BEATS * self.config.timing.interval_ns:
            host, peer, link = key
            pair = "-".join(sorted((host, peer), key=lambda n: self[n].index))
            self._known[(*key, "link")] = state
            self.tell(host, f"Link {link} {pair} is {state.value}", since_ns)

    # Packets

    def send(self, source: int, target: int, link: str, packet: bytes) -> None:
        """A core or a guard sends a packet; somebody records it."""
        is_guard = self.hosts[source].process is None  # it speaks only for a core that is dead
        heartbeat = self._goodbyes.get((source, target, link)) if is_guard else self._sending
        if heartbeat is not None:
            self.recorded.append(Packet(heartbeat, source, target, link, packet))
        super().send(source, target, link, packet)

    def carry(self, source: int, target: int, link: str, packet: bytes) -> None:
        """What the network does at a packet's arrival."""
        self._deliver(source, target, link, packet)

    # What verbs need

    def separate(self, one: str, other: str, links: tuple[str, ...]) -> None:
        """Neither hears the other on these Links."""
        self.mute(one, other, links)
        self.mute(other, one, links)

    def mute(self, source: str, target: str, links: tuple[str, ...]) -> None:
        """``target`` does not hear ``source`` on these Links."""
        ends = (self[source].index, self[target].index)
        self.network.cut |= {(*ends, link) for link in links}

    def kill_guard(self, host: ClusterHost) -> None:
        """The guard alone: nobody is left to say a goodbye; the core notes it, hands over and ends."""
        host.guard = Guard(host)
        host.order(ev.StopOrdered(True, Cause.DAEMON_DIED.value))

    def links(self) -> tuple[str, ...]:
        """All Links, in the order of the configuration."""
        return tuple(dict.fromkeys(link for voter in self.config.voters for link in voter.addresses))

    def device(self, name: str) -> DeviceScript:
        """What that fence device does, whoever asks it."""
        return self._devices.setdefault(name, DeviceScript())

    def services_of(self, name: str) -> StoryServices:
        """What runs on that host."""
        services = self[name].services
        assert isinstance(services, StoryServices), "hosts of a story have these"
        return services

    def set_carrier(self, host: ClusterHost, link: str, has_carrier: bool) -> None:
        """The device of a Link, which bears the service addresses if it is the first, loses or regains it."""
        resources = tuple(name for _, name in self.addresses) if link == self.links()[0] else ()
        host.order(ev.CarrierChanged(link, resources, has_carrier))

    def gap_ns(self, group: str) -> int:
        """The longest time in this block that nobody answered for the group; it may have begun before."""
        since_ns = self.silent_since_ns.get(group)
        open_ns = self.agenda.now_ns - since_ns if since_ns is not None else 0
        return max(self.gaps_ns.get(group, 0), open_ns)

    def next_order(self) -> int:
        """An order's number."""
        self._orders_given += 1
        return self._orders_given

    _orders_given = 0


def _who(hosts: tuple[str, ...]) -> str:
    return " and ".join(hosts) or "nobody"
