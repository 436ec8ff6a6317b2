"""What changes in the kernel behind our back: links, addresses, rules. Parsed into small events.

Two kept sockets. The one for rules has a filter in the kernel: it wakes only at the end of a
change made by another program, never for our own beat.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from ha_monitor.model import Address
from ha_monitor.net import rtnetlink as rt
from ha_monitor.net.bpf import (
    JUMP_IF_EQUAL,
    LOAD_HALF,
    LOAD_WORD,
    RETURN,
    WHOLE_PACKET,
    attach_filter,
    instruction,
)
from ha_monitor.net.netlink import (
    SOL_NETLINK,
    KernelRefused,
    Received,
    attributes,
    iter_messages,
)
from ha_monitor.net.nftables import NETLINK_NETFILTER, NEWGEN

NETLINK_ADD_MEMBERSHIP = 1
RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR = 1, 5, 9
NFNLGRP_NFTABLES = 7
NFTA_GEN_PROC_NAME = 3
AF_BRIDGE = bytes([7])
DRAIN_DATAGRAMS = 64
EVENT_BUFFER_BYTES = 1 << 20
MOST_NEWS = 256  # that wait for a kernel that cannot be read


@dataclass(frozen=True)
class CarrierChanged:
    """The device's carrier came or went; going down and vanishing count as gone."""

    device: str
    is_up: bool


@dataclass(frozen=True)
class DeviceAppeared:
    """A device is there that was not."""

    device: str


@dataclass(frozen=True)
class DeviceVanished:
    """A device is gone, and with it all that stood on it."""

    device: str


@dataclass(frozen=True)
class AddressAppeared:
    """An address stands on a device, also one that was there and got a new length of life."""

    address: Address
    device_index: int


@dataclass(frozen=True)
class AddressRemoved:
    """An address was removed from a device, by whomever."""

    address: Address
    device_index: int


@dataclass(frozen=True)
class RulesetChanged:
    """Another program changed nftables rules somewhere on this host; ``by`` is its name."""

    by: str


@dataclass(frozen=True)
class EventsLost:
    """More happened than fitted in the buffer: read everything anew."""


KernelEvent = (
    CarrierChanged
    | DeviceAppeared
    | DeviceVanished
    | AddressAppeared
    | AddressRemoved
    | RulesetChanged
    | EventsLost
)


def for_another_look(happened: Iterable[KernelEvent]) -> tuple[KernelEvent, ...]:
    """Instead of events whose consequences could not be read: everything anew, and what no list would tell.

    That is each device's last news.
    """
    news = {(type(e), e.device): e for e in happened if isinstance(e, (CarrierChanged, DeviceAppeared))}
    return (*tuple(news.values())[-MOST_NEWS:], EventsLost())


class LinkTable:
    """What we believe of the host's links, so that a message becomes an event only by a change."""

    def __init__(self) -> None:
        """Start empty; ``reload`` fills it."""
        self._by_index: dict[int, rt.Device] = {}

    @property
    def devices(self) -> tuple[rt.Device, ...]:
        """The links as last heard of."""
        return tuple(self._by_index.values())

    def by_index(self, index: int) -> rt.Device | None:
        """The link of that number."""
        return self._by_index.get(index)

    def by_name(self, name: str) -> rt.Device | None:
        """The link of that name."""
        return next((device for device in self.devices if device.name == name), None)

    def reload(self, devices: Iterable[rt.Device]) -> tuple[KernelEvent, ...]:
        """Take in a new dump of all links; what changed since the last message."""
        listed = {device.index: device for device in devices}
        ended = [d for index, d in self._by_index.items() if index not in listed]
        events = [event for device in ended for event in self._take_end(device)]
        events += [event for device in listed.values() for event in self._take_link(device)]
        return tuple(events)

    def take(self, message: Received) -> tuple[KernelEvent, ...]:
        """Take in one rtnetlink message."""
        if message.kind in (rt.RTM_NEWADDR, rt.RTM_DELADDR):
            return self._take_address(message)
        if message.body[:1] == AF_BRIDGE:
            return ()  # a port joined or left a bridge, which looks like a link that ended
        if message.kind == rt.RTM_NEWLINK:
            return self._take_link(rt.read_device(message.body))
        if message.kind == rt.RTM_DELLINK:
            return self._take_end(rt.read_device(message.body))
        return ()

    @staticmethod
    def _take_address(message: Received) -> tuple[KernelEvent, ...]:
        found = rt.read_address(message.body)
        if found is None:
            return ()
        event = AddressAppeared if message.kind == rt.RTM_NEWADDR else AddressRemoved
        return (event(found.interface.ip, found.device_index),)

    def _take_link(self, device: rt.Device) -> tuple[KernelEvent, ...]:
        before = self._by_index.get(device.index)
        self._by_index[device.index] = device
        carrier = CarrierChanged(device.name, device.has_carrier)
        if before is None or before.name != device.name:
            return (DeviceAppeared(device.name), carrier)
        return (carrier,) if before.has_carrier != device.has_carrier else ()

    def _take_end(self, device: rt.Device) -> tuple[KernelEvent, ...]:
        before = self._by_index.pop(device.index, None)
        if before is None:
            return ()
        gone = DeviceVanished(before.name)
        return (CarrierChanged(before.name, False), gone) if before.has_carrier else (gone,)


