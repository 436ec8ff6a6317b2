"""Short ways to declare the commonest facts: a state, a yes or no, a number, a counter, words."""

from __future__ import annotations

from collections.abc import Callable

from ha_monitor.publish.declare import (
    Alarm,
    Fact,
    Kind,
    Level,
    Rose,
    Service,
    Severity,
    Subject,
    Test,
    Value,
    known,
)
from ha_monitor.publish.words import VALUE_MAPS

Read = Callable[[Subject], Value | None]


def alarm(test: Test, what: str, how_bad: tuple[Level, Severity], todo: str, hold_s: int = 0) -> Alarm:
    """An Alarm with both severities as one word, see NOTED to WORST below."""
    return Alarm(test, what, how_bad[0], how_bad[1], todo, hold_s)


NOTED = (Level.OK, Severity.INFO)
MILD = (Level.WARNING, Severity.WARNING)
POOR = (Level.WARNING, Severity.AVERAGE)
GRAVE = (Level.WARNING, Severity.HIGH)
SICK = (Level.CRITICAL, Severity.AVERAGE)
BAD = (Level.CRITICAL, Severity.HIGH)
WORST = (Level.CRITICAL, Severity.DISASTER)


def state(
    key: str,
    service: Service,
    name: str,
    description: str,
    value_map: str,
    word: Callable[[Subject], str],
    *alarms: Alarm,
    label: str = "state",
) -> Fact:
    """A closed set of words, published as numbers. A word outside the map is unknown, never a colour."""
    codes = VALUE_MAPS[value_map]
    return Fact(
        key,
        service,
        name,
        description,
        lambda subject: codes.get(word(subject)),
        label=label,
        value_map=value_map,
        alarms=alarms,
        is_state=True,
    )


def flag(
    key: str,
    service: Service,
    name: str,
    description: str,
    label: str,
    read: Callable[[Subject], bool | None],
    *alarms: Alarm,
) -> Fact:
    """A yes or no."""

    def number(subject: Subject) -> Value | None:
        answer = read(subject)
        return None if answer is None else int(answer)

    return Fact(
        key,
        service,
        name,
        description,
        number,
        label=label,
        value_map="HA yes or no",
        alarms=alarms,
        is_state=True,
    )


def number(
    key: str,
    service: Service,
    name: str,
    description: str,
    label: str,
    read: Callable[[Subject], float | int | None],
    *alarms: Alarm,
    unit: str = "",
    kind: Kind = Kind.UNSIGNED,
    args: tuple[str, ...] = (),
    is_state: bool = False,
) -> Fact:
    """A measure. -1, the View's word for unknown, is not told."""

    def value(subject: Subject) -> Value | None:
        found = read(subject)
        if found is None or known(found) is None:
            return None
        return int(found) if kind is Kind.UNSIGNED else round(float(found), 3)

    return Fact(
        key,
        service,
        name,
        description,
        value,
        kind=kind,
        label=label,
        unit=unit,
        args=args,
        alarms=alarms,
        is_state=is_state,
    )


def counter(
    key: str,
    service: Service,
    name: str,
    description: str,
    label: str,
    read: Callable[[Subject], int | None],
    *alarms: Alarm,
) -> Fact:
    """A number that only grows, until the daemon restarts."""
    assert all(isinstance(a.test, Rose) for a in alarms), f"{key}: a counter is judged by how it rose"
    return number(key, service, name, description, label, read, *alarms, unit="c")


def words(
    key: str,
    service: Service,
    name: str,
    description: str,
    read: Callable[[Subject], str | None],
    kind: Kind = Kind.CHAR,
    args: tuple[str, ...] = (),
    is_state: bool = True,
) -> Fact:
    """Words for people: in Nagios only where the service's sentence uses them."""
    return Fact(key, service, name, description, read, kind=kind, args=args, is_state=is_state)
