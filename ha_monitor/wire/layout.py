"""The body of a packet: a Heartbeat's report and messages as bytes, and back.

One table per record, read in both directions, so that writer and reader cannot disagree. Numbers are
big-endian. Group and Link names stand once, in a table at the front, and are named by their position:
eight groups with all their Lease messages fit one packet. The reader bounds every count, trusts no
length and takes no byte too many; what it refuses is PacketRejected("layout"). It is only
ever called on bytes whose tag was right.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from ha_monitor.errors import PacketRejected
from ha_monitor.messages import (
    Accept,
    Answer,
    Ask,
    Asked,
    GroupReport,
    Heard,
    Heartbeat,
    HoldNote,
    LeaseMessage,
    MaintenanceNote,
    NodeReport,
    Prepare,
    Promise,
    Propose,
    Refuse,
    Release,
    SwitchRequest,
    TransitionNote,
)
from ha_monitor.model import Ballot, Cause, GroupState, Hold, NodeState, TransitionKind

GROUPS_MAX = 17  # what may be configured, and the pseudo-group of the reporter
VOTERS_MAX = 16
HEARD_MAX = 64
MESSAGES_MAX = 128
REQUESTS_MAX = 8
TRANSITIONS_MAX = 32
PHASES_MAX = 8
NAMES_MAX = 32
NAME_BYTES_MAX = 32
REASON_BYTES_MAX = 40
VERSION_BYTES_MAX = 24
DIGEST_BYTES_MAX = 16
WHY_BYTES_MAX = 80
WHO_BYTES_MAX = 32
IDENT_BYTES_MAX = 128
SENTENCE_BYTES_MAX = 240
HOST_BYTES_MAX = 63
EPOCH_BYTES_MAX = 64
PHASE_BYTES_MAX = 16


class Writer:
    """Collects a body; names that are written go into the table in front of it."""

    __slots__ = ("body", "names")

    def __init__(self) -> None:
        self.body = bytearray()
        self.names: dict[str, int] = {}

    def packed(self) -> bytes:
        """The table of names, then what was written."""
        assert len(self.names) <= NAMES_MAX, f"{len(self.names)} names in one packet"
        table = bytearray([len(self.names)])
        for name in self.names:
            table += _short(name, NAME_BYTES_MAX)
        return bytes(table + self.body)


class Reader:
    """Gives a body's bytes out from front to back, never beyond the end."""

    __slots__ = ("at", "body", "names")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0
        self.names: tuple[str, ...] = ()
        self.names = tuple(_get_text(self, NAME_BYTES_MAX) for _ in range(_get_count(self, NAMES_MAX)))

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        end = self.at + size
        if end > len(self.body):
            raise PacketRejected("layout", f"ends {end - len(self.body)} bytes early")
        taken, self.at = self.body[self.at : end], end
        return taken

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        """The next fields of a fixed form."""
        return form.unpack(self.take(form.size))


class Kind(NamedTuple):
    """How one sort of value is written and read."""

    put: Callable[[Writer, Any], None]
    get: Callable[[Reader], Any]


def _short(text: str, most: int) -> bytes:
    # Cut between characters, never inside one: the reader is strict about UTF-8.
    cut = text.encode()[:most].decode(errors="ignore").encode()
    return bytes([len(cut)]) + cut


def _get_count(reader: Reader, most: int) -> int:
    count = reader.take(1)[0]
    if count > most:
        raise PacketRejected("layout", f"{count} of something that there are at most {most} of")
    return count


def _get_text(reader: Reader, most: int) -> str:
    raw = reader.take(_get_count(reader, most))
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise PacketRejected("layout", "text that is not UTF-8") from error


def _number(form: str, clamp: int = 0) -> Kind:
    """A number of a fixed size. ``clamp``: what a larger one is written as, 0 for a mistake of ours."""
    packer = struct.Struct(form)

    def put(writer: Writer, value: int) -> None:
        writer.body += packer.pack(min(value, clamp) if clamp else value)

    def get(reader: Reader) -> int:
        return int(reader.unpack(packer)[0])

    return Kind(put, get)


def _text(most: int) -> Kind:
    def put(writer: Writer, value: str) -> None:
        writer.body += _short(value, most)

    return Kind(put, lambda reader: _get_text(reader, most))