def foreign_change_filter(own_port: int) -> list[bytes]:
    """Pass the message that ends a change of rules, unless it was made through our socket.

    Words are read big endian by the filter, and netlink writes them in the host's order.
    """
    kind = int.from_bytes(struct.pack("=H", NEWGEN), "big")
    port = int.from_bytes(struct.pack("=I", own_port), "big")
    return [
        instruction(LOAD_HALF, 4),
        instruction(JUMP_IF_EQUAL, kind, 1, 0),
        instruction(RETURN, 0),
        instruction(LOAD_WORD, 12),
        instruction(JUMP_IF_EQUAL, port, 0, 1),
        instruction(RETURN, 0),
        instruction(RETURN, WHOLE_PACKET),
    ]


def read_ruleset_change(message: Received) -> RulesetChanged:
    """Who changed the rules, as the kernel names the program."""
    name = attributes(message.body[4:]).get(NFTA_GEN_PROC_NAME, b"")
    return RulesetChanged(name.rstrip(b"\0").decode(errors="replace"))


def _subscribe(protocol: int, groups: Iterable[int]) -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    sock = socket.socket(socket.AF_NETLINK, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, EVENT_BUFFER_BYTES)
    sock.bind((0, 0))
    for group in groups:
        sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
    return sock


class KernelMonitor:
    """The two event sockets. Raises KernelRefused where one cannot be opened."""

    def __init__(self, own_port: int | None) -> None:
        """``own_port``: of the socket that changes our rules; None: rules are not watched.

        Reload ``links`` from a dump now: whatever changes after this is heard.
        """
        self.links = LinkTable()
        try:
            groups = (RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR)
            self._route = _subscribe(rt.NETLINK_ROUTE, groups)
            self._rules = None if own_port is None else _subscribe(NETLINK_NETFILTER, ())
            if self._rules is not None and own_port is not None:
                attach_filter(self._rules, foreign_change_filter(own_port))
                self._rules.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
        except OSError as error:
            raise KernelRefused("listen to the kernel's changes", error.errno or 0) from error

    def filenos(self) -> tuple[int, ...]:
        """What to select on."""
        return tuple(s.fileno() for s in (self._route, self._rules) if s is not None)

    def close(self) -> None:
        """Give the sockets back."""
        for sock in (self._route, self._rules):
            if sock is not None:
                sock.close()

    def drain(self) -> tuple[KernelEvent, ...]:
        """What happened since, in order, of rules the last change only. Never waits."""
        events: list[KernelEvent] = []
        for message in self._receive(self._route, events):
            events += self.links.take(message)
        if self._rules is not None:
            changes = [read_ruleset_change(m) for m in self._receive(self._rules, events)]
            events += changes[-1:]
        return tuple(events)

    @staticmethod
    def _receive(sock: socket.socket, events: list[KernelEvent]) -> list[Received]:
        found: list[Received] = []
        for _ in range(DRAIN_DATAGRAMS):
            try:
                found += iter_messages(sock.recv(1 << 16))
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise KernelRefused("read the kernel's changes", error.errno or 0) from error
                events.append(EventsLost())
        return found
