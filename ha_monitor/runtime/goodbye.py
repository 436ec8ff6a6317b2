"""The guard's part of rule 9: what it sends for a core that died, without a key and without parsing.

The core hands over copies of its connected heartbeat sockets whenever they change, and with each renewal the
sealed packets that release its Leases. The guard sends them only after the core is reaped and the kernel has
acknowledged that the addresses are closed.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PACKETS_MAX = 256


@dataclass(frozen=True)
class SocketKey:
    """Which heartbeat socket: peer's voter index and Link, and both ends as it was bound and connected."""

    peer: int
    link: str
    local: str
    remote: str
    port: int

    def as_list(self) -> list[Any]:
        """For a JSON message."""
        return [self.peer, self.link, self.local, self.remote, self.port]


class Goodbye:
    """Sockets and packets of the present core."""

    def __init__(self) -> None:
        self._sockets: dict[SocketKey, socket.socket] = {}
        self._packets: tuple[tuple[int, str, bytes], ...] = ()
        self.releases: tuple[tuple[str, tuple[int, int, int]], ...] = ()  # group and ballot

    def take_sockets(self, keys: Sequence[Sequence[Any]], fds: Sequence[int]) -> None:
        """Replace all copies: ``fds`` in the order of ``keys``."""
        self.close()
        for key, fd in zip(keys, fds, strict=False):
            self._sockets[SocketKey(*key)] = socket.socket(fileno=fd)

    def take_packets(self, message: Mapping[str, Any]) -> None:
        """Replace the packets. Raises KeyError or ValueError on what the core cannot have meant."""
        packets = message["packets"][:PACKETS_MAX]
        self._packets = tuple((int(peer), str(link), base64.b64decode(text)) for peer, link, text in packets)
        self.releases = tuple((str(group), (c, n, i)) for group, (c, n, i) in message["releases"])

    @property
    def has_something_to_say(self) -> bool:
        """A Lease is held that another Node could take."""
        return bool(self._packets)

    def send(self) -> int:
        """Send each packet once over its socket; how many the kernel took. They are used up by it."""
        by_place = {(key.peer, key.link): sock for key, sock in self._sockets.items()}
        sent = 0
        for peer, link, packet in self._packets:
            sock = by_place.get((peer, link))
            with contextlib.suppress(OSError):  # a Link that is down: the other one carries it
                sent += sock is not None and sock.send(packet, socket.MSG_DONTWAIT) > 0
        self._packets = ()
        return sent

    def inheritable(self) -> list[tuple[SocketKey, int]]:
        """The sockets for the next core, which goes on listening where the last one did."""
        return [(key, sock.fileno()) for key, sock in self._sockets.items()]

    def close(self) -> None:
        """Close all copies."""
        for sock in self._sockets.values():
            with contextlib.suppress(OSError):
                os.close(sock.detach())
        self._sockets = {}
