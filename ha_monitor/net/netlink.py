"""Netlink framing: messages, attributes, acknowledgements, dumps, nfnetlink batches.

For rtnetlink and nftables alike. A request is handled by the kernel inside ``send``, so its answer
lies ready when ``send`` returns; nothing here waits longer than ANSWER_WAIT_MS.
Layout: linux/netlink.h, linux/netfilter/nfnetlink.h.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ha_monitor.errors import NetlinkError

NLM_F_REQUEST, NLM_F_ACK = 0x1, 0x4
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = 0x100, 0x200, 0x400, 0x800
NLM_F_DUMP = 0x300
NLM_F_DUMP_INTR, NLM_F_ACK_TLVS = 0x10, 0x200  # in answers
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLMSGERR_ATTR_MSG = 1
NLA_F_NESTED, NLA_TYPE_MASK = 0x8000, 0x3FFF
NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END = 16, 17

SOL_NETLINK = 270
NETLINK_CAP_ACK, NETLINK_EXT_ACK = 10, 11

ANSWER_WAIT_MS = 50  # never used up in practice: the answer is there when send returns
DUMP_TRIES = 3  # a dump that was interrupted by a change is taken again this often
RECEIVE_BYTES = 1 << 16

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
ATTRIBUTE = struct.Struct("=HH")  # length, type
ERROR = struct.Struct("=i")


class Message(NamedTuple):
    """One message without its length, sequence and port, which are the socket's affair."""

    kind: int
    flags: int
    body: bytes


class KernelRefused(NetlinkError):
    """The kernel refused a request; ``errno`` says why, the text what was asked."""

    def __init__(self, what: str, number: int, detail: str = "") -> None:
        text = f"{what}: {os.strerror(number)} ({errno.errorcode.get(number, number)})"
        super().__init__(f"{text}; {detail}" if detail else text)
        self.errno = number


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to 4 bytes."""
    return ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attribute(kind | NLA_F_NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    """A string attribute, closed by a zero byte."""
    return attribute(kind, value.encode() + b"\0")


def iter_attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each attribute; ends quietly where the data ends or makes no sense."""
    at = 0
    while at + 4 <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if length < 4 or at + length > len(data):
            return
        yield kind & NLA_TYPE_MASK, data[at + 4 : at + length]
        at += (length + 3) & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes by type; of several of one type the last."""
    return dict(iter_attributes(data))


class Received(NamedTuple):
    """One message as it came."""

    kind: int
    flags: int
    sequence: int
    port: int
    body: bytes


def iter_messages(packet: bytes) -> Iterator[Received]:
    """The messages of one datagram; ends quietly where a length makes no sense."""
    at = 0
    while at + 16 <= len(packet):
        length, kind, flags, sequence, port = HEADER.unpack_from(packet, at)
        if length < 16 or at + length > len(packet):
            return
        yield Received(kind, flags, sequence, port, packet[at + 16 : at + length])
        at += (length + 3) & ~3


def error_of(message: Received) -> tuple[int, str]:
    """(errno, the kernel's own words) of an NLMSG_ERROR; errno 0 is an acknowledgement."""
    number = -ERROR.unpack_from(message.body)[0]
    if not number or not message.flags & NLM_F_ACK_TLVS:
        return number, ""
    # With NETLINK_CAP_ACK only the header of the refused message stands before the attributes.
    said = attributes(message.body[4 + 16 :]).get(NLMSGERR_ATTR_MSG, b"")
    return number, said.rstrip(b"\0").decode(errors="replace")


def encode(messages: Sequence[Message], first_sequence: int) -> bytes:
    """The messages as one datagram, numbered from ``first_sequence``."""
    parts = []
    for sequence, (kind, flags, body) in enumerate(messages, first_sequence):
        parts.append(HEADER.pack(16 + len(body), kind, flags | NLM_F_REQUEST, sequence, 0))
        parts.append(body + bytes(-len(body) % 4))
    return b"".join(parts)


class NetlinkSocket:
    """A socket for requests, opened once and kept. Not for events: see monitor.py."""

    def __init__(self, protocol: int) -> None:
        """Raises NetlinkError where the kernel has no such protocol."""
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
            self._socket.bind((0, 0))
        except OSError as error:
            raise KernelRefused(f"open netlink protocol {protocol}", error.errno or 0) from error
        for option in (NETLINK_EXT_ACK, NETLINK_CAP_ACK):
            with contextlib.suppress(OSError):  # older kernels: errors without words
                self._socket.setsockopt(SOL_NETLINK, option, 1)
        self.port: int = self._socket.getsockname()[0]
        self._sequence = 0

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def request(self, what: str, message: Message) -> None:
        """Ask for a change and read the acknowledgement. Raises KernelRefused."""
        self.transact(what, [message._replace(flags=message.flags | NLM_F_ACK)])

    def transact(self, what: str, messages: Sequence[Message]) -> None:
        """Send all in one datagram, read up to the last one's answer (it must ask for an ACK).

        Raises KernelRefused for the first refusal of any of them.
        """
        first = self._next_sequences(len(messages))
        waits_for = max(first + i for i, m in enumerate(messages) if m.flags & NLM_F_ACK)
        self._send(what, encode(messages, first))
        refused: KernelRefused | None = None
        while True:
            for answer in iter_messages(self._receive(what)):
                if answer.kind != NLMSG_ERROR or answer.sequence < first:
                    continue  # the rest of an older answer
                number, said = error_of(answer)
                if number and refused is None:
                    refused = KernelRefused(what, number, said)
                if answer.sequence >= waits_for:
                    if refused is not None:
                        raise refused
                    return

    def dump(self, what: str, kind: int, body: bytes) -> list[Received]:
        """Everything the kernel lists. Raises KernelRefused."""
        for _ in range(DUMP_TRIES):
            whole, found = self._dump_once(what, kind, body)
            if whole:
                return found
        return found

    def _dump_once(self, what: str, kind: int, body: bytes) -> tuple[bool, list[Received]]:
        sequence = self._next_sequences(1)
        self._send(what, encode([Message(kind, NLM_F_DUMP, body)], sequence))
        found: list[Received] = []
        while True:
            for answer in iter_messages(self._receive(what)):
                if answer.sequence != sequence:
                    continue
                if answer.kind == NLMSG_ERROR and error_of(answer)[0]:
                    raise KernelRefused(what, *error_of(answer))
                if answer.kind == NLMSG_DONE:
                    whole = not any(m.flags & NLM_F_DUMP_INTR for m in (*found, answer))
                    return whole, found
                found.append(answer)

    def _next_sequences(self, count: int) -> int:
        if self._sequence + count > 0x7FFFFFFF:
            self._sequence = 0
        first = self._sequence + 1
        self._sequence += count
        return first

    def _send(self, what: str, packet: bytes) -> None:
        try:
            self._socket.send(packet)
        except OSError as error:
            raise KernelRefused(what, error.errno or 0, "not sent") from error

    def _receive(self, what: str) -> bytes:
        try:
            return self._socket.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass
        except OSError as error:
            raise KernelRefused(what, error.errno or 0, "no answer read") from error
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(ANSWER_WAIT_MS):
            raise KernelRefused(what, errno.ETIMEDOUT, f"no answer within {ANSWER_WAIT_MS} ms")
        return self._socket.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
