"""The core's dealings with the kernel about service addresses: its words in, its events out.

A thin layer over `net`: names become addresses, refusals become answers, what the kernel tells on its own
becomes events. A kernel that cannot be read, for want of memory, is asked again; meanwhile, and for a while
after, the protection counts as lower: nobody would see that the rules are gone.
The Witness has no service addresses and uses `no_kernel.NoKernel`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from ha_monitor.core import events as ev
from ha_monitor.errors import NetlinkError
from ha_monitor.model import ClusterConfig, Protection, Voter
from ha_monitor.net import service_address as net
from ha_monitor.net.monitor import CarrierChanged
from ha_monitor.runtime.net_names import AddressNames
from ha_monitor.timebase import MS, SECOND

REPAIR_SHOWN_NS = 10 * SECOND  # how long the protection counts as lower after somebody removed our rules
AGAIN_NS = 50 * MS  # until a kernel that could not be read is asked again
MACS_EVERY_NS = 10 * SECOND
LOOK_EVERY_NS = 250 * MS
LOOK_AT = 4  # addresses in one look: each costs the kernel a list of the host's addresses


class Kernel(Protocol):
    """What `effects` and `loop` need of the kernel's side."""

    announced: dict[str, int]

    @property
    def user_lease_ends_ns(self) -> int: ...  # noqa: D102
    def filenos(self) -> Sequence[int]: ...  # noqa: D102
    def next_deadline_ns(self) -> int | None: ...  # noqa: D102
    def read(self, at_ns: int) -> list[ev.Event]: ...  # noqa: D102
    def tick(self, at_ns: int) -> list[ev.Event]: ...  # noqa: D102
    def arm(self, group: str, sending: int, timeout_ns: int) -> bool: ...  # noqa: D102
    def add(self, group: str) -> str: ...  # noqa: D102
    def activate(self, resources: Sequence[str], sending: int) -> str: ...  # noqa: D102
    def announce(self, resources: Sequence[str], at_ns: int) -> None: ...  # noqa: D102
    def close(self, resources: Sequence[str]) -> bool: ...  # noqa: D102
    def repair(self, resource: str) -> str: ...  # noqa: D102
    def probe(self, resources: Sequence[str], at_ns: int) -> list[ev.Event]: ...  # noqa: D102
    def device(self, resource: str) -> str: ...  # noqa: D102
    def present(self) -> frozenset[str]: ...  # noqa: D102
    def shutdown(self) -> None: ...  # noqa: D102


