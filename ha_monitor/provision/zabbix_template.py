"""Zabbix templates from the catalogue: one for the cluster's host, one for Nodes and Witness.

Written for 6.0, which 7.0 imports unchanged. One master item carries everything; items and discovery rules
depend on it. Each object's uuid is derived from what it is, so that a new export changes nothing that stayed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ha_monitor.provision.yaml_text import Yaml, to_yaml
from ha_monitor.provision.zabbix_dashboard import dashboard
from ha_monitor.provision.zabbix_trigger import HEARTBEAT_S, Trigger, keeps_all, macros_of, thing
from ha_monitor.publish.declare import REFRESH_S, SILENT_S, Fact, HostKind, Kind, Scope
from ha_monitor.publish.facts import (
    CATALOGUE,
    EVENT_KEY,
    EVENT_QUIET_S,
    RAW_KEY,
    TICK_KEY,
    facts_of,
    scopes,
)
from ha_monitor.publish.words import VALUE_MAPS

VERSION = "6.0"
GROUP = "Templates/HA-monitor"
HISTORY = "30d"
LLD_HEARTBEAT = "10m"
_MILLISECONDS = "!ms"  # without the exclamation mark Zabbix would write "1.2 Kms"

_EVENT_TEXT = """var e = JSON.parse(value);
var total = (e.phases_ms || {}).total;
total = total === undefined ? '' : ' in ' + Math.round(total) + ' ms';
return e.group + ': ' + (e.node_from || 'nobody') + ' -> ' + (e.node_to || 'nobody') + total
    + ' (' + e.kind + ', ' + e.cause + '): ' + e.sentence;"""


@dataclass(frozen=True)
class Template:
    """One of the two templates."""

    kind: HostKind
    word: str
    description: str

    @property
    def name(self) -> str:
        """As Zabbix calls it."""
        return f"HA-monitor {self.word} by trapper"

    @property
    def file_name(self) -> str:
        """As Zabbix's community repository wants files and folders to be called."""
        return f"template_ha-monitor_{self.word}_by_trapper"


CLUSTER = Template(
    HostKind.CLUSTER,
    "cluster",
    "The cluster's own host, told by the Node that is the reporter, or by the Witness if no Node is online.",
)
NODE = Template(
    HostKind.VOTER,
    "node",
    "A Node or the Witness: each tells what it sees itself, also when it hears nobody.",
)
TEMPLATES = (CLUSTER, NODE)


def uuid_of(*parts: str) -> str:
    """A fixed UUID of version 4's form, derived from what the object is."""
    digits = hashlib.sha256("\n".join(("ha-monitor", *parts)).encode()).hexdigest()[:32]
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:12]}4{digits[13:16]}{variant}{digits[17:]}"


def template_text(template: Template) -> str:
    """The whole file."""
    made_by = "Made by `ha-monitor export zabbix` from the catalogue of facts."
    body: dict[str, Yaml] = {
        "uuid": uuid_of(template.name),
        "template": template.name,
        "name": template.name,
        "description": f"{template.description}\n\n{made_by}",
        "groups": [{"name": GROUP}],
        "items": [*_own_items(template), *(_item(template, f) for f in _plain_facts(template))],
        "discovery_rules": [_rule(template, scope) for scope in scopes(template.kind) if scope.macros],
        "tags": [{"tag": "class", "value": "software"}, {"tag": "target", "value": "ha-monitor"}],
        "macros": list(_macros(template)),
        "dashboards": [dashboard(template.name, template.kind, uuid_of(template.name, "dashboard"))],
        "valuemaps": list(_value_maps(template)),
    }
    export: dict[str, Yaml] = {
        "version": VERSION,
        "date": "2026-01-01T00:00:00Z",
        "groups": [{"uuid": uuid_of("group", GROUP), "name": GROUP}],
        "templates": [body],
    }
    if together := list(_triggers_over_items(template)):
        export["triggers"] = together
    return to_yaml({"zabbix_export": export})


def _facts(template: Template) -> tuple[Fact, ...]:
    return tuple(fact for fact in CATALOGUE if fact.scope.host is template.kind)


def _plain_facts(template: Template) -> Iterator[Fact]:
    return (fact for fact in _facts(template) if not fact.scope.macros)


