"""The kernel's side of a group's service addresses, in one place, for the core's loop.

Mechanism only: it decides nothing about when. Every call is synchronous, takes microseconds, never
forks and never waits for the network. Order on takeover: ``add_closed``, ``arm``, (granted),
``activate``, ``announce``; ``step`` activates the last sending and arms the next at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ha_monitor.errors import NetlinkError, PrerequisiteError
from ha_monitor.model import Address, Protection
from ha_monitor.net.announce import AnnouncementSchedule, FrameSender
from ha_monitor.net.lease import KernelLease, LeaseFeatures, LeaseState
from ha_monitor.net.monitor import (
    AddressRemoved,
    CarrierChanged,
    DeviceAppeared,
    EventsLost,
    KernelEvent,
    KernelMonitor,
    RulesetChanged,
    for_another_look,
)
from ha_monitor.net.netlink import KernelRefused
from ha_monitor.net.placement import Placement, ServiceAddress
from ha_monitor.net.probe import ClaimListener, DuplicateProbe
from ha_monitor.net.refresher import Refresher
from ha_monitor.net.rtnetlink import RouteSocket, mac_bytes, mac_text

__all__ = [
    "AddressVanished",
    "CarrierChanged",
    "CompetingClaim",
    "DuplicateProbed",
    "NetEvent",
    "RulesRepaired",
    "ServiceAddress",
    "ServiceAddresses",
]

MOST_NODE_MACS = 256


@dataclass(frozen=True)
class AddressVanished:
    """A service address that we had put there was removed behind our back: call ``repair``."""

    address: Address


@dataclass(frozen=True)
class RulesRepaired:
    """Somebody removed or changed our rules. They are back; what was removed with them is closed
    until the next ``activate``. ``by`` names the program that did it, if known."""

    by: str


@dataclass(frozen=True)
class CompetingClaim:
    """Another MAC claims a service address that we announce: ``announce`` it again.

    ``is_node``: the MAC is one that ``learn_node_macs`` knows.
    """

    address: Address
    mac: str
    device: str
    is_node: bool


@dataclass(frozen=True)
class DuplicateProbed:
    """A probe has ended. ``mac`` of the stranger that answered, or empty."""

    address: Address
    mac: str


NetEvent = CarrierChanged | AddressVanished | RulesRepaired | CompetingClaim | DuplicateProbed


class ServiceAddresses:
    """Devices, kernel Lease, announcements, probes of all configured service addresses.

    Times are ns of the Lease clock. Raises NetlinkError where the kernel refuses.
    Where this kernel cannot keep the Lease (``protection`` says so) an address is not added before
    it is activated, and it is up to the core and the guard to ``close`` it at the Lease's end.
    """

    def __init__(self, cluster_name: str, addresses: Iterable[ServiceAddress], valid_ns: int) -> None:
        """Open the netlink sockets. ``valid_ns``: how long an address outlives the last ``tick``.

        Enough to ask, to close and to uninstall; ``prepare`` opens the rest (packet sockets, which
        are slow to close).
        """
        configured = {one.interface.ip: one for one in addresses}
        self._route = RouteSocket()
        self._features: LeaseFeatures | None = None
        self._lease = self._open_lease(cluster_name, configured)
        self._monitor = KernelMonitor(self._lease.port if self._lease else None)
        self._monitor.links.reload(self._route.devices())
        self._refresher = Refresher(RouteSocket())
        self._placement = Placement(self._route, self._monitor.links, configured, valid_ns, self._refresher)
        self._sender = FrameSender()
        self._listener = ClaimListener(configured)
        self._unread: tuple[KernelEvent, ...] = ()  # what is looked at again after a refusal
        self._guarded_devices: tuple[str, ...] = ()
        self._rules_stand = False
        self._announcing: dict[Address, AnnouncementSchedule] = {}
        self._probes: dict[Address, DuplicateProbe] = {}
        self._node_macs: set[bytes] = set()

    def _open_lease(self, cluster_name: str, addresses: Iterable[Address]) -> KernelLease | None:
        try:
            return KernelLease(cluster_name, addresses)
        except KernelRefused as error:
            self._features = LeaseFeatures(False, False, str(error))
            return None

    # What stands here

    def prepare(self) -> None:
        """Put the rules in place, closed; what a former life of this daemon left open stays open.

        Raises NetlinkError; not for a kernel without nftables, see ``protection``.
        """
        self._sender.open()
        self._listener.open()
        if self._lease and not self.features().has_kernel_lease:
            self._lease.shutdown()
            self._lease = None
        if self._lease:
            self._install(self._lease)
        self._placement.adopt()

    def features(self) -> LeaseFeatures:
        """What this kernel can do for the Lease, and why not more. Asked once, about a millisecond."""
        if self._features is None:
            assert self._lease is not None, "no Lease and no reason why"
            self._features = self._lease.features()
        return self._features

    def protection(self) -> Protection:
        """KERNEL_LEASE while the rules stand, else USER_SPACE_LEASE."""
        return Protection.KERNEL_LEASE if self._rules_stand else Protection.USER_SPACE_LEASE

    def state(self) -> LeaseState:
        """What the kernel's Lease holds, read back: for tests and diagnosis, about 0.2 ms."""
        return self._lease.state() if self._lease else LeaseState({}, {})

    def present(self) -> Mapping[Address, str]:
        """The service addresses that stand on a device of this host now, with that device."""
        return self._placement.present()

    def device_of(self, address: Address) -> str | None:
        """The device that bears, or would bear, the address; None: no device has its network.

        Also for an address that is none of the configured, such as a Link's own.
        """
        device = self._placement.device_of(address)
        return None if device is None else device.name

    def has_carrier(self, address: Address) -> bool:
        """Whether the device that bears, or would bear, the address has its carrier."""
        device = self._placement.device_of(address)
        return device is not None and device.has_carrier

    def counters(self) -> Mapping[str, int]:
        """Frames sent, and frames that the kernel did not take."""
        return {"frames_sent": self._sender.sent, "frames_not_sent": self._sender.not_sent}

    # The Lease

    def arm(self, sending: int, timeout_ns: int) -> None:
        """Put ``sending`` in the window, acknowledged by the kernel. ``sending`` must rise."""
        self.step({}, (sending, timeout_ns))

    def activate(self, addresses: Iterable[Address], sending: int) -> None:
        """Let them pass as long as ``sending`` stands in the window."""
        self.step(dict.fromkeys(addresses, sending))

    def step(self, activate: Mapping[Address, int], arm: tuple[int, int] | None = None) -> None:
        """Activate the last sending and arm the next, (sending, timeout_ns), in one transaction.

        Rules that are missing are put back first, closed, and the step is made once more.
        """
        if not self._lease:
            self._placement.put(set(activate) - self._placement.placed)
            return
        try:
            self._lease.step(activate, arm)
        except NetlinkError:
            if self._lease.is_intact():
                raise
            self._install(self._lease)
            self._lease.step(activate, arm)

    def add_closed(self, addresses: Iterable[Address]) -> None:
        """Put them on their devices, closed. Idempotent; does not close an open one.

        Raises NetlinkError if one has no device; the others are added all the same.
        """
        if not self._lease:
            return
        if self._has_new_device():
            self._install(self._lease)
        self._placement.put(addresses)

    def close(self, addresses: Iterable[Address]) -> None:
        """Close in the kernel, end announcements and probes, remove from the devices. Idempotent.

        Raises NetlinkError if one may still stand on a device.
        """
        addresses = tuple(addresses)
        if self._lease:
            # Without its rules an address is silent too once it is removed, which raises if not.
            with contextlib.suppress(NetlinkError):
                self._lease.close(*addresses)
        for address in addresses:
            self._announcing.pop(address, None)
            self._probes.pop(address, None)
        self._placement.remove(addresses)

    def repair(self, address: Address) -> None:
        """Put a vanished address back; open or closed as the kernel's Lease says."""
        self._placement.put((address,))

    # Announcements and probes

    def announce(self, addresses: Iterable[Address], at_ns: int) -> None:
        """Announce now, then on the schedule (at ``tick``). Begins anew if it runs."""
        for address in addresses:
            self._announcing[address] = AnnouncementSchedule(at_ns)
            self._announce_if_due(address, at_ns)

    def probe(self, addresses: Iterable[Address], at_ns: int, ignored: Iterable[str] = ()) -> None:
        """Ask the network for 10 ms whether a stranger has them: DuplicateProbed for each later.

        MACs of the cluster's Nodes are ignored: those in ``ignored`` and those learnt.
        """
        ignore = {mac_bytes(device.mac) for device in self._monitor.links.devices}
        ignore |= {mac_bytes(mac) for mac in ignored} | self._node_macs
        for address in addresses:
            probe = DuplicateProbe(address, at_ns, frozenset(ignore))
            self._probes[address] = probe
            self._send_probe_if_due(probe, at_ns)

    def learn_node_macs(self, node_addresses: Iterable[Address]) -> None:
        """Read the MACs of these Nodes from the kernel's neighbour table; remembered, bounded."""
        neighbours = self._route.neighbours()
        for address in node_addresses:
            if address in neighbours and len(self._node_macs) < MOST_NODE_MACS:
                self._node_macs.add(mac_bytes(neighbours[address]))

    # The loop

    def filenos(self) -> tuple[int, ...]:
        """What to select on for reading; then call ``read``."""
        return (*self._monitor.filenos(), *self._listener.filenos())

    def next_deadline_ns(self) -> int | None:
        """When ``tick`` has something to do; None: nothing planned."""
        due = [schedule.due_ns for schedule in self._announcing.values()]
        due += [probe.due_ns for probe in self._probes.values()]
        refresh = self._placement.next_refresh_ns()
        return min(due if refresh is None else [*due, refresh], default=None)

    def read(self, at_ns: int) -> tuple[NetEvent, ...]:
        """Take what the sockets hold (bounded), repair the rules if needed, tell what happened.

        Raises NetlinkError when the kernel does not tell what stands now: call again, nothing is lost.
        """
        happened = self._unread + self._monitor.drain()
        self._unread = for_another_look(happened)
        if any(isinstance(event, EventsLost) for event in happened):
            happened += self._monitor.links.reload(self._route.devices())
            self._unread = for_another_look(happened)
        if any(not isinstance(event, RulesetChanged) for event in happened):
            self._placement.forget_devices()
        carriers = [event for event in happened if isinstance(event, CarrierChanged)]
        told = (
            *carriers,
            *self._check_addresses(happened),
            *self._check_rules(happened),
            *self._hear(),
            *self._run_probes(at_ns),
        )
        self._unread = ()
        return told

    def tick(self, at_ns: int) -> tuple[NetEvent, ...]:
        """Send the announcements and probes that are due, refresh valid_lft when half is gone."""
        for address in tuple(self._announcing):
            self._announce_if_due(address, at_ns)
        self._placement.refresh(at_ns)
        return self._run_probes(at_ns)

    def shutdown(self) -> None:
        """Close the sockets; rules and addresses stay as they are (a restart adopts them)."""
        for one in (self._monitor, self._listener, self._sender, self._route, self._refresher):
            one.close()
        if self._lease:
            self._lease.shutdown()

    def uninstall(self) -> None:
        """Remove all service addresses, then all our rules."""
        self.close(self._placement.configured)
        if self._lease:
            self._lease.uninstall()
        self._rules_stand = False

    # Helpers, in the order of use

    def _install(self, lease: KernelLease) -> None:
        self._rules_stand = False
        self._guarded_devices = self._placement.bearing_devices()
        lease.install(self._guarded_devices)
        self._rules_stand = True

    def _has_new_device(self) -> bool:
        """Whether an address would be announced where late announcements are not silenced."""
        return not set(self._placement.bearing_devices()) <= set(self._guarded_devices)

    def _announce_if_due(self, address: Address, at_ns: int) -> None:
        schedule = self._announcing[address]
        if at_ns < schedule.due_ns:
            return
        device = self._placement.device_of(address)
        if device is not None and device.is_ethernet:
            self._sender.announce(address, device.name, mac_bytes(device.mac))
        self._announcing[address] = schedule.after_sending(at_ns)

    def _send_probe_if_due(self, probe: DuplicateProbe, at_ns: int) -> None:
        if probe.has_sent_all or at_ns < probe.due_ns:
            return
        device = self._placement.device_of(probe.address)
        if device is not None and device.is_ethernet:
            self._sender.probe(probe.address, device.name, mac_bytes(device.mac))
        probe.sent += 1

    def _run_probes(self, at_ns: int) -> tuple[DuplicateProbed, ...]:
        for probe in self._probes.values():
            self._send_probe_if_due(probe, at_ns)
        over = [probe for probe in self._probes.values() if probe.is_over(at_ns)]
        for probe in over:
            del self._probes[probe.address]
        return tuple(DuplicateProbed(p.address, mac_text(p.answered_by or b"")) for p in over)

    def _check_addresses(self, happened: tuple[KernelEvent, ...]) -> tuple[NetEvent, ...]:
        """Which of ours are really gone; our own removals and re-additions are no news."""
        suspects = self._placement.placed
        if not any(isinstance(event, EventsLost) for event in happened):
            suspects &= {e.address for e in happened if isinstance(e, AddressRemoved)}
        if not suspects:
            return ()
        present = self._placement.present()
        return tuple(AddressVanished(a) for a in sorted(suspects - present.keys(), key=str))

    def _check_rules(self, happened: tuple[KernelEvent, ...]) -> tuple[NetEvent, ...]:
        changed = [e for e in happened if isinstance(e, RulesetChanged)]
        appeared = any(isinstance(e, DeviceAppeared) for e in happened)
        is_suspect = bool(changed) or appeared or any(isinstance(e, EventsLost) for e in happened)
        if not self._lease or not is_suspect:
            return ()
        was_intact = self._lease.is_intact()
        # A hook is lost with its device and, from Linux 6.16 on, with the device's name.
        if was_intact and not (appeared and self._has_new_device()):
            return ()
        try:
            self._install(self._lease)
        except (NetlinkError, PrerequisiteError):
            return ()  # `protection` has dropped; the next `step` tries again
        if was_intact or (appeared and not changed):
            return ()  # no program did it: a hook had gone with its device
        return (RulesRepaired(changed[-1].by if changed else ""),)

    def _hear(self) -> tuple[CompetingClaim, ...]:
        own = {device.mac for device in self._monitor.links.devices}
        competing: dict[Address, CompetingClaim] = {}
        for heard in self._listener.drain():
            address, mac = heard.claim
            if address in self._probes:
                self._probes[address].hear(heard)
            if mac_text(mac) not in own and address in self._announcing:
                is_node = mac in self._node_macs
                competing[address] = CompetingClaim(address, mac_text(mac), heard.device, is_node)
        return tuple(competing.values())
