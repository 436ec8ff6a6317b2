"""The kernel's side of a group's service addresses, in one place, for the core's loop.

SKELETON of the interface, bodies follow. Mechanism only: it decides nothing about when. Every call
is synchronous, takes microseconds, never forks and never waits for the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ha_monitor.model import Address, Interface, Protection


@dataclass(frozen=True)
class ServiceAddress:
    """One configured service address. ``device`` empty: the device whose network holds it."""

    interface: Interface
    device: str = ""


@dataclass(frozen=True)
class CarrierChanged:
    """The device's carrier came or went (also when it was set down)."""

    device: str
    is_up: bool


@dataclass(frozen=True)
class AddressVanished:
    """A service address that we had put there was removed behind our back: call ``repair``."""

    address: Address


@dataclass(frozen=True)
class RulesRepaired:
    """Somebody removed or changed our rules; they are back, and every address is closed until
    the next ``activate``. ``by`` names the program that did it, if known."""

    by: str


@dataclass(frozen=True)
class CompetingClaim:
    """Another MAC announced one of our service addresses: ``announce`` again if it is open here."""

    address: Address
    mac: str
    device: str


@dataclass(frozen=True)
class DuplicateProbed:
    """A probe has ended. ``mac`` of the stranger that answered, or empty."""

    address: Address
    mac: str


NetEvent = CarrierChanged | AddressVanished | RulesRepaired | CompetingClaim | DuplicateProbed


class ServiceAddresses:
    """Devices, kernel Lease, announcements, probes of all configured service addresses.

    Times are ns of the Lease clock. Raises NetlinkError where the kernel refuses.
    """

    def __init__(self, cluster_name: str, addresses: Iterable[ServiceAddress], valid_ns: int) -> None:
        """Open all sockets. ``valid_ns``: how long an address outlives the last ``tick``."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Put the rules in place, closed; what a former life of this daemon left open stays open."""
        raise NotImplementedError

    def protection(self) -> Protection:
        """KERNEL_LEASE if the rules stand, USER_SPACE_LEASE if this kernel has no nftables."""
        raise NotImplementedError

    def filenos(self) -> tuple[int, ...]:
        """What to select on for reading; then call ``read``."""
        raise NotImplementedError

    def read(self, at_ns: int) -> tuple[NetEvent, ...]:
        """Take what the sockets hold (bounded), repair the rules if needed, tell what happened."""
        raise NotImplementedError

    def next_deadline_ns(self) -> int | None:
        """When ``tick`` has something to do; None: nothing planned."""
        raise NotImplementedError

    def tick(self, at_ns: int) -> tuple[NetEvent, ...]:
        """Send the announcements and probes that are due, refresh valid_lft when half is gone."""
        raise NotImplementedError

    def arm(self, sending: int, timeout_ns: int) -> None:
        """Put ``sending`` in the window, acknowledged by the kernel. ``sending`` must rise."""
        raise NotImplementedError

    def step(self, activate: Mapping[Address, int], arm: tuple[int, int] | None = None) -> None:
        """Activate the last sending and arm the next, (sending, timeout_ns), in one transaction."""
        raise NotImplementedError

    def add_closed(self, addresses: Iterable[Address]) -> None:
        """Put them on their devices, closed. Idempotent; does not close an open one."""
        raise NotImplementedError

    def activate(self, addresses: Iterable[Address], sending: int) -> None:
        """Let them pass as long as ``sending`` stands in the window."""
        raise NotImplementedError

    def announce(self, addresses: Iterable[Address], at_ns: int) -> None:
        """Announce now, then on the schedule (at ``tick``). Begins anew if it runs."""
        raise NotImplementedError

    def close(self, addresses: Iterable[Address]) -> None:
        """Close in the kernel, end announcements, remove from the devices. Idempotent."""
        raise NotImplementedError

    def repair(self, address: Address) -> None:
        """Put a vanished address back; open or closed as the kernel's Lease says."""
        raise NotImplementedError

    def probe(self, addresses: Iterable[Address], at_ns: int, ignored: Iterable[str] = ()) -> None:
        """Ask the network for 10 ms whether a stranger has them: DuplicateProbed for each later.

        MACs of the cluster's Nodes are ignored: those in ``ignored`` and ``node_macs()``.
        """
        raise NotImplementedError

    def learn_node_macs(self, node_addresses: Iterable[Address]) -> None:
        """Read the MACs of these Nodes from the kernel's neighbour table; remembered, bounded."""
        raise NotImplementedError

    def present(self) -> Mapping[Address, str]:
        """The service addresses that stand on a device of this host now, with that device."""
        raise NotImplementedError

    def device_of(self, address: Address) -> str | None:
        """The device that bears, or would bear, the address; None: no device has its network."""
        raise NotImplementedError

    def shutdown(self) -> None:
        """Close the sockets; rules and addresses stay as they are (a restart adopts them)."""
        raise NotImplementedError

    def uninstall(self) -> None:
        """Remove all service addresses and all our rules."""
        raise NotImplementedError