def _member(kind: type[enum.Enum]) -> Kind:
    """A member of a closed list, by its position there (pinned by a test)."""
    members = tuple(kind)
    position = {member: at for at, member in enumerate(members)}

    def put(writer: Writer, value: enum.Enum) -> None:
        writer.body.append(position[value])

    def get(reader: Reader) -> enum.Enum:
        return members[_get_count(reader, len(members) - 1)]

    return Kind(put, get)


def _word(kind: type[enum.Enum]) -> Kind:
    """The value of a member of a closed list, by its position there."""
    member = _member(kind)
    return Kind(
        lambda writer, value: member.put(writer, kind(value)), lambda reader: str(member.get(reader).value)
    )


_FLOAT_FORM = struct.Struct("!d")


def _put_float(writer: Writer, value: float) -> None:
    writer.body += _FLOAT_FORM.pack(value)


def _get_float(reader: Reader) -> float:
    value = float(reader.unpack(_FLOAT_FORM)[0])
    if not math.isfinite(value):
        raise PacketRejected("layout", f"{value} where a number should stand")
    return value


def _put_name(writer: Writer, value: str) -> None:
    writer.body.append(writer.names.setdefault(value, len(writer.names)))


def _get_name(reader: Reader) -> str:
    at = reader.take(1)[0]
    if at >= len(reader.names):
        raise PacketRejected("layout", f"name {at} of {len(reader.names)}")
    return reader.names[at]


def _put_flag(writer: Writer, value: bool) -> None:
    writer.body.append(1 if value else 0)


def _get_flag(reader: Reader) -> bool:
    return bool(_get_count(reader, 1))


_BALLOT_FORM = struct.Struct("!QBQ")


def _put_ballot(writer: Writer, value: Ballot) -> None:
    writer.body += _BALLOT_FORM.pack(*value)


def _get_ballot(reader: Reader) -> Ballot:
    return Ballot(*reader.unpack(_BALLOT_FORM))


def _several(kind: Kind, most: int) -> Kind:
    def put(writer: Writer, values: tuple[Any, ...]) -> None:
        assert len(values) <= most, f"{len(values)} values where at most {most} may stand"
        writer.body.append(len(values))
        for value in values:
            kind.put(writer, value)

    def get(reader: Reader) -> tuple[Any, ...]:
        return tuple(kind.get(reader) for _ in range(_get_count(reader, most)))

    return Kind(put, get)


def _record(make: type, **fields: Kind) -> Kind:
    """A frozen value, field by field in the order given."""
    names = {field.name for field in dataclasses.fields(make)}
    assert names == set(fields), f"{make.__name__} has {names}, its table says {set(fields)}"
    pairs = tuple(fields.items())

    def put(writer: Writer, value: Any) -> None:
        for name, kind in pairs:
            kind.put(writer, getattr(value, name))

    def get(reader: Reader) -> Any:
        return make(**{name: kind.get(reader) for name, kind in pairs})

    return Kind(put, get)


