"""The probe's packets: a question with the time of its sending, an answer that adds the host."""

from __future__ import annotations

import struct
from dataclasses import dataclass

PORT = 7007
_MAGIC = b"HAprobe1"
_QUESTION = struct.Struct("!8sQ")
_LATE = struct.Struct("!Q")
_ANSWER_SIZE_MIN = _QUESTION.size + _LATE.size


@dataclass(frozen=True)
class ProbeAnswer:
    """Who answered a probe, when it was sent, and how long the answering program was late."""

    host: bytes
    sent_ns: int
    late_ns: int


def question(sent_ns: int) -> bytes:
    """One probe."""
    return _QUESTION.pack(_MAGIC, sent_ns)


def answer(packet: bytes, host: bytes, late_ns: int) -> bytes | None:
    """The answer to a probe, or None when the packet is none.

    ``late_ns``: how long the packet lay in the host before the program that answers got to it.
    """
    if len(packet) != _QUESTION.size or not packet.startswith(_MAGIC):
        return None
    return packet + _LATE.pack(late_ns) + host


def parse_answer(packet: bytes) -> ProbeAnswer | None:
    """What an answer says; None when the packet is no answer."""
    if len(packet) <= _ANSWER_SIZE_MIN or not packet.startswith(_MAGIC):
        return None
    sent_ns = _QUESTION.unpack_from(packet)[1]
    late_ns = _LATE.unpack_from(packet, _QUESTION.size)[0]
    return ProbeAnswer(packet[_ANSWER_SIZE_MIN:], sent_ns, late_ns)
