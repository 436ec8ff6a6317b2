"""Announcements of service addresses: gratuitous ARP, unsolicited neighbour advertisements.

When is a pure schedule; the sending goes through one packet socket opened at start (opening one
per announcement costs 14 ms, sending about 8 us a frame).
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from ha_monitor.errors import NetlinkError
from ha_monitor.model import Address
from ha_monitor.net.frames import ETH_P_ARP, ETH_P_IPV6, announcements, probe
from ha_monitor.timebase import MS, SECOND

# A single one, sent while a switch port still learns, was lost in several runs; so repeat.
OFFSETS_NS = (0, 50 * MS, 200 * MS, SECOND, 3 * SECOND)
REPEAT_NS = 30 * SECOND


@dataclass(frozen=True)
class AnnouncementSchedule:
    """When one address is announced: at the offsets after the start, then at even distances."""

    started_ns: int
    sent: int = 0  # offsets and repeats that are behind us

    @property
    def due_ns(self) -> int:
        """When the next announcement is due."""
        if self.sent < len(OFFSETS_NS):
            return self.started_ns + OFFSETS_NS[self.sent]
        repeats = self.sent - len(OFFSETS_NS) + 1
        return self.started_ns + OFFSETS_NS[-1] + repeats * REPEAT_NS

    def after_sending(self, at_ns: int) -> AnnouncementSchedule:
        """One announcement stands for all that are due by now: a stall makes no burst."""
        later = AnnouncementSchedule(self.started_ns, self.sent + 1)
        while later.due_ns <= at_ns:
            later = AnnouncementSchedule(self.started_ns, later.sent + 1)
        return later


class FrameSender:
    """Sends Ethernet frames, never waits; what the kernel does not take is counted."""

    def __init__(self) -> None:
        """Not open yet."""
        self._socket: socket.socket | None = None
        self.sent = 0
        self.not_sent = 0  # device down, queue full, or silenced because the Lease is over

    def open(self) -> None:
        """Open the socket; it receives nothing. Raises NetlinkError."""
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        try:
            self._socket = socket.socket(socket.AF_PACKET, kind, 0)
        except OSError as error:
            raise NetlinkError(f"open a packet socket: {error.strerror}") from error

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()

    def send(self, device: str, protocol: int, frame: bytes) -> bool:
        """Send one frame. False: the kernel did not take it."""
        assert self._socket is not None, "send before open"
        try:
            self._socket.sendto(frame, (device, protocol))
        except OSError:
            self.not_sent += 1
            return False
        self.sent += 1
        return True

    def announce(self, address: Address, device: str, mac: bytes) -> bool:
        """Tell the neighbours on that device. False: a frame was not taken."""
        protocol = ETH_P_ARP if address.version == 4 else ETH_P_IPV6
        taken = [self.send(device, protocol, frame) for frame in announcements(address, mac)]
        return all(taken)

    def probe(self, address: Address, device: str, mac: bytes) -> bool:
        """Ask on that device whether somebody has the address. False: the frame was not taken."""
        protocol = ETH_P_ARP if address.version == 4 else ETH_P_IPV6
        return self.send(device, protocol, probe(address, mac))
