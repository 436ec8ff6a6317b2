"""Links and addresses of this host over rtnetlink: list, add, refresh, remove. One kept socket.

Adding and removing are idempotent. A service address is added in a form that ties it to no other
address: see `ServiceForm`. Layout: linux/rtnetlink.h, if_addr.h, if_link.h, neighbour.h.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from ha_monitor.model import Address, Interface
from ha_monitor.net.netlink import (
    NLM_F_CREATE,
    NLM_F_REPLACE,
    KernelRefused,
    Message,
    NetlinkSocket,
    attribute,
    attributes,
)

NETLINK_ROUTE = 0
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWNEIGH, RTM_GETNEIGH = 28, 30

IFINFO = struct.Struct("=BxHiII")  # family, type, index, flags, change
IFADDR = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
NDMSG = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type
CACHEINFO = struct.Struct("=IIII")  # preferred s, valid s, two stamps

IFLA_ADDRESS, IFLA_IFNAME = 1, 3
IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO, IFA_FLAGS = 1, 2, 6, 8
NDA_DST, NDA_LLADDR = 1, 2
IFF_UP, IFF_LOOPBACK, IFF_RUNNING = 0x1, 0x8, 0x40
IFA_F_SECONDARY, IFA_F_NODAD, IFA_F_PERMANENT, IFA_F_NOPREFIXROUTE = 0x01, 0x02, 0x80, 0x200
ARPHRD_ETHER = 1
FOREVER = 0xFFFFFFFF
NUD_USABLE = 0xDE  # REACHABLE, STALE, DELAY, PROBE, NOARP, PERMANENT
SHORTEST_VALID_S = 2  # the kernel removes with a grain of a second


@dataclass(frozen=True)
class Device:
    """One link of this host. ``has_carrier``: up, and the kernel says it runs."""

    index: int
    name: str
    mac: str
    has_carrier: bool
    is_loopback: bool = False
    is_ethernet: bool = True


@dataclass(frozen=True)
class HostAddress:
    """One address as it stands on a device. ``valid_s``: None if it never ends."""

    interface: Interface
    device_index: int
    flags: int = IFA_F_PERMANENT
    valid_s: int | None = None
    preferred_s: int | None = None
    scope: int = 0
    body: bytes = field(default=b"", compare=False, repr=False)  # as the kernel wrote it

    @property
    def is_secondary(self) -> bool:
        """IPv4 only: goes when the first address of its network on the device goes."""
        return self.interface.version == 4 and bool(self.flags & IFA_F_SECONDARY)


@dataclass(frozen=True)
class ServiceForm:
    """The form in which a service address is put on a device.

    Alone (/32, /128) where the device has an address of that network already: the route is there,
    and as a member of that network the service address could become the first of it, whose
    removal takes the Node's own address along. With its given prefix where nothing else leads
    to that network. IPv6 deprecated, so that no connection of the Node's own chooses it as source.
    """

    interface: Interface
    device_index: int
    valid_s: int

    def as_host_address(self) -> HostAddress:
        """What to ask the kernel for."""
        is_v6 = self.interface.version == 6
        return HostAddress(
            self.interface,
            self.device_index,
            IFA_F_NODAD if is_v6 else 0,
            max(self.valid_s, SHORTEST_VALID_S),
            0 if is_v6 else max(self.valid_s, SHORTEST_VALID_S),
        )


def mac_text(mac: bytes) -> str:
    """aa:bb:cc:dd:ee:ff"""
    return mac.hex(":")


def mac_bytes(mac: str) -> bytes:
    """The bytes of aa:bb:cc:dd:ee:ff."""
    return bytes.fromhex(mac.replace(":", ""))


def read_device(body: bytes) -> Device:
    """Read an RTM_NEWLINK or RTM_DELLINK."""
    _, kind, index, flags, _ = IFINFO.unpack_from(body)
    parts = attributes(body[IFINFO.size :])
    return Device(
        index=index,
        name=parts.get(IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace"),
        mac=mac_text(parts.get(IFLA_ADDRESS, b"")),
        has_carrier=flags & (IFF_UP | IFF_RUNNING) == IFF_UP | IFF_RUNNING,
        is_loopback=bool(flags & IFF_LOOPBACK),
        is_ethernet=kind == ARPHRD_ETHER,
    )


def read_address(body: bytes) -> HostAddress | None:
    """Read an RTM_NEWADDR or RTM_DELADDR; None for another family."""
    family, prefix, flags, scope, index = IFADDR.unpack_from(body)
    parts = attributes(body[IFADDR.size :])
    packed = parts.get(IFA_LOCAL) or parts.get(IFA_ADDRESS)
    if family not in (socket.AF_INET, socket.AF_INET6) or not packed:
        return None
    if IFA_FLAGS in parts:
        flags = struct.unpack("=I", parts[IFA_FLAGS])[0]
    preferred, valid = FOREVER, FOREVER
    if IFA_CACHEINFO in parts:
        preferred, valid, _, _ = CACHEINFO.unpack(parts[IFA_CACHEINFO])
    interface = ipaddress.ip_interface((packed, prefix))
    ends = [None if seconds == FOREVER else seconds for seconds in (valid, preferred)]
    return HostAddress(interface, index, flags, ends[0], ends[1], scope, body)


def write_address(address: HostAddress) -> bytes:
    """The body of an RTM_NEWADDR or RTM_DELADDR."""
    interface = address.interface
    family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
    flags = address.flags & ~(IFA_F_SECONDARY if interface.version == 4 else 0)
    ends = [FOREVER if s is None else s for s in (address.preferred_s, address.valid_s)]
    head = IFADDR.pack(family, interface.network.prefixlen, flags & 0xFF, address.scope, address.device_index)
    body = attribute(IFA_LOCAL, interface.packed) + attribute(IFA_ADDRESS, interface.packed)
    body += attribute(IFA_CACHEINFO, CACHEINFO.pack(*ends, 0, 0))
    return head + body + attribute(IFA_FLAGS, struct.pack("=I", flags))


def device_for(address: Address, present: Iterable[HostAddress], service: Iterable[Address]) -> int | None:
    """Index of the device whose own network holds the address; the narrowest network wins.

    ``service`` addresses count for nothing, wherever they stand.
    """
    ours = set(service)
    own = [one for one in present if one.interface.ip not in ours]
    fits = [
        (one.interface.network.prefixlen, -one.device_index)
        for one in own
        if one.interface.ip == address or _leads_to(one, address)
    ]
    return -max(fits)[1] if fits else None


def _leads_to(own: HostAddress, address: Address) -> bool:
    """Whether the kernel reaches that address because of this one."""
    interface = own.interface
    is_network = interface.network.prefixlen < interface.max_prefixlen
    return is_network and interface.version == address.version and address in interface.network


def service_form(wanted: Interface, index: int, present: Iterable[HostAddress], valid_s: int) -> ServiceForm:
    """How to put a service address on that device, given what stands there."""
    others = [own for own in present if own.device_index == index and own.interface.ip != wanted.ip]
    leads_there = any(_leads_to(own, wanted.ip) for own in others)
    alone = ipaddress.ip_interface((wanted.ip, wanted.max_prefixlen))
    return ServiceForm(alone if leads_there else wanted, index, valid_s)


class RouteSocket:
    """Requests about links and addresses. Raises KernelRefused."""

    def __init__(self) -> None:
        """Open the socket."""
        self._netlink = NetlinkSocket(NETLINK_ROUTE)

    def close(self) -> None:
        """Give the socket back."""
        self._netlink.close()

    def devices(self) -> tuple[Device, ...]:
        """All links of this host."""
        found = self._netlink.dump("list links", RTM_GETLINK, IFINFO.pack(0, 0, 0, 0, 0))
        return tuple(read_device(m.body) for m in found if m.kind == RTM_NEWLINK)

    def addresses(self) -> tuple[HostAddress, ...]:
        """All addresses of this host."""
        # By family: newer kernels list one without the lock for which "all families" waits.
        found = [
            message
            for family in (socket.AF_INET, socket.AF_INET6)
            for message in self._netlink.dump("list addresses", RTM_GETADDR, IFADDR.pack(family, 0, 0, 0, 0))
            if message.kind == RTM_NEWADDR and message.body[0] == family  # a kernel without it lists all
        ]
        read = (read_address(message.body) for message in found)
        return tuple(address for address in read if address is not None)

    def neighbours(self) -> dict[Address, str]:
        """The MACs that the kernel believes its neighbours to have."""
        macs: dict[Address, str] = {}
        for message in self._netlink.dump("list neighbours", RTM_GETNEIGH, NDMSG.pack(0, 0, 0, 0, 0)):
            state = NDMSG.unpack_from(message.body)[2]
            parts = attributes(message.body[NDMSG.size :])
            packed, mac = parts.get(NDA_DST, b""), parts.get(NDA_LLADDR, b"")
            if state & NUD_USABLE and len(packed) in (4, 16) and len(mac) == 6:
                macs[ipaddress.ip_address(packed)] = mac_text(mac)
        return macs

    def add(self, address: HostAddress) -> None:
        """Add it, or give it new lengths of life if it stands there in that form."""
        self._add(address, write_address(address))

    def _add(self, address: HostAddress, body: bytes) -> None:
        what = f"add address {address.interface} to device {address.device_index}"
        message = Message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, body)
        try:
            self._netlink.request(what, message)
        except KernelRefused as refused:
            if refused.errno != errno.EEXIST:
                raise

    def remove(self, address: HostAddress) -> None:
        """Remove it, nothing else; fine if it, or its device, is not there."""
        what = f"remove address {address.interface} from device {address.device_index}"
        at_risk = self._goes_with(address)
        try:
            self._netlink.request(what, Message(RTM_DELADDR, 0, write_address(address)))
        except KernelRefused as refused:
            if refused.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):
                raise
        for other in at_risk:
            self._add(other, other.body)  # with label and broadcast address

    def _goes_with(self, address: HostAddress) -> list[HostAddress]:
        """Addresses that the kernel takes along: secondaries of the first of their network."""
        network = address.interface.network
        if address.interface.version == 6 or network.prefixlen == 32:
            return []
        same = [
            own
            for own in self.addresses()
            if own.device_index == address.device_index and own.interface.network == network
        ]
        is_first = any(own.interface == address.interface and not own.is_secondary for own in same)
        return [own for own in same if own.is_secondary] if is_first else []
