"""Between the core's names (groups, Resources, Links) and the kernel's (addresses, devices). Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ha_monitor.model import Address, ClusterConfig
from ha_monitor.net.placement import ServiceAddress


def service_addresses(config: ClusterConfig) -> list[ServiceAddress]:
    """All service addresses of all groups."""
    return [
        ServiceAddress(resource.address, resource.device)
        for group in config.groups
        for resource in group.addresses
        if resource.address is not None
    ]


class AddressNames:
    """Which Resource an address is, and back."""

    def __init__(self, config: ClusterConfig) -> None:
        self._of_resource: dict[str, Address] = {}
        self._of_group: dict[str, tuple[str, ...]] = {}
        for group in config.groups:
            self._of_group[group.name] = tuple(r.name for r in group.addresses)
            for resource in group.addresses:
                assert resource.address is not None, f"vip {resource.name} without address"
                self._of_resource[resource.name] = resource.address.ip
        self._of_address = {address: name for name, address in self._of_resource.items()}
        self._group_of = {name: group for group, names in self._of_group.items() for name in names}

    def addresses(self, resources: Iterable[str]) -> list[Address]:
        """The addresses of these Resources."""
        return [self._of_resource[name] for name in resources if name in self._of_resource]

    def resource(self, address: Address) -> str:
        """The Resource that is this address; empty if none."""
        return self._of_address.get(address, "")

    def group_of(self, resource: str) -> str:
        """The group of a service address; empty if none."""
        return self._group_of.get(resource, "")

    def resources(self, group: str) -> tuple[str, ...]:
        """The service addresses of a group, by Resource name."""
        return self._of_group.get(group, ())

    def all_resources(self) -> tuple[str, ...]:
        """Every service address, by Resource name."""
        return tuple(self._of_resource)
