"""The reference page of all facts: what an operator sees, in which system, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from ha_monitor.provision.zabbix_trigger import thing
from ha_monitor.publish.declare import Above, Alarm, Below, Fact, HostKind, Is, Level, Rose, Scope
from ha_monitor.publish.facts import EVENT_KEY, EVENT_QUIET_S, EVENT_SERVICE, facts_of, scopes
from ha_monitor.publish.words import VALUE_MAPS, word_of

_HEAD = f"""\
# Facts

Made by `ha-monitor export facts` from the catalogue in `ha_monitor/publish/`. Keys and service names are an
interface: they stay.

Each Node and the Witness tells of itself on its own host, also when it hears nobody. The cluster's host,
named after the cluster, is told by one Node at a time, the holder of the Lease `_reporter`; while no Node is
online the Witness tells it. Everything is told every 10 s, and a change of a state at once.

An alarm that must hold raises nothing before it has lasted that long, in both systems. Thresholds are
macros of the templates in Zabbix; in Nagios they are the daemon's.

Each change of an Owner is an event of its own, with the time at which it happened: in Nagios a result of the
volatile service `{EVENT_SERVICE.format("GROUP")}` on the cluster's host, in Zabbix a value of `{EVENT_KEY}`.
A failure is a WARNING, CRITICAL if nobody took over; it ends after {EVENT_QUIET_S // 60} minutes without
another one.
"""


def facts_page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for host, title in (
        (HostKind.CLUSTER, "The cluster's host"),
        (HostKind.VOTER, "Each Node and the Witness"),
    ):
        parts.append(f"\n## {title}\n")
        parts += [_scope(scope) for scope in scopes(host)]
    parts.append("\n## Words and their numbers\n\n")
    parts += [
        f"- {name}: {', '.join(f'{w} {c}' for w, c in words.items())}\n" for name, words in VALUE_MAPS.items()
    ]
    return "".join(parts)


def _scope(scope: Scope) -> str:
    facts = facts_of(scope)
    title = dict.fromkeys(thing(fact) for fact in facts)
    rows = "".join(_row(fact) for fact in facts)
    alarms = "".join(f"- {line}\n" for fact in facts for line in _alarms(fact))
    table = f"| Zabbix key | in Nagios | what it is |\n| --- | --- | --- |\n{rows}"
    return f"\n### {', '.join(title)}\n\n{table}" + (f"\n{alarms}" if alarms else "")


def _row(fact: Fact) -> str:
    shown = f"{fact.service.name.replace('{}', 'NAME')}: `{fact.label}`" if fact.label else "in the sentence"
    return f"| `{fact.full_key(fact.scope.macros)}` | {shown} | {fact.description} |\n"


def _alarms(fact: Fact) -> Iterator[str]:
    for alarm in fact.alarms:
        nagios = alarm.level.name if alarm.level > Level.OK else "nothing"
        held = f" for {alarm.hold_s} s" if alarm.hold_s else ""
        yield (
            f"`{fact.key}` {_when(fact, alarm)}{held}: {alarm.what}. Nagios: {nagios}; Zabbix:"
            f" {alarm.severity.value.lower()}. {alarm.todo}"
        )


def _when(fact: Fact, alarm: Alarm) -> str:
    match alarm.test:
        case Is(code):
            return word_of(fact.value_map, code)
        case Rose(limit, within_s):
            return f"rose by more than {limit:g} within {within_s} s"
        case Above(limit):
            return f"above {limit:g}"
        case Below(limit):
            return f"below {limit if isinstance(limit, str) else format(limit, 'g')}"
