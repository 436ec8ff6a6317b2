"""Heartbeat sockets: one connected UDP socket for each peer and Link.

Connected, because the kernel then shows us nothing of what strangers send. Bound to the host's own Link
address, because a Link that is missing at start must not be replaced by another route: it is tried again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ha_monitor.errors import PrerequisiteError
from ha_monitor.model import ClusterConfig
from ha_monitor.runtime.goodbye import SocketKey
from ha_monitor.timebase import SECOND

DRAIN_MAX = 256
PACKET_BYTES = 2048
SO_TIMESTAMPNS = 35  # asm-generic/socket.h; the value of the control message too
TRAFFIC_CLASS = 48 << 2  # CS6: network control
STAMP_AGE_MAX_NS = 5 * SECOND  # an older stamp means that the wall clock was set meanwhile
_STAMP = struct.Struct("@qq")
_CONTROL_BYTES = socket.CMSG_SPACE(_STAMP.size)
_NOT_YET = {errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EINVAL}


@dataclass(frozen=True)
class Datagram:
    """One packet as it came. ``arrived_ns`` is on the Lease clock."""

    key: SocketKey
    packet: bytes
    arrived_ns: int


@dataclass(frozen=True)
class Refused:
    """The peer's kernel answered that no process listens there."""

    key: SocketKey


def socket_keys(config: ClusterConfig, self_index: int) -> tuple[SocketKey, ...]:
    """All sockets that this voter should have: every Link that it shares with a peer."""
    me = config.voters[self_index]
    return tuple(
        SocketKey(peer.index, link, str(address), str(peer.addresses[link]), config.port)
        for peer in config.voters
        if peer.index != self_index
        for link, address in me.addresses.items()
        if link in peer.addresses
    )


def arrival_ns(stamp_ns: int, wall_ns: int, lease_ns: int) -> int:
    """The kernel's wall-clock stamp on the Lease clock. A clock that was set in between must not bend it."""
    age = wall_ns - stamp_ns
    return lease_ns - age if 0 <= age <= STAMP_AGE_MAX_NS else lease_ns


class LinkSockets:
    """All heartbeat sockets of this voter. ``clock``/``wall``: Lease clock and wall clock in ns."""

    def __init__(
        self,
        keys: Sequence[SocketKey],
        inherited: Sequence[tuple[SocketKey, int]],
        clock: Callable[[], int],
        wall: Callable[[], int],
    ) -> None:
        self._wanted = keys
        self._clock, self._wall = clock, wall
        self._open: dict[SocketKey, socket.socket] = {}
        self._places: dict[tuple[int, str], SocketKey] = {(k.peer, k.link): k for k in keys}
        self.unsent = 0
        for key, fd in inherited:
            if key in keys:
                self._open[key] = socket.socket(fileno=fd)
            else:
                os.close(fd)

    @property
    def is_complete(self) -> bool:
        """Whether every Link to every peer has its socket."""
        return len(self._open) == len(self._wanted)

    def sockets(self) -> dict[SocketKey, socket.socket]:
        """Those that are open."""
        return self._open

    def open_missing(self) -> bool:
        """Open what can be opened now; whether anything was. Raises PrerequisiteError for a port in use."""
        before = len(self._open)
        for key in self._wanted:
            if key not in self._open:
                with contextlib.suppress(_MissingLink):
                    self._open[key] = _connected(key)
        return len(self._open) > before

    def send(self, peer: int, link: str, packet: bytes) -> Refused | None:
        """Send one packet, or lose it. An error that an earlier packet brought back is told."""
        key = self._places.get((peer, link))
        sock = self._open.get(key) if key else None
        if key is None or sock is None:
            return None
        refused = None
        for _ in range(2):  # the kernel reports a former packet's refusal instead of sending this one
            try:
                sock.send(packet, socket.MSG_DONTWAIT)
            except ConnectionRefusedError:
                refused = Refused(key)
            except OSError:
                self.unsent += 1
                break
            else:
                break
        return refused

    def drain(self, key: SocketKey) -> Iterator[Datagram | Refused]:
        """What waits on one socket, oldest first, at most DRAIN_MAX."""
        sock = self._open.get(key)
        for _ in range(DRAIN_MAX if sock else 0):
            try:
                packet, control, _, _ = sock.recvmsg(PACKET_BYTES, _CONTROL_BYTES, socket.MSG_DONTWAIT)  # type: ignore[union-attr]
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                yield Refused(key)
                continue
            except OSError:  # a Link going down reports itself here, once for each try
                return
            yield Datagram(key, packet, self._arrival(control))

    def _arrival(self, control: Sequence[tuple[int, int, bytes]]) -> int:
        now = self._clock()
        for level, kind, data in control:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS) and len(data) >= _STAMP.size:
                seconds, nanoseconds = _STAMP.unpack_from(data)
                return arrival_ns(seconds * SECOND + nanoseconds, self._wall(), now)
        return now


class _MissingLink(Exception):
    """The address or the way is not there yet."""


def _connected(key: SocketKey) -> socket.socket:
    is_v6 = ":" in key.local
    sock = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        # Several sockets share address and port here, each connected to another peer.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 6)
        if is_v6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, TRAFFIC_CLASS)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, TRAFFIC_CLASS)
        sock.bind((key.local, key.port))
        sock.connect((key.remote, key.port))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PrerequisiteError(
                f"UDP port {key.port} on {key.local} (Link {key.link}) is in use by another program;"
                " see `ss -lunp`, or set another `port` in [cluster]"
            ) from None
        if error.errno in _NOT_YET:
            raise _MissingLink from None
        raise PrerequisiteError(f"UDP {key.local}:{key.port} (Link {key.link}): {error.strerror}") from None
    return sock