class _Once:
    """Remembers what it wrote last: every packet of a beat bears the same report."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._value: Any = None
        self._written = Writer()

    def put(self, writer: Writer, value: Any) -> None:
        assert not writer.names, "this is the first that writes names, so its own stand first in the table"
        if value is not self._value:
            self._written = Writer()
            self._kind.put(self._written, value)
            self._value = value
        writer.body += self._written.body
        writer.names.update(self._written.names)


_U64, _VOTER, _SUCCESSOR = _number("!Q"), _number("!B"), _number("!b")
_U32 = _number("!I", clamp=2**32 - 1)
_NAME, _FLAG, _BALLOT = Kind(_put_name, _get_name), Kind(_put_flag, _get_flag), Kind(_put_ballot, _get_ballot)

_MESSAGES: dict[type, Kind] = {  # the position is the code on the wire: append only
    Ask: _record(Ask, group=_NAME, released=_BALLOT),
    Asked: _record(
        Asked,
        group=_NAME,
        answer=_member(Answer),
        owner=_VOTER,
        epoch=_BALLOT,
        remaining_ns=_U64,
        released=_BALLOT,
    ),
    Prepare: _record(Prepare, group=_NAME, ballot=_BALLOT),
    Promise: _record(Promise, group=_NAME, ballot=_BALLOT, voter_incarnation=_U64, is_open=_FLAG),
    Propose: _record(
        Propose, group=_NAME, ballot=_BALLOT, sending=_U64, voter_incarnation=_U64, hold_ns=_U64
    ),
    Accept: _record(Accept, group=_NAME, ballot=_BALLOT, sending=_U64, voter_incarnation=_U64),
    Refuse: _record(Refuse, group=_NAME, asked=_BALLOT, promised=_BALLOT),
    Release: _record(Release, group=_NAME, ballot=_BALLOT, successor=_SUCCESSOR, cause=_member(Cause)),
}
_CODES = {kind: code for code, kind in enumerate(_MESSAGES)}
_KINDS = tuple(_MESSAGES.values())


def _put_message(writer: Writer, message: LeaseMessage) -> None:
    writer.body.append(_CODES[type(message)])
    _MESSAGES[type(message)].put(writer, message)


def _get_message(reader: Reader) -> LeaseMessage:
    message: LeaseMessage = _KINDS[_get_count(reader, len(_KINDS) - 1)].get(reader)
    return message


_HOLD = _record(HoldNote, number=_U32, hold=_member(Hold), node=_SUCCESSOR)
_GROUP_REPORT = _record(
    GroupReport,
    group=_NAME,
    state=_member(GroupState),
    epoch=_BALLOT,
    is_eligible=_FLAG,
    reason=_text(REASON_BYTES_MAX),
    is_open=_FLAG,
    hold=_HOLD,
)
_HEARD = _record(Heard, voter=_VOTER, link=_NAME, is_heard=_FLAG)
_MAINTENANCE = _record(
    MaintenanceNote, number=_U64, remaining_ns=_U64, why=_text(WHY_BYTES_MAX), who=_text(WHO_BYTES_MAX)
)
_REPORT = _record(
    NodeReport,
    state=_member(NodeState),
    groups=_several(_GROUP_REPORT, GROUPS_MAX),
    heard=_several(_HEARD, HEARD_MAX),
    config_digest=_text(DIGEST_BYTES_MAX),
    version=_text(VERSION_BYTES_MAX),
    stall_max_ms=_U32,
    uptime_s=_U32,
    maintenance=_MAINTENANCE,
)
_REQUEST = _record(SwitchRequest, order_id=_U64, group=_NAME, target=_SUCCESSOR)
_PHASE_NAME = _text(PHASE_BYTES_MAX)


def _put_phase(writer: Writer, value: tuple[str, float]) -> None:
    _PHASE_NAME.put(writer, value[0])
    _put_float(writer, value[1])


def _get_phase(reader: Reader) -> tuple[str, float]:
    return _PHASE_NAME.get(reader), _get_float(reader)


_TRANSITION = _record(
    TransitionNote,
    ident=_text(IDENT_BYTES_MAX),
    group=_NAME,
    at_ns=_U64,
    kind=_word(TransitionKind),
    cause=_word(Cause),
    sentence=_text(SENTENCE_BYTES_MAX),
    node_from=_text(HOST_BYTES_MAX),
    node_to=_text(HOST_BYTES_MAX),
    epoch=_text(EPOCH_BYTES_MAX),
    phases_ms=_several(Kind(_put_phase, _get_phase), PHASES_MAX),
)
_BODY: dict[str, Kind] = {
    "hears_incarnation": _U64,
    "sent_ns": _U64,
    "echo_sent_ns": _U64,
    "echo_held_ns": _U64,
    "report": Kind(_Once(_REPORT).put, _REPORT.get),
    "messages": _several(Kind(_put_message, _get_message), MESSAGES_MAX),
    "requests": _several(_REQUEST, REQUESTS_MAX),
    "transitions": _several(_TRANSITION, TRANSITIONS_MAX),
}


def body_of(heartbeat: Heartbeat) -> bytes:
    """Everything of the Heartbeat that is not in the header; long texts are cut to their bounds."""
    writer = Writer()
    for name, kind in _BODY.items():
        kind.put(writer, getattr(heartbeat, name))
    return writer.packed()


def read_body(body: bytes, *, sender: int, receiver: int, link: str, incarnation: int) -> Heartbeat:
    """The Heartbeat of a body and its header. Raises PacketRejected("layout")."""
    reader = Reader(body)
    fields = {name: kind.get(reader) for name, kind in _BODY.items()}
    if reader.at != len(body):
        raise PacketRejected("layout", f"{len(body) - reader.at} bytes too many")
    return Heartbeat(sender=sender, receiver=receiver, link=link, incarnation=incarnation, **fields)