class ServiceKernel:
    """A Node's service addresses. ``clock``: the Lease clock."""

    def __init__(
        self, config: ClusterConfig, me: Voter, addresses: net.ServiceAddresses, clock: Callable[[], int]
    ) -> None:
        self._names = AddressNames(config)
        self._me = me
        self._peers = [a for v in config.nodes if v.index != me.index for a in v.addresses.values()]
        self._net = addresses
        self._clock = clock
        self._level = (Protection.BEST_EFFORT, "not judged yet")
        self._lost: set[str] = set()  # service addresses whose device has no carrier, or that have none
        self._round = deque(self._names.all_resources())
        self._look_ns = 0
        self._repaired_ns = 0
        self._repaired_by = ""
        self._missing = ""
        self._untold: deque[net.NetEvent] = deque()  # what `net` told, and the core not yet
        self._again_ns = 0  # when a kernel that could not be read is asked again; 0: it could
        self._unread_ns = 0
        self._unread = ""  # what it was asked, and what came back
        self._macs_ns = 0
        self.announced: dict[str, int] = {}
        self._user_ends: dict[str, int] = {}  # without the kernel's Lease: by address, when it must be gone
        self._armed: dict[int, int] = {}

    def prepare(self) -> list[ev.Event]:
        """Put the rules in place; what is enforced from now on."""
        now = self._clock()
        try:
            self._net.prepare()
        except NetlinkError as error:
            self._missing = str(error)
        return self._judge(now)

    # --- what happens

    def filenos(self) -> Sequence[int]:
        """What to select on; nothing until the kernel is asked again."""
        return () if self._again_ns else self._net.filenos()

    def next_deadline_ns(self) -> int | None:
        """When `tick` has something to do."""
        if self._again_ns:
            return self._again_ns
        planned = self._net.next_deadline_ns()
        return self._look_ns if planned is None else min(planned, self._look_ns)

    def read(self, at_ns: int) -> list[ev.Event]:
        """What the kernel tells on its own."""
        return self._as_far_as_told(self._heard(self._net.read, at_ns), at_ns) + self._judge(at_ns)

    def tick(self, at_ns: int) -> list[ev.Event]:
        """Announcements and probes that are due; and now and then a look at what stands."""
        return self._as_far_as_told(self._due(at_ns), at_ns) + self._judge(at_ns)

    def _due(self, at_ns: int) -> Iterator[ev.Event]:
        if self._again_ns:
            yield from self._heard(self._net.read, at_ns)
        yield from self._heard(self._net.tick, at_ns)
        if at_ns >= self._look_ns:
            self._look_ns = at_ns + LOOK_EVERY_NS
            yield from self._look_for_carrier()
        if at_ns >= self._macs_ns:
            self._macs_ns = at_ns + MACS_EVERY_NS
            self._try(lambda: self._net.learn_node_macs(self._peers))

    def _heard(self, ask: Callable[[int], Iterable[net.NetEvent]], at_ns: int) -> Iterator[ev.Event]:
        """What `net` tells, after what it told before a refusal."""
        if not self._untold:
            self._untold.extend(ask(at_ns))
        while self._untold:
            yield from self._events_of(self._untold[0], at_ns)
            self._untold.popleft()

    def _as_far_as_told(self, events: Iterator[ev.Event], at_ns: int) -> list[ev.Event]:
        """Up to the first refusal; the rest comes when the kernel is asked again."""
        told: list[ev.Event] = []
        try:
            for event in events:
                told.append(event)
        except NetlinkError as error:
            if not self._is_unread(at_ns):  # else the log would get a line for each reason
                self._unread = str(error)
            self._unread_ns, self._again_ns = at_ns, at_ns + AGAIN_NS
        else:
            self._again_ns = 0
        return told

    def _events_of(self, one: net.NetEvent, at_ns: int) -> list[ev.Event]:
        if isinstance(one, CarrierChanged):
            return self._carrier(one.device, one.is_up)
        if isinstance(one, net.RulesRepaired):
            self._repaired_ns, self._repaired_by, self._missing = at_ns, one.by, ""
            return []
        name = self._names.resource(one.address)
        if not name:
            return []
        if isinstance(one, net.AddressVanished):
            return [ev.AddressRemoved(name)]
        if isinstance(one, net.CompetingClaim):
            # A Node that announces late what it had once is answered by `net`; it is no stranger's claim.
            return [] if one.is_node else [ev.CompetingClaimHeard(name, one.mac)]
        return [ev.DuplicateProbed(self._names.group_of(name), name, one.mac)]

    def _carrier(self, device: str, is_up: bool) -> list[ev.Event]:
        names = [name for name in self._names.all_resources() if self._bearer(name) == device]
        changed = tuple(name for name in names if (name in self._lost) is is_up)
        links = [link for link, own in self._me.addresses.items() if self._net.device_of(own) == device]
        if not changed and not links:
            return []
        self._note_carrier(changed, is_up)
        return [ev.CarrierChanged(links[0] if links else "", changed, is_up)]

    def _look_for_carrier(self) -> Iterator[ev.Event]:
        """What no event tells: no carrier at start, a network that went with its device, and came again."""
        for _ in range(min(LOOK_AT, len(self._round))):
            name = self._round[0]
            self._round.rotate(-1)
            (address,) = self._names.addresses([name])
            has_carrier = self._net.has_carrier(address)
            if has_carrier is (name in self._lost):
                self._note_carrier((name,), has_carrier)
                yield ev.CarrierChanged("", (name,), has_carrier)

    def _note_carrier(self, names: tuple[str, ...], has_carrier: bool) -> None:
        if has_carrier:
            self._lost.difference_update(names)
        else:
            self._lost.update(names)

    def _judge(self, at_ns: int) -> list[ev.Event]:
        level, detail = self._net.protection(), ""
        if level is Protection.USER_SPACE_LEASE:
            why = self._missing or "this kernel has no usable nftables"
            detail = f"{why}: the guard removes addresses at the Lease's end"
        if self._repaired_ns and at_ns - self._repaired_ns < REPAIR_SHOWN_NS:
            level = Protection.USER_SPACE_LEASE
            detail = f"rules were removed by {self._repaired_by or 'somebody'} and put back"
        if self._is_unread(at_ns):
            level = Protection.USER_SPACE_LEASE
            detail = f"the kernel could not be read, nobody would see rules removed: {self._unread}"
        if (level, detail) == self._level:
            return []
        self._level = (level, detail)
        return [ev.ProtectionChanged(int(level), detail)]

    def _is_unread(self, at_ns: int) -> bool:
        """Or was not within the last seconds."""
        return bool(self._unread) and at_ns - self._unread_ns < REPAIR_SHOWN_NS

    # --- what the core wants

    def arm(self, group: str, sending: int, timeout_ns: int) -> bool:
        """Whether the kernel acknowledged the sending number."""
        if not self._names.resources(group):
            return True
        try:
            self._net.arm(sending, timeout_ns)
        except NetlinkError:
            return False
        if self._level[0] is not Protection.KERNEL_LEASE:
            self._armed = {s: end for s, end in self._armed.items() if end > self._clock()}
            self._armed[sending] = self._clock() + timeout_ns
        return True

    def add(self, group: str) -> str:
        """Put the group's addresses on their devices, closed; why not, or empty."""
        addresses = self._names.addresses(self._names.resources(group))
        return self._try(lambda: self._net.add_closed(addresses))

    def activate(self, resources: Sequence[str], sending: int) -> str:
        """Let them pass as long as ``sending`` stands; why not, or empty."""
        self._forget_ends(resources)
        if end_ns := self._armed.get(sending, 0):
            self._user_ends.update(dict.fromkeys(resources, end_ns))
        return self._try(lambda: self._net.activate(self._names.addresses(resources), sending))

    def announce(self, resources: Sequence[str], at_ns: int) -> None:
        """Announce now and on schedule."""
        for name in resources:
            self.announced[name] = self.announced.get(name, 0) + 1
        self._try(lambda: self._net.announce(self._names.addresses(resources), at_ns))

    def close(self, resources: Sequence[str]) -> bool:
        """Whether the kernel acknowledged that they are closed and removed."""
        is_closed = not self._try(lambda: self._net.close(self._names.addresses(resources)))
        if is_closed:
            self._forget_ends(resources)
        return is_closed

    @property
    def user_lease_ends_ns(self) -> int:
        """Without the kernel's Lease: when the guard must remove addresses for us; 0 while that does."""
        return min(self._user_ends.values(), default=0)

    def _forget_ends(self, resources: Sequence[str]) -> None:
        for name in resources:
            self._user_ends.pop(name, None)

    def repair(self, resource: str) -> str:
        """Put a vanished address back; why not, or empty."""
        (address,) = self._names.addresses([resource])
        return self._try(lambda: self._net.repair(address))

    def probe(self, resources: Sequence[str], at_ns: int) -> list[ev.Event]:
        """Ask the network; answers come later. Where nothing can be asked nobody answers."""
        # A Node met within the last seconds still announces what it had: that is no stranger.
        self._try(lambda: self._net.learn_node_macs(self._peers))
        if not self._try(lambda: self._net.probe(self._names.addresses(resources), at_ns)):
            return []
        return [ev.DuplicateProbed(self._names.group_of(name), name, "") for name in resources]

    def device(self, resource: str) -> str:
        """Which device bears it, or would; empty if none does, or the kernel could not be asked."""
        try:
            return self._bearer(resource)
        except NetlinkError:
            return ""

    def _bearer(self, resource: str) -> str:
        return next((self._net.device_of(a) or "" for a in self._names.addresses([resource])), "")

    def present(self) -> frozenset[str]:
        """The service addresses that stand on a device of this host."""
        return frozenset(self._names.resource(address) for address in self._net.present()) - {""}

    def shutdown(self) -> None:
        """Close the sockets; rules and addresses stay for the next core."""
        self._net.shutdown()

    @staticmethod
    def _try(work: Callable[[], object]) -> str:
        try:
            work()
        except NetlinkError as error:
            return str(error)
        return ""
