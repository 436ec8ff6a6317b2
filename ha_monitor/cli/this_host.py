"""What this host has that a configuration speaks of: name, addresses, networks. For `init` and `check`."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

from ha_monitor.model import Address, ClusterConfig, Interface, Voter


@dataclass(frozen=True)
class Bearer:
    """One address of this host and the device that bears it."""

    device: str
    interface: Interface

    @property
    def is_usable(self) -> bool:
        """Whether other hosts could reach it: neither loopback nor link-local."""
        return not (self.interface.ip.is_loopback or self.interface.ip.is_link_local)


def host_name() -> str:
    """The first part of this host's name."""
    return socket.gethostname().partition(".")[0]


def bearers() -> tuple[Bearer, ...]:
    """Every address of this host; those on the device of the default route first."""
    families = (socket.AF_INET, socket.AF_INET6)
    found = [
        Bearer(device, _interface(entry.address, entry.netmask))
        for device, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family in families
    ]
    default = _default_device()
    return tuple(sorted(found, key=lambda bearer: (bearer.device != default, bearer.interface.version)))


def addresses_here() -> frozenset[Address]:
    """Every address of this host."""
    return frozenset(bearer.interface.ip for bearer in bearers())


def voter_here(config: ClusterConfig, here: frozenset[Address]) -> Voter | None:
    """Which voter this host is, by its addresses; None: none of them."""
    for voter in config.voters:
        if here & set(voter.addresses.values()):
            return voter
    return None


def device_for(address: Interface, found: tuple[Bearer, ...]) -> str:
    """The device that bears the address's network, or an empty text."""
    for bearer in found:
        if bearer.interface.version == address.version and address.ip in bearer.interface.network:
            return bearer.device
    return ""


def _interface(address: str, netmask: str | None) -> Interface:
    bare = address.partition("%")[0]
    if ":" in bare:
        length = bin(int(ipaddress.IPv6Address(netmask or "::"))).count("1")
        return ipaddress.ip_interface(f"{bare}/{length}")
    return ipaddress.ip_interface(f"{bare}/{netmask or 32}")


def _default_device() -> str:
    try:
        lines = Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return ""
    return next((fields[0] for fields in map(str.split, lines) if fields[1:2] == ["00000000"]), "")