def _own_items(template: Template) -> Iterator[Yaml]:
    yield {
        **_trap(template, RAW_KEY, "HA raw data", "TEXT", "Everything as JSON; other items pick from it."),
        "history": "0",
        "tags": [{"tag": "component", "value": "raw"}],
    }
    yield {
        **_trap(
            template, TICK_KEY, "HA tick", "UNSIGNED", f"Comes every {REFRESH_S} s while somebody reports."
        ),
        "history": "7d",
        "units": "unixtime",
        "tags": [{"tag": "component", "value": "publication"}],
        "triggers": [_silence(template)],
    }
    if template is CLUSTER:
        yield from _event_items(template)


def _trap(template: Template, key: str, name: str, value_type: str, description: str) -> dict[str, Yaml]:
    return {
        "uuid": uuid_of(template.name, key),
        "name": name,
        "type": "TRAP",
        "key": key,
        "delay": "0",
        "trends": "0",
        **_value_type(value_type),
        "description": description,
    }


def _value_type(name: str) -> dict[str, Yaml]:
    """Zabbix's default is left out, as in its own exports: else it sees a difference."""
    return {} if name == "UNSIGNED" else {"value_type": name}


def _silence(template: Template) -> Yaml:
    is_cluster = template is CLUSTER
    what = "nobody reports: monitoring path or cluster lost" if is_cluster else "this host does not report"
    return {
        "uuid": uuid_of(template.name, TICK_KEY, "nodata"),
        "expression": f"nodata(/{template.name}/{TICK_KEY},{{$HA.SILENT}})=1",
        "name": f"HA: {what}",
        "event_name": f"HA: {what} (for {{$HA.SILENT}})",
        "priority": "HIGH" if is_cluster else "AVERAGE",
        "description": "No tick has come.\n\nTo do: Look at the host, its ha-monitor, the network to here.",
        "tags": [{"tag": "scope", "value": "availability"}],
    }


def _event_items(template: Template) -> Iterator[Yaml]:
    what = "Each change of an Owner as JSON, with its own clock, cause and phases. None is lost."
    yield {
        **_trap(template, EVENT_KEY, "HA event", "LOG", what),
        "history": "365d",
        "tags": [{"tag": "component", "value": "event"}],
    }
    kinds = "\n".join(f"if (kind === '{word}') return {code};" for word, code in _kinds().items())
    yield _from_event(template, "text", "HA event: sentence", "TEXT", _EVENT_TEXT)
    script = f"var kind = JSON.parse(value).kind;\n{kinds}\nthrow 'unknown kind ' + kind;"
    yield {
        **_from_event(template, "kind", "HA event: kind", "UNSIGNED", script),
        "valuemap": {"name": "HA transition kind"},
    }


def _kinds() -> Mapping[str, int]:
    return VALUE_MAPS["HA transition kind"]


def _from_event(template: Template, word: str, name: str, value_type: str, script: str) -> dict[str, Yaml]:
    return {
        "uuid": uuid_of(template.name, EVENT_KEY, word),
        "name": name,
        "type": "DEPENDENT",
        "key": f"{EVENT_KEY}.{word}",
        "delay": "0",
        "history": "365d",
        "trends": "0",
        **_value_type(value_type),
        "description": "Picked from the event.",
        "preprocessing": [{"type": "JAVASCRIPT", "parameters": [script]}],
        "master_item": {"key": EVENT_KEY},
        "tags": [{"tag": "component", "value": "event"}],
    }


def _item(template: Template, fact: Fact) -> dict[str, Yaml]:
    key = fact.full_key(fact.scope.macros)
    out: dict[str, Yaml] = {
        "uuid": uuid_of(template.name, fact.scope.name, key),
        "name": f"{thing(fact)}: {fact.name}",
        "type": "DEPENDENT",
        "key": key,
        "delay": "0",
        "history": HISTORY,
    }
    if fact.kind in {Kind.CHAR, Kind.TEXT}:
        out["trends"] = "0"
    out |= _value_type(fact.kind.value)
    if fact.unit in {"s", "ms", "%"}:
        out["units"] = _MILLISECONDS if fact.unit == "ms" else fact.unit
    out["description"] = fact.description
    if fact.value_map:
        out["valuemap"] = {"name": fact.value_map}
    out["preprocessing"] = list(_picking(fact, key))
    out["master_item"] = {"key": RAW_KEY}
    out["tags"] = [{"tag": "component", "value": fact.scope.name}]
    if alone := [t for t in _triggers(template, fact) if t.is_alone]:
        out["trigger_prototypes" if fact.scope.macros else "triggers"] = [_as_yaml(t) for t in alone]
    return out


def _picking(fact: Fact, key: str) -> Iterator[Yaml]:
    # What is unknown is left out of the JSON: no value, and no item that turns unsupported.
    yield {"type": "JSONPATH", "parameters": [f"$.v['{key}']"], "error_handler": "DISCARD_VALUE"}
    if not keeps_all(fact):
        yield {"type": "DISCARD_UNCHANGED_HEARTBEAT", "parameters": [f"{HEARTBEAT_S}s"]}


