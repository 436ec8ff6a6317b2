"""What the guard does to the kernel itself when no core can: close and remove service addresses."""

from __future__ import annotations

from collections.abc import Iterable

from ha_monitor.errors import NetlinkError, PrerequisiteError
from ha_monitor.model import ClusterConfig, Run
from ha_monitor.net.closer import AddressCloser
from ha_monitor.net.placement import remove_from_all_devices
from ha_monitor.net.rtnetlink import RouteSocket
from ha_monitor.net.service_address import ServiceAddresses
from ha_monitor.runtime.net_names import service_addresses
from ha_monitor.timebase import SECOND

SLACK_NS = 5 * SECOND


def stop_bound_ns(config: ClusterConfig) -> int:
    """How long a hand-over may take: the longest group's stops, one after another, and some slack."""
    lengths = [
        sum(r.stop_timeout_ns for r in group.resources if r.run is Run.OWNER) for group in config.groups
    ]
    return max(lengths, default=0) + 2 * config.timing.lease_ns + SLACK_NS


class BringDown:
    """The service addresses of one configuration, for a guard whose core is dead and reaped."""

    def __init__(self, config: ClusterConfig, is_witness: bool) -> None:
        self._addresses = [] if is_witness else service_addresses(config)
        self._of_group = {
            group.name: [r.address.ip for r in group.addresses if r.address is not None]
            for group in config.groups
        }
        self._cluster = config.name
        self._valid_ns = 4 * config.timing.lease_ns
        # Opened now: at the moment when it is needed nothing should have to be made.
        closes = [address.interface.ip for address in self._addresses]
        self._closer = AddressCloser(config.name, closes) if closes else None

    def close_all(self) -> bool:
        """Closed in the kernel and removed, acknowledged; False if the kernel refused."""
        return self.close_groups(self._of_group)

    def close_groups(self, groups: Iterable[str]) -> bool:
        """For these groups only: what is not released is taken up again by the next core, untouched."""
        if self._closer is None:
            return True
        try:
            self._closer.close([address for group in groups for address in self._of_group.get(group, ())])
        except NetlinkError:
            return False
        return True

    def remove_all(self) -> bool:
        """As `close_all`, and the rules too: a stopped daemon must not silence addresses set by hand."""
        if self._closer is None:
            return True
        is_closed = self.close_all()
        try:
            net = ServiceAddresses(self._cluster, self._addresses, self._valid_ns)
            try:
                net.uninstall()
            finally:
                net.shutdown()
        except (NetlinkError, PrerequisiteError):
            return False
        return is_closed

    def drop(self, config: ClusterConfig) -> None:
        """Remove what a new configuration no longer names: nobody would close it any more."""
        kept = {address.interface.ip for address in service_addresses(config)}
        dropped = [a.interface.ip for a in self._addresses if a.interface.ip not in kept]
        if dropped:
            route = RouteSocket()
            try:
                remove_from_all_devices(route, dropped)
            finally:
                route.close()

    def shutdown(self) -> None:
        """Give the sockets back."""
        if self._closer is not None:
            self._closer.shutdown()
