"""Where service addresses stand: put on their devices, kept alive, removed. For service_address.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ha_monitor.errors import NetlinkError
from ha_monitor.model import Address, Interface
from ha_monitor.net.monitor import LinkTable
from ha_monitor.net.refresher import Refresher
from ha_monitor.net.rtnetlink import Device, HostAddress, RouteSocket, ServiceForm, device_for, service_form
from ha_monitor.timebase import SECOND


@dataclass(frozen=True)
class ServiceAddress:
    """One configured service address. ``device`` empty: the device whose network holds it."""

    interface: Interface
    device: str = ""


@dataclass
class _Placed:
    """An address that we put somewhere, and when it last got its full life (None: just now)."""

    where: HostAddress
    refreshed_ns: int | None = None


class Placement:
    """The addresses of one cluster on this host's devices. Raises NetlinkError."""

    def __init__(
        self,
        route: RouteSocket,
        links: LinkTable,
        configured: Mapping[Address, ServiceAddress],
        valid_ns: int,
        refresher: Refresher,
    ) -> None:
        """``valid_ns``: how long an address stands there after its last refresh."""
        self.configured = configured
        self._route, self._links = route, links
        self._valid_ns = valid_ns
        self._refresher = refresher
        self._placed: dict[Address, _Placed] = {}
        self._would_bear: dict[Address, Device | None] = {}

    @property
    def placed(self) -> set[Address]:
        """The addresses that we put there and did not remove."""
        return set(self._placed)

    def adopt(self) -> None:
        """Count as ours what a former life of this daemon left there, and give it its full life."""
        for own in self._route.addresses():
            if own.interface.ip in self.configured:
                form = ServiceForm(own.interface, own.device_index, self._valid_s)
                self._route.add(form.as_host_address())
                self._placed[own.interface.ip] = _Placed(form.as_host_address())

    def present(self) -> dict[Address, str]:
        """The configured addresses that stand on a device now, with its name."""
        names = {device.index: device.name for device in self._links.devices}
        return {
            own.interface.ip: names.get(own.device_index, "")
            for own in self._route.addresses()
            if own.interface.ip in self.configured
        }

    def device_of(self, address: Address) -> Device | None:
        """The device that bears, or would bear, the address; remembered until `forget_devices`."""
        if (bearing := self._bearing(address)) is not None:
            return bearing
        if address not in self._would_bear:
            self._would_bear[address] = self._device_for(address, self._route.addresses)
        found = self._would_bear[address]
        return None if found is None else self._links.by_index(found.index)

    def forget_devices(self) -> None:
        """Addresses or devices of this host have changed: which one would bear another must be looked up."""
        self._would_bear.clear()

    def _bearing(self, address: Address) -> Device | None:
        placed = self._placed.get(address)
        return None if placed is None else self._links.by_index(placed.where.device_index)

    def _device_for(
        self, address: Address, list_addresses: Callable[[], Iterable[HostAddress]]
    ) -> Device | None:
        wanted = self.configured.get(address)
        if wanted is not None and wanted.device:
            return self._links.by_name(wanted.device)
        index = device_for(address, list_addresses(), self.configured)
        return None if index is None else self._links.by_index(index)

    def bearing_devices(self) -> tuple[str, ...]:
        """Names of all devices that bear, or would bear, a configured address."""
        present = self._route.addresses()
        devices = (self._bearing(a) or self._device_for(a, lambda: present) for a in self.configured)
        return tuple(sorted({device.name for device in devices if device is not None}))

    def put(self, addresses: Iterable[Address]) -> None:
        """Put them on their devices.

        Raises NetlinkError for the first that could not be put; the others are.
        """
        addresses = tuple(addresses)
        self._refresher.settle(addresses)
        present, failures = self._route.addresses(), []
        for address in addresses:
            try:
                self._put(address, present)
            except NetlinkError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _put(self, address: Address, present: tuple[HostAddress, ...]) -> None:
        wanted = self.configured[address]
        device = self._bearing(address) or self._device_for(address, lambda: present)
        if device is None:
            where = wanted.device or f"with an address in {wanted.interface.network}"
            raise NetlinkError(f"service address {address}: this host has no device {where}")
        form = service_form(wanted.interface, device.index, present, self._valid_s)
        self._route.add(form.as_host_address())
        self._placed[address] = _Placed(form.as_host_address())

    def remove(self, addresses: Iterable[Address]) -> None:
        """Remove them from every device, in whatever form they stand there."""
        gone = set(addresses)
        for address in gone:
            self._placed.pop(address, None)
        self._refresher.settle(gone)  # or a late one would put it back
        remove_from_all_devices(self._route, gone)

    def next_refresh_ns(self) -> int | None:
        """When the first address has half of its life behind it; 0 for one just put there."""
        half = self._valid_ns // 2
        stamps = [placed.refreshed_ns for placed in self._placed.values()]
        return min((0 if stamp is None else stamp + half for stamp in stamps), default=None)

    def refresh(self, at_ns: int) -> None:
        """Have new life given to addresses that have half of it behind them; waits for nothing."""
        for placed in self._placed.values():
            if placed.refreshed_ns is None:
                placed.refreshed_ns = at_ns
            elif at_ns - placed.refreshed_ns >= self._valid_ns // 2:
                self._refresher.ask(placed.where)
                placed.refreshed_ns = at_ns

    @property
    def _valid_s(self) -> int:
        return -(-self._valid_ns // SECOND)


def remove_from_all_devices(route: RouteSocket, addresses: Iterable[Address]) -> None:
    """Remove these addresses wherever they stand. Raises the first refusal, after trying all."""
    gone, failures = set(addresses), []
    for own in route.addresses():
        if own.interface.ip in gone:
            try:
                route.remove(own)
            except NetlinkError as error:
                failures.append(error)
    if failures:
        raise failures[0]
