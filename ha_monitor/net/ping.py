"""ICMP echo to a few targets over raw sockets: who answered, and when the answered request had left.

For quorum mode `ping`. No program is run, no name is looked up, a socket never waits. Standard library only.
"""

from __future__ import annotations

import os
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable, Sequence

from ha_monitor.model import Address

ECHO_V4, ANSWER_V4 = 8, 0
ECHO_V6, ANSWER_V6 = 128, 129
SOL_RAW, ICMP_FILTER, ICMP6_FILTER = 255, 1, 1  # linux/icmp.h, linux/icmpv6.h
_HEAD = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
TOKEN_BYTES = 16
REMEMBERED_MAX = 64  # requests without an answer


class Target:
    """One address and its socket. ``newest_ns``: when the newest answered request left, 0 for none."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.newest_ns = 0
        self._token = os.urandom(TOKEN_BYTES)  # tells our answers from those to another program's requests
        self._sent: OrderedDict[int, int] = OrderedDict()
        self._sequence = 0
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Make the socket and bind it to the target. Raises OSError, such as where no route leads there."""
        is_v4 = self.address.version == 4
        family, protocol = (
            (socket.AF_INET, socket.IPPROTO_ICMP) if is_v4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
        )
        sock = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
        try:
            _only_answers(sock, is_v4)
            sock.connect((str(self.address), 0))  # the kernel then gives us this address's packets only
        except OSError:
            sock.close()
            raise
        self._socket = sock

    def fileno(self) -> int:
        """The socket's, -1 while there is none."""
        return self._socket.fileno() if self._socket else -1

    def close(self) -> None:
        """Forget the socket; what was answered stays known."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ask(self, at_ns: int) -> bool:
        """Send one request; False where the kernel would not take it."""
        if self._socket is None:
            return False
        self._sequence = self._sequence % 0xFFFF + 1
        self._sent[self._sequence] = at_ns
        while len(self._sent) > REMEMBERED_MAX:
            self._sent.popitem(last=False)
        try:
            self._socket.send(request(self.address.version == 4, self._sequence, self._token))
        except OSError:
            return False
        return True

    def listen(self) -> None:
        """Take all answers that wait."""
        while self._socket is not None:
            try:
                packet = self._socket.recv(2048)
            except OSError:
                return
            sequence = answered(packet, self.address.version == 4, self._token)
            self.newest_ns = max(self.newest_ns, self._sent.pop(sequence, 0))


def request(is_v4: bool, sequence: int, token: bytes) -> bytes:
    """An echo request; the identifier is drawn from the token. For IPv6 the kernel writes the checksum."""
    kind = ECHO_V4 if is_v4 else ECHO_V6
    identifier = int.from_bytes(token[:2], "big")
    blank = _HEAD.pack(kind, 0, 0, identifier, sequence) + token
    check = checksum(blank) if is_v4 else 0
    return _HEAD.pack(kind, 0, check, identifier, sequence) + token


def answered(packet: bytes, is_v4: bool, token: bytes) -> int:
    """The sequence that this packet answers, -1 if it is no answer to a request with that token."""
    at = (packet[0] & 0x0F) * 4 if is_v4 and packet else 0  # IPv4's raw sockets give the IP header too
    if len(packet) < at + _HEAD.size + len(token):
        return -1
    kind, code, _, identifier, sequence = map(int, _HEAD.unpack_from(packet, at))
    is_answer = (kind, code) == (ANSWER_V4 if is_v4 else ANSWER_V6, 0)
    is_ours = identifier == int.from_bytes(token[:2], "big") and packet[at + _HEAD.size :] == token
    return sequence if is_answer and is_ours else -1


def checksum(packet: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = packet + b"\0" * (len(packet) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _only_answers(sock: socket.socket, is_v4: bool) -> None:
    if is_v4:
        sock.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", ~(1 << ANSWER_V4) & 0xFFFFFFFF))
        return
    blocked = [0xFFFFFFFF] * 8
    blocked[ANSWER_V6 >> 5] &= ~(1 << (ANSWER_V6 & 31)) & 0xFFFFFFFF
    sock.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, struct.pack("=8I", *blocked))


class Pinger:
    """All targets. ``watch``/``unwatch``: tell the caller's loop of a socket to read."""

    def __init__(
        self, addresses: Sequence[Address], watch: Callable[[Target], None], unwatch: Callable[[int], object]
    ) -> None:
        self.targets = [Target(address) for address in addresses]
        self._watch, self._unwatch = watch, unwatch

    def ask(self, at_ns: int) -> None:
        """One request to each; a socket that fails is made anew the next time."""
        for target in self.targets:
            if target.fileno() < 0:
                self._open(target)
            if not target.ask(at_ns):
                self._close(target)

    def reached(self, since_ns: int) -> int:
        """How many answered a request that left after ``since_ns``."""
        return sum(1 for target in self.targets if target.newest_ns > since_ns)

    @property
    def newest_ns(self) -> int:
        """When the newest answered request of all left."""
        return max((target.newest_ns for target in self.targets), default=0)

    def close(self) -> None:
        """Close all."""
        for target in self.targets:
            self._close(target)

    def _open(self, target: Target) -> None:
        try:
            target.open()
        except OSError:
            return  # no route, no address, no right: like a target that does not answer
        self._watch(target)

    def _close(self, target: Target) -> None:
        if target.fileno() >= 0:
            self._unwatch(target.fileno())
            target.close()
