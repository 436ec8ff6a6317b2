"""When two states of a machine are the same: its canonical form, and a cheap way to copy it.

Every moment is told relative to now, so that a cluster which does the same thing later is in the same state.
Moments are known by their size: simulated clocks begin far above any length of time and any counter. What
only the published picture reads (loss, round trips, stalls, journal) is left out: IGNORED.
"""

from __future__ import annotations

import dataclasses
import enum
import io
import ipaddress
import marshal
import pickle
import types
from collections import deque
from collections.abc import Callable
from typing import Any

from ha_monitor.model import REPORTER, ClusterConfig, Group, Resource, Timing, Voter
from ha_monitor.timebase import SECOND

START_NS = 1_000_000 * SECOND  # where every simulated clock begins
_MOMENT_NS = START_NS // 2  # any number above is a moment

CONFIGURED = (ClusterConfig, Group, Resource, Timing, Voter)  # never changes in an explored world
IGNORED = {
    "Situation": {"config", "me", "stalls", "out"},
    "Tenure": {"margins", "moves", "links"},
    "ClusterCore": {"transitions", "duplicates", "competing", "reporter_changes", "_reporter"},
    "Speech": {"_spread"},
    "Peer": {"changes"},
    "LinkWatch": {"rtt_ns", "jitter_ns", "late", "_is_late", "beats", "sent_ns"},
    # When it was seen is told to people only; who has it under which Epoch is decided upon.
    "Passage": {"last_sign_ns", "stopping_ns", "released_ns", "seek_ns", "won_ns"},
    "ResourceRecord": {"since_ns", "detail", "start_ms", "stop_ms"},
    "VoterSeat": {"is_dirty", "turned_away"},
}
_LEFT_OUT = (
    *CONFIGURED,
    types.MethodType,
    types.FunctionType,
    ipaddress.IPv4Address,
    ipaddress.IPv4Interface,
)
_PLAIN = frozenset((str, bytes, float, type(None), bool))


def freeze(thing: object, now_ns: int) -> bytes:
    """The canonical form of anything that a machine holds, the same bytes for the same state."""
    # Version 2 of marshal: later ones tell which parts are one object, which is no part of the state.
    return marshal.dumps(_Freezer(now_ns).frozen(thing), 2)


class _Freezer:
    """Walks through everything once; ``seen`` keeps it from walking in circles."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self.seen: set[int] = set()

    def frozen(self, thing: Any) -> Any:
        kind = thing.__class__
        if kind is int:
            return (thing - self.now_ns,) if thing > _MOMENT_NS else thing
        if kind in _PLAIN:
            return thing
        how = _ways.get(kind)
        if how is None:
            how = _ways[kind] = _way(kind)
        return how(self, thing)

    def sequence(self, thing: Any) -> Any:
        return tuple([self.frozen(item) for item in thing])

    def mapping(self, thing: Any) -> Any:
        if len(thing) < 2:
            return tuple([(self.frozen(key), self.frozen(value)) for key, value in thing.items()])
        # The pseudo-group asks for nothing in an explored world, so its tenure decides nothing.
        items = [(self.frozen(k), self.frozen(v)) for k, v in thing.items() if k != REPORTER]
        return tuple(sorted(items, key=repr))

    def collection(self, thing: Any) -> Any:
        return tuple(sorted([self.frozen(item) for item in thing], key=repr))

    def value(self, thing: Any) -> Any:
        """What cannot change is no less the same for being one object or two."""
        return (thing.__class__.__name__, *[self.frozen(getattr(thing, name)) for name in _names(thing)])

    def thing(self, thing: Any) -> Any:
        if id(thing) in self.seen:
            return ("again", thing.__class__.__name__)
        self.seen.add(id(thing))
        return self.value(thing)

    def name(self, thing: Any) -> Any:
        return thing.name

    def nothing(self, thing: Any) -> Any:  # noqa: ARG002  one signature for all ways
        return None


_ways: dict[type, Callable[[_Freezer, Any], Any]] = {}
_known_names: dict[tuple[Any, ...], tuple[str, ...]] = {}


def _way(kind: type) -> Callable[[_Freezer, Any], Any]:
    if issubclass(kind, _LEFT_OUT):
        return _Freezer.nothing
    if issubclass(kind, tuple | list | deque):
        return _Freezer.sequence
    if issubclass(kind, dict):
        return _Freezer.mapping
    if issubclass(kind, set | frozenset):
        return _Freezer.collection
    if issubclass(kind, enum.Enum):
        return _Freezer.name
    if dataclasses.is_dataclass(kind) and kind.__hash__ is not None:
        return _Freezer.value
    return _Freezer.thing


def _names(thing: Any) -> tuple[str, ...]:
    """What of an object is part of the state; an attribute that came later than others counts as well."""
    key = (thing.__class__, *vars(thing))
    names = _known_names.get(key)
    if names is None:
        left_out: set[str] = set().union(*(IGNORED.get(base.__name__, set()) for base in key[0].__mro__))
        names = _known_names[key] = tuple(name for name in sorted(vars(thing)) if name not in left_out)
    return names


class _Pieces:
    """What is configured stands outside every copy."""

    def __init__(self) -> None:
        self.by_number: list[object] = []
        self.numbers: dict[int, int] = {}

    def number_of(self, piece: object) -> int:
        if id(piece) not in self.numbers:
            self.numbers[id(piece)] = len(self.by_number)
            self.by_number.append(piece)
        return self.numbers[id(piece)]


_pieces = _Pieces()


def _piece(number: int) -> object:
    return _pieces.by_number[number]


class _Copier(pickle.Pickler):
    dispatch_table = {  # noqa: RUF012  the name that pickle looks for
        kind: lambda piece: (_piece, (_pieces.number_of(piece),)) for kind in CONFIGURED
    }


def copied(machine: object) -> bytes:
    """A copy that `restored` gives back in this process."""
    buffer = io.BytesIO()
    _Copier(buffer, protocol=5).dump(machine)
    return buffer.getvalue()


def restored(copy: bytes) -> Any:
    """The object as it was."""
    return pickle.loads(copy)
