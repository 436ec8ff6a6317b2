"""Packets: Heartbeats under a seal that only holders of the cluster's key can make.

    header (28 bytes) | body (layout.py) | HMAC-SHA256 (32 bytes)

    header = magic "HaMo", version, key id, sender, receiver, scope, incarnation, sequence

The tag covers the cluster's and the Link's full names, which do not travel, then header and body. So a
packet is good for one cluster, one sender, one receiver, one Link. ``scope`` is a short hash of both names:
it lets a packet of a neighbour cluster be counted as wrongly addressed and not as forged.

A packet is opened in this order: length, magic, version, addressing, key, tag; only then is the body parsed;
only then is it asked whether it was seen before (replay.py). Whatever is wrong becomes PacketRejected
whose ``reason`` is one of REASONS, and is counted by the opener itself.

Two keys hold at once while keys are changed: all in the key file open packets, the first one seals.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ha_monitor.errors import PacketRejected
from ha_monitor.messages import Heartbeat
from ha_monitor.wire.layout import body_of, read_body
from ha_monitor.wire.replay import Lives, Standing
from ha_monitor.wire.split import split

MAGIC = b"HaMo"
VERSION = 1
HEADER = struct.Struct("!4sBBBB4sQQ")
TAG_BYTES = 32
PACKET_MAX = 1400  # with IPv6 and UDP headers below the 1500 bytes that every Ethernet carries
BODY_MAX = PACKET_MAX - HEADER.size - TAG_BYTES
REASONS = ("size", "magic", "version", "addressing", "key", "tag", "layout", "replay", "retired")


@dataclass(frozen=True)
class Keyring:
    """The keys of the key file, by id (0 to 255). ``sealing``: the id of the one that seals."""

    keys: Mapping[int, bytes]
    sealing: int

    def __repr__(self) -> str:
        """Ids only: a key must not reach a log or a traceback."""
        return f"Keyring(ids={sorted(self.keys)}, sealing={self.sealing})"


@dataclass(frozen=True)
class Scope:
    """What a tag is bound to beyond the packet's own bytes: cluster and Link."""

    prefix: bytes
    short: bytes

    @classmethod
    def of(cls, cluster: str, link: str) -> Scope:
        """Lengths stand before the names, so that no two pairs of names make the same prefix."""
        names = (cluster.encode(), link.encode())
        prefix = b"".join(struct.pack("!H", len(name)) + name for name in names)
        return cls(prefix, hashlib.blake2s(prefix, digest_size=4).digest())

    def tag(self, key: bytes, covered: bytes) -> bytes:
        """HMAC-SHA256 over the names, header and body."""
        return hmac.digest(key, self.prefix + covered, "sha256")


class Sealer:
    """Makes packets. One per core process: its sequences begin at 1 with each incarnation."""

    def __init__(self, cluster: str, keyring: Keyring) -> None:
        self._cluster = cluster
        self._keyring = keyring
        self._scopes: dict[str, Scope] = {}
        self._sequences: dict[tuple[int, str], int] = {}

    def seal(self, heartbeat: Heartbeat) -> bytes:
        """The packet of a Heartbeat that fits (see ``split``).

        It may be sent now, later or never: its sequence is its own. A goodbye that waits with the guard
        is admitted as long as less than 1024 later packets were sealed for that receiver and Link.
        """
        route = heartbeat.receiver, heartbeat.link
        self._sequences[route] = sequence = self._sequences.get(route, 0) + 1
        scope = self._scope(heartbeat.link)
        header = HEADER.pack(
            MAGIC,
            VERSION,
            self._keyring.sealing,
            heartbeat.sender,
            heartbeat.receiver,
            scope.short,
            heartbeat.incarnation,
            sequence,
        )
        covered = header + body_of(heartbeat)
        assert len(covered) <= PACKET_MAX - TAG_BYTES, f"{len(covered)} bytes: split was not asked"
        return covered + scope.tag(self._keyring.keys[self._keyring.sealing], covered)

    def _scope(self, link: str) -> Scope:
        if link not in self._scopes:
            self._scopes[link] = Scope.of(self._cluster, link)
        return self._scopes[link]


@dataclass(frozen=True)
class Opened:
    """An authentic packet that was not seen before.

    ``is_addressed``: the peer's present life, and it names ours; without that its report and its sign of life
    are all that is in it. ``is_news`` False: an unproved life beside a living one; nothing for the core.
    """

    heartbeat: Heartbeat
    is_addressed: bool
    is_news: bool = True


