"""Who else claims a service address: the probe before a claim, and a listener that always runs.

The listener's sockets carry a filter in the kernel, so only packets about service addresses wake
the process. The probe is pure state: frames go out through announce.FrameSender, answers come in
through the listener.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ha_monitor.errors import NetlinkError
from ha_monitor.model import Address
from ha_monitor.net.bpf import (
    JUMP_IF_EQUAL,
    LOAD_BYTE,
    LOAD_WORD,
    RETURN,
    WHOLE_PACKET,
    attach_filter,
    instruction,
)
from ha_monitor.net.frames import (
    ADVERTISEMENT,
    ETH_P_ARP,
    ETH_P_IPV6,
    ICMPV6,
    Claim,
    read_advertisement,
    read_arp_claim,
)
from ha_monitor.timebase import MS

PROBE_OFFSETS_NS = (0, 3 * MS, 6 * MS)
PROBE_LENGTH_NS = 10 * MS
DRAIN_PACKETS = 64  # at most per call, so that a flood cannot starve the timers
MOST_FILTERED = 400  # addresses; beyond that the filter lets all advertisements pass


class HeardClaim(NamedTuple):
    """A claim, and the device on which it was heard."""

    claim: Claim
    device: str


@dataclass
class DuplicateProbe:
    """One probe for one address; time is an argument.

    ``ignored``: MACs of the cluster's own Nodes and of this host.
    """

    address: Address
    started_ns: int
    ignored: frozenset[bytes] = frozenset()
    sent: int = 0
    answered_by: bytes | None = field(default=None)

    @property
    def has_sent_all(self) -> bool:
        """Whether only waiting is left."""
        return self.sent >= len(PROBE_OFFSETS_NS)

    @property
    def due_ns(self) -> int:
        """When to send the next frame, or, after the last, when the probe ends."""
        if not self.has_sent_all:
            return self.started_ns + PROBE_OFFSETS_NS[self.sent]
        return self.started_ns + PROBE_LENGTH_NS

    def is_over(self, at_ns: int) -> bool:
        """Whether a stranger answered, or the time is up and all frames were sent."""
        if self.answered_by is not None:
            return True
        return self.has_sent_all and at_ns >= self.started_ns + PROBE_LENGTH_NS

    def hear(self, heard: HeardClaim) -> None:
        """Take in a claim; the first stranger counts."""
        if heard.claim.address != self.address or heard.claim.mac in self.ignored:
            return
        if self.answered_by is None:
            self.answered_by = heard.claim.mac


def _accept_if_any_word(words: Iterable[int]) -> list[bytes]:
    """Accept if the loaded word is one of these."""
    program = []
    for word in words:
        program.append(instruction(JUMP_IF_EQUAL, word, 0, 1))
        program.append(instruction(RETURN, WHOLE_PACKET))
    return program


def arp_filter(addresses: Iterable[Address]) -> list[bytes]:
    """Pass ARP packets whose sender address is one of these."""
    words = [int(a) for a in addresses if a.version == 4][:MOST_FILTERED]
    load = instruction(LOAD_WORD, 14)
    return [load, *_accept_if_any_word(words), instruction(RETURN, 0)]


def advertisement_filter(addresses: Iterable[Address]) -> list[bytes]:
    """Pass neighbour advertisements whose target ends like one of these (its last 4 bytes)."""
    words = sorted({int(a) & 0xFFFFFFFF for a in addresses if a.version == 6})[:MOST_FILTERED]
    return [
        instruction(LOAD_BYTE, 6),
        instruction(JUMP_IF_EQUAL, ICMPV6, 1, 0),
        instruction(RETURN, 0),
        instruction(LOAD_BYTE, 40),
        instruction(JUMP_IF_EQUAL, ADVERTISEMENT, 1, 0),
        instruction(RETURN, 0),
        instruction(LOAD_WORD, 60),
        *_accept_if_any_word(words),
        instruction(RETURN, 0),
    ]


class ClaimListener:
    """Hears who claims a service address, on every device."""

    def __init__(self, addresses: Iterable[Address]) -> None:
        """Not open yet."""
        self._addresses = frozenset(addresses)
        self._sockets: list[socket.socket] = []

    def open(self) -> None:
        """Open one socket for each IP version that is used. Raises NetlinkError."""
        filters = {4: (ETH_P_ARP, arp_filter), 6: (ETH_P_IPV6, advertisement_filter)}
        for version, (protocol, make_filter) in filters.items():
            own = [a for a in self._addresses if a.version == version]
            try:
                if own:
                    self._sockets.append(_open_filtered(protocol, make_filter(own)))
            except OSError as error:
                raise NetlinkError(f"open a packet socket: {error.strerror}") from error

    def filenos(self) -> tuple[int, ...]:
        """What to select on."""
        return tuple(sock.fileno() for sock in self._sockets)

    def close(self) -> None:
        """Give the sockets back."""
        for sock in self._sockets:
            sock.close()

    def drain(self) -> tuple[HeardClaim, ...]:
        """The claims that came since, own frames that came back included. Never waits."""
        return tuple(heard for sock in self._sockets for heard in self._drain_one(sock))

    def _drain_one(self, sock: socket.socket) -> list[HeardClaim]:
        found: list[HeardClaim] = []
        for _ in range(DRAIN_PACKETS):
            try:
                packet, (device, protocol, kind, _, mac) = sock.recvfrom(256)
            except BlockingIOError:
                break
            except OSError:
                continue  # ENETDOWN: a device went; the socket goes on
            if kind == socket.PACKET_OUTGOING:
                continue
            is_arp = protocol == ETH_P_ARP
            claim = read_arp_claim(packet) if is_arp else read_advertisement(packet, mac)
            if claim is not None and claim.address in self._addresses:
                found.append(HeardClaim(claim, device))
        return found


def _open_filtered(protocol: int, program: list[bytes]) -> socket.socket:
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    sock = socket.socket(socket.AF_PACKET, kind, socket.htons(protocol))
    attach_filter(sock, program)  # what came before it is sorted out by drain
    return sock
