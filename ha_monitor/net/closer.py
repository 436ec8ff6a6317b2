"""AddressCloser: what the guard keeps ready to silence service addresses without the core."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from ha_monitor.errors import NetlinkError
from ha_monitor.model import Address
from ha_monitor.net.lease import KernelLease
from ha_monitor.net.placement import remove_from_all_devices
from ha_monitor.net.rtnetlink import RouteSocket


class AddressCloser:
    """Closes and removes the service addresses of one cluster; sockets opened at start.

    Only after the core was reaped: two processes that change the Lease at a time undo each other.
    """

    def __init__(self, cluster_name: str, addresses: Iterable[Address]) -> None:
        """Open both sockets. Raises NetlinkError."""
        self._addresses = tuple(addresses)
        self._lease: KernelLease | None = None
        with contextlib.suppress(NetlinkError):  # a kernel without nftables: removing must do
            self._lease = KernelLease(cluster_name, self._addresses)
        self._route = RouteSocket()

    def close(self, addresses: Iterable[Address] | None = None) -> None:
        """Silence and remove these, or all of them, acknowledged by the kernel. Idempotent.

        Raises NetlinkError if one of them may still stand on a device.
        """
        chosen = self._addresses if addresses is None else tuple(addresses)
        if self._lease is not None:
            with contextlib.suppress(NetlinkError):  # its rules are gone: removing must do
                self._lease.close(*chosen)
        remove_from_all_devices(self._route, chosen)

    def shutdown(self) -> None:
        """Give the sockets back."""
        if self._lease is not None:
            self._lease.shutdown()
        self._route.close()