class Opener:
    """Opens packets for one voter's present life, and counts by reason what it refuses."""

    def __init__(
        self,
        cluster: str,
        keyring: Keyring,
        *,
        receiver: int,
        incarnation: int,
        peers: Iterable[int],
        links: Iterable[str],
        interval_ns: int,
    ) -> None:
        self._keys = keyring.keys
        self._receiver = receiver
        self._incarnation = incarnation
        self._scopes = {link: Scope.of(cluster, link) for link in links}
        # Ten beats of silence: a peer that is only late keeps its place. Three: time to answer.
        self._lives = {peer: Lives(10 * interval_ns, 3 * interval_ns) for peer in peers}
        self.rejected = dict.fromkeys(REASONS, 0)

    def candidate(self, peer: int) -> int:
        """The Incarnation of the peer that is still to be proved and must be named for that, or 0."""
        return self._lives[peer].candidate

    def open(self, packet: bytes, link: str, at_ns: int) -> Opened:
        """Authenticate, then parse, then refuse replays. Raises PacketRejected.

        ``link``: the Link of the socket that it came from. ``at_ns``: its arrival on our Lease clock.
        """
        try:
            return self._open(packet, link, at_ns)
        except PacketRejected as rejection:
            self.rejected[rejection.reason] += 1
            raise

    def _open(self, packet: bytes, link: str, at_ns: int) -> Opened:
        sender, incarnation, sequence = self._authenticated(packet, self._scopes[link])
        body = packet[HEADER.size : -TAG_BYTES]
        heartbeat = read_body(
            body, sender=sender, receiver=self._receiver, link=link, incarnation=incarnation
        )
        standing = self._lives[sender].admit(
            incarnation,
            link,
            sequence,
            names_us=heartbeat.hears_incarnation == self._incarnation,
            echo_ns=heartbeat.echo_sent_ns,
            at_ns=at_ns,
        )
        if standing is Standing.BELIEVED:
            return Opened(heartbeat, is_addressed=True)
        greeting = replace(heartbeat, hears_incarnation=0, messages=(), requests=(), transitions=())
        return Opened(greeting, is_addressed=False, is_news=standing is Standing.GREETING)

    def _authenticated(self, packet: bytes, scope: Scope) -> tuple[int, int, int]:
        """Sender, incarnation and sequence of a packet whose tag is right."""
        if not HEADER.size + TAG_BYTES < len(packet) <= PACKET_MAX:
            raise PacketRejected("size", f"{len(packet)} bytes, expected up to {PACKET_MAX}")
        magic, version, key_id, sender, receiver, short, incarnation, sequence = HEADER.unpack_from(packet)
        if magic != MAGIC:
            raise PacketRejected("magic", f"begins with {magic!r}, expected {MAGIC!r}")
        if version != VERSION:
            raise PacketRejected("version", f"version {version}, expected {VERSION}")
        if sender not in self._lives or receiver != self._receiver or short != scope.short:
            raise PacketRejected("addressing", f"from voter {sender} to {receiver}, or other cluster or Link")
        key = self._keys.get(key_id)
        if key is None:
            raise PacketRejected("key", f"key id {key_id} is not in this host's key file")
        if not hmac.compare_digest(packet[-TAG_BYTES:], scope.tag(key, packet[:-TAG_BYTES])):
            raise PacketRejected("tag", f"wrong tag under key id {key_id}")
        return sender, incarnation, sequence


class Endpoint:
    """One voter's end of the wire, as the core process and the simulator use it.

    Sees to two things that the core need not know: a Heartbeat that is too long leaves as several packets,
    and a peer's life that is still to be proved is named in place of the one that the core knows.
    """

    def __init__(self, sealer: Sealer, opener: Opener) -> None:
        self._sealer = sealer
        self._opener = opener
        self._named: dict[tuple[int, str], int] = {}  # by receiver and Link: candidate named last, 0 if none

    @property
    def rejected(self) -> Mapping[str, int]:
        """Refused packets by reason since start."""
        return self._opener.rejected

    def packets(self, heartbeat: Heartbeat) -> tuple[bytes, ...]:
        """What to send, in order; usually one packet. For the guard's goodbye: seal anew at each renewal."""
        route = heartbeat.receiver, heartbeat.link
        candidate = self._opener.candidate(heartbeat.receiver)
        # In turn with the life that is believed: if both ends held a replay for a candidate and named nothing
        # else, neither would ever hear its own life named again.
        self._named[route] = candidate if self._named.get(route, 0) != candidate else 0
        if self._named[route]:
            heartbeat = replace(heartbeat, hears_incarnation=candidate)
        return tuple(self._sealer.seal(part) for part in split(heartbeat, BODY_MAX))

    def open(self, packet: bytes, link: str, at_ns: int) -> Opened:
        """See `Opener.open`."""
        return self._opener.open(packet, link, at_ns)
