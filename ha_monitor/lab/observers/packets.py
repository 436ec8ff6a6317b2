"""The probe's packets: a question with the time of its sending, an answer that adds the host."""

from __future__ import annotations

import struct

PORT = 7007
_MAGIC = b"HAprobe1"
_QUESTION = struct.Struct("!8sQ")


def question(sent_ns: int) -> bytes:
    """One probe."""
    return _QUESTION.pack(_MAGIC, sent_ns)


def answer(packet: bytes, host: bytes) -> bytes | None:
    """The answer to a probe, or None when the packet is none."""
    if len(packet) != _QUESTION.size or not packet.startswith(_MAGIC):
        return None
    return packet + host


def parse_answer(packet: bytes) -> tuple[int, bytes] | None:
    """When the answered probe was sent, and who answered; None when the packet is no answer."""
    if len(packet) <= _QUESTION.size or not packet.startswith(_MAGIC):
        return None
    return _QUESTION.unpack_from(packet)[1], packet[_QUESTION.size :]
