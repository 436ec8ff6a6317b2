"""The words in which facts are declared: once, for Nagios and for Zabbix alike.

A Fact belongs to a Service (the Nagios view: one line on the wall), a Service to a Scope (what it is
told of, and on whose host). An Alarm says when a Fact is bad, how bad in either system, for how long it
must have been so, and what an operator should do about it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ha_monitor.view import View

Value = int | float | str
REFRESH_S = 10  # everything is told again this often, changed or not
FRESH_S = 60  # Nagios calls a service stale after this
SILENT_S = 180  # Zabbix calls a host silent after this

_UNSAFE = re.compile(r"[^A-Za-z0-9_.:/@+-]")


class Level(enum.IntEnum):
    """A Nagios state."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class Severity(enum.Enum):
    """A Zabbix severity. DISASTER is kept for two Owners, nobody serving, a duplicate address."""

    INFO = "INFO"
    WARNING = "WARNING"
    AVERAGE = "AVERAGE"
    HIGH = "HIGH"
    DISASTER = "DISASTER"


class Kind(enum.Enum):
    """How Zabbix stores a value."""

    UNSIGNED = "UNSIGNED"
    FLOAT = "FLOAT"
    CHAR = "CHAR"
    TEXT = "TEXT"


class HostKind(enum.Enum):
    """On whose host a fact stands: each voter tells its own, the reporter tells the cluster's."""

    CLUSTER = "cluster"
    VOTER = "node"


@dataclass(frozen=True)
class Subject:
    """One thing a fact is told of: its names, in the order of the Scope's macros, and its row of the View."""

    view: View
    names: tuple[str, ...] = ()
    row: Any = None  # NodeView, LinkView, GroupView ... as the Scope says
    group: Any = None  # the GroupView around an address or a Resource


@dataclass(frozen=True)
class Scope:
    """A kind of thing that facts are told of. ``macros`` empty: the host itself, told without discovery."""

    name: str
    host: HostKind
    macros: tuple[str, ...]
    subjects: Callable[[View], Sequence[Subject]]


@dataclass(frozen=True)
class Service:
    """One Nagios service per subject; ``name`` holds a ``{}`` for each name of the subject that it shows.

    ``say``: the sentence when all is well. ``is_parent``: when it is CRITICAL or stale, the other services of
    its host keep quiet.
    """

    name: str
    scope: Scope
    say: Callable[[Subject], str]
    is_parent: bool = False

    def description(self, names: Sequence[str]) -> str:
        """The Nagios service description for this subject; only as many names as ``name`` has room for."""
        room = self.name.count("{}")
        return self.name.format(*names[len(names) - room :])


@dataclass(frozen=True)
class Above:
    """Bad while the value is greater than ``limit``."""

    limit: float

    def is_bad(self, value: Value, _others: Mapping[str, Value]) -> bool:
        """Whether the value is on the wrong side."""
        return not isinstance(value, str) and value > self.limit


@dataclass(frozen=True)
class Below:
    """Bad while the value is less than ``limit``, or than the Fact of that key in the same Scope."""

    limit: float | str

    def is_bad(self, value: Value, others: Mapping[str, Value]) -> bool:
        """Whether the value is on the wrong side; an unknown limit accuses nobody."""
        limit = others.get(self.limit) if isinstance(self.limit, str) else self.limit
        return not isinstance(value, str) and not isinstance(limit, str | None) and value < limit


@dataclass(frozen=True)
class Is:
    """Bad while the value is this code (of the value map)."""

    code: int

    def is_bad(self, value: Value, _others: Mapping[str, Value]) -> bool:
        """Whether the value is that code."""
        return value == self.code


@dataclass(frozen=True)
class Rose:
    """Bad for ``within_s`` after a counter rose by more than ``limit`` within that time."""

    limit: float
    within_s: int

    def is_bad(self, value: Value, _others: Mapping[str, Value]) -> bool:
        """Judged on the rise, which the judge remembers: ``value`` is that rise."""
        return not isinstance(value, str) and value > self.limit


Test = Above | Below | Is | Rose


@dataclass(frozen=True)
class Alarm:
    """When a Fact is bad. ``hold_s``: it must have been so this long, in both systems.

    ``what`` completes "HA group [www]: ..." and stands in the Nagios text; ``todo`` is for the operator.
    """

    test: Test
    what: str
    level: Level
    severity: Severity
    todo: str
    hold_s: int = 0


@dataclass(frozen=True)
class Fact:
    """One thing that the cluster tells the world.

    ``key``: Zabbix key without its brackets, an interface once released. ``args``: fixed parameters that
    follow the subject's names in the brackets. ``read`` returns None for unknown: then nothing is told.
    ``label``: name of the performance datum, empty for words. ``is_state``: a change is told at once.
    """

    key: str
    service: Service
    name: str
    description: str
    read: Callable[[Subject], Value | None]
    kind: Kind = Kind.UNSIGNED
    label: str = ""
    unit: str = ""
    args: tuple[str, ...] = ()
    value_map: str = ""
    alarms: tuple[Alarm, ...] = ()
    is_state: bool = False

    @property
    def scope(self) -> Scope:
        """What it is told of."""
        return self.service.scope

    @property
    def ident(self) -> str:
        """Unique among the facts of a Scope: the key with its fixed parameters."""
        return ".".join((self.key, *self.args))

    def full_key(self, names: Sequence[str]) -> str:
        """The Zabbix key for this subject (or for macros in place of names)."""
        parameters = (*names, *self.args)
        return f"{self.key}[{','.join(parameters)}]" if parameters else self.key


def safe_name(name: str) -> str:
    """A name that is safe in a Zabbix key, a JSONPath, a Nagios command and a performance label."""
    return _UNSAFE.sub("_", name)[:64] or "_"


def known(number: float) -> float | None:
    """The View writes -1 for unknown; facts are silent about it."""
    return None if number < 0 else number