def _triggers(template: Template, fact: Fact) -> list[Trigger]:
    return [Trigger(template.name, fact, alarm) for alarm in fact.alarms]


def _as_yaml(trigger: Trigger) -> dict[str, Yaml]:
    names = (trigger.template, trigger.fact.scope.name, trigger.fact.ident, trigger.alarm.what)
    return trigger.as_yaml(uuid_of(*names))


def _rule(template: Template, scope: Scope) -> Yaml:
    facts = facts_of(scope)
    name = scope.name.replace("-", ".")
    together = [t for f in facts for t in _triggers(template, f) if not t.is_alone]
    word = scope.name.replace("-", " ")
    out: dict[str, Yaml] = {
        "uuid": uuid_of(template.name, "discovery", scope.name),
        "name": f"HA discovery: {word}",
        "type": "DEPENDENT",
        "key": f"ha.discovery.{name}",
        "delay": "0",
        "filter": {"evaltype": "AND", "conditions": list(_conditions(scope))},
        "lifetime": "7d",
        "description": f"Finds each {word}.",
        "item_prototypes": [_item(template, fact) for fact in facts],
    }
    if together:
        out["trigger_prototypes"] = [_as_yaml(t) for t in together]
    out["master_item"] = {"key": RAW_KEY}
    out["preprocessing"] = [
        {"type": "JSONPATH", "parameters": [f"$.lld['{scope.name}']"]},
        {"type": "DISCARD_UNCHANGED_HEARTBEAT", "parameters": [LLD_HEARTBEAT]},
    ]
    return out


def _conditions(scope: Scope) -> Iterator[Yaml]:
    macro = scope.macros[-1]
    for number, (sense, operator) in enumerate((("MATCHES", ""), ("NOT_MATCHES", "NOT_MATCHES_REGEX"))):
        condition = {"macro": macro, "value": _filter_macro(scope, sense)}
        if operator:
            condition["operator"] = operator
        yield {**condition, "formulaid": "AB"[number]}


def _filter_macro(scope: Scope, sense: str) -> str:
    return f"{{$HA.{scope.name.upper().replace('-', '.')}.{sense}}}"


def _macros(template: Template) -> Iterator[Yaml]:
    yield _macro("{$HA.SILENT}", f"{SILENT_S}s", "Silence for so long is a problem.")
    if template is CLUSTER:
        quiet = "A failure's problem ends by itself after so long without another event."
        yield _macro("{$HA.EVENT.QUIET}", f"{EVENT_QUIET_S}s", quiet)
    for scope in scopes(template.kind):
        if scope.macros:
            yield _macro(_filter_macro(scope, "MATCHES"), ".*", f"Discover each {scope.name} that matches.")
            yield _macro(
                _filter_macro(scope, "NOT_MATCHES"), "^$", f"But not each {scope.name} that matches this."
            )
    for name, value, description in macros_of(_facts(template)):
        yield _macro(name, value, description)


def _macro(name: str, value: str, description: str) -> Yaml:
    return {"macro": name, "value": value, "description": description}


def _value_maps(template: Template) -> Iterator[Yaml]:
    used = dict.fromkeys(fact.value_map for fact in _facts(template) if fact.value_map)
    for name in used:
        words = VALUE_MAPS[name]
        mappings: list[Yaml] = [{"value": str(code), "newvalue": word} for word, code in words.items()]
        yield {"uuid": uuid_of(template.name, "valuemap", name), "name": name, "mappings": mappings}


def _triggers_over_items(template: Template) -> Iterator[Yaml]:
    for fact in _plain_facts(template):
        yield from (_as_yaml(t) for t in _triggers(template, fact) if not t.is_alone)
    if template is CLUSTER:
        yield {
            "uuid": uuid_of(template.name, EVENT_KEY, "failure"),
            "expression": f"last(/{template.name}/{EVENT_KEY}.kind)={_kinds()['failure']}"
            f" and nodata(/{template.name}/{EVENT_KEY}.text,{{$HA.EVENT.QUIET}})=0",
            "name": "HA event: the Owner of a group changed after a failure",
            "event_name": "HA event: {ITEM.LASTVALUE2}",
            "priority": "WARNING",
            "description": "A group moved because something failed.\n\nTo do: The event names the cause.",
            "manual_close": "YES",
            "tags": [{"tag": "scope", "value": "notice"}],
        }
