"""The README beside each template: what it needs, and a table of all items and triggers."""

from __future__ import annotations

from collections.abc import Iterator

from ha_monitor.provision.zabbix_template import Template
from ha_monitor.provision.zabbix_trigger import Trigger, macros_of, thing
from ha_monitor.publish.declare import Fact, HostKind
from ha_monitor.publish.facts import CATALOGUE, EVENT_KEY, RAW_KEY, TICK_KEY

_HEAD = """\
# {name}

Made by `ha-monitor export zabbix` from the catalogue of facts; for Zabbix 6.0 and newer.

{description}

## Setup

`ha-monitor provision zabbix` creates host groups, hosts and templates through the API. By hand: import the
template, create a host named after {host}, link the template to it. No interface and no agent is
needed: ha-monitor sends values to the trapper port of the server or a proxy.

All values come in one item, `{raw}`, which keeps no history; the others pick from it. `{tick}` tells that
somebody reports.{event}
"""
_EVENT = """
`{event}` gets each change of an Owner with its own time stamp, also after the monitoring server was away."""


def readme_text(template: Template) -> str:
    """The whole file."""
    facts = tuple(fact for fact in CATALOGUE if fact.scope.host is template.kind)
    is_cluster = template.kind is HostKind.CLUSTER
    head = _HEAD.format(
        name=template.name,
        description=template.description,
        host="the cluster" if is_cluster else "each Node and the Witness",
        raw=RAW_KEY,
        tick=TICK_KEY,
        event=_EVENT.format(event=EVENT_KEY) if is_cluster else "",
    )
    parts = (
        ("Items", ("Name", "Key", "Description"), _items(facts)),
        ("Triggers", ("Name", "Severity", "Expression"), _triggers(template, facts)),
        ("Macros", ("Macro", "Default", "Used for"), macros_of(facts)),
    )
    return head + "".join(f"\n## {title}\n\n{_table(columns, rows)}" for title, columns, rows in parts)


def _items(facts: tuple[Fact, ...]) -> Iterator[tuple[str, ...]]:
    for fact in facts:
        yield f"{thing(fact)}: {fact.name}", f"`{fact.full_key(fact.scope.macros)}`", fact.description


def _triggers(template: Template, facts: tuple[Fact, ...]) -> Iterator[tuple[str, ...]]:
    for fact in facts:
        for alarm in fact.alarms:
            trigger = Trigger(template.name, fact, alarm)
            expression = trigger.expression.replace(f"/{template.name}/", "//")
            yield trigger.name, alarm.severity.value.lower(), f"`{expression}`"


def _table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
