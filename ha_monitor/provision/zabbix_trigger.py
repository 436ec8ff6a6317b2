"""Triggers from the alarms of the catalogue: expressions, macros for thresholds, dependencies.

An alarm that must hold looks back over its time. Unchanged values are kept once a minute only, unless that
time is too short to hold some of them: then all are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ha_monitor.provision.yaml_text import Yaml
from ha_monitor.publish.declare import Above, Alarm, Below, Fact, Is, Rose, Severity
from ha_monitor.publish.facts import facts_of
from ha_monitor.publish.words import word_of

HEARTBEAT_S = 60  # an unchanged value is kept this often


def keeps_all(fact: Fact) -> bool:
    """Whether each value is kept: needed where an alarm looks back over less than some heartbeats."""
    return any(0 < alarm.hold_s < 3 * HEARTBEAT_S for alarm in fact.alarms)


def thing(fact: Fact) -> str:
    """What names begin with: the service, its subject in brackets: ``HA group [{#GROUP}]``."""
    room = fact.service.name.count("{}")
    if not room:
        return fact.service.name
    head = fact.service.name.partition(" {}")[0]
    return f"{head} [{' '.join(fact.scope.macros[-room:])}]"


def macro(fact: Fact, alarm: Alarm) -> str:
    """The user macro that holds the threshold; empty where the limit is a state or a truth."""
    if fact.value_map or isinstance(alarm.test, Is) or isinstance(alarm.test.limit, str):
        return ""
    if fact.key in _FIXED:
        return ""
    name = fact.ident.upper().replace("-", "_")
    return f"{{${name}.{alarm.severity.value}}}"


_FIXED = {"ha.group.owners", "ha.vip.holders", "ha.links.up", "ha.cluster.nodes.online", "ha.cluster.votes"}


def macros_of(facts: tuple[Fact, ...]) -> Iterator[tuple[str, str, str]]:
    """Each threshold macro with its default and a description."""
    for fact in facts:
        for alarm in fact.alarms:
            name = macro(fact, alarm)
            if name and not isinstance(alarm.test, Is):
                yield name, f"{alarm.test.limit:g}", f"{fact.name}: {alarm.what}."


@dataclass(frozen=True)
class Trigger:
    """One trigger, or prototype, of a template."""

    template: str
    fact: Fact
    alarm: Alarm

    @property
    def name(self) -> str:
        """Without the host's name: Zabbix shows that beside it."""
        return f"{thing(self.fact)}: {self.alarm.what}"

    @property
    def expression(self) -> str:
        """In the syntax of Zabbix 5.4 and newer."""
        limit, key = self._limit(), self._item(self.fact)
        match self.alarm.test:
            case Rose(_, within_s):
                return f"last({key})-min({key},{within_s}s)>{limit}"
            case Above():
                return self._held(key, "min", f">{limit}")
            case Below():
                return self._held(key, "max", f"<{limit}")
            case Is():
                same = self._held(key, "max", f"={limit}")
                return f"min({key},{self.alarm.hold_s}s)={limit} and {same}" if self.alarm.hold_s else same

    def _held(self, key: str, function: str, comparison: str) -> str:
        """Bad now, or for all of the time that it must hold, and already at that time's beginning.

        Without the last part the very first value of an item would count as having held: where there is
        nothing that old Zabbix cannot evaluate it, and raises nothing.
        """
        if not self.alarm.hold_s:
            return f"last({key}){comparison}"
        hold = f"{self.alarm.hold_s}s"
        return f"{function}({key},{hold}){comparison} and last({key},#1:now-{hold}){comparison}"

    @property
    def is_alone(self) -> bool:
        """Whether it looks at one item only: then it is written beside that item."""
        return not (isinstance(self.alarm.test, Below) and isinstance(self.alarm.test.limit, str))

    def _limit(self) -> str:
        test = self.alarm.test
        if isinstance(test, Is):
            return str(test.code)
        if isinstance(test.limit, str):
            (other,) = [f for f in facts_of(self.fact.scope) if f.ident == test.limit]
            return f"last({self._item(other)})"
        return macro(self.fact, self.alarm) or f"{test.limit:g}"

    def _item(self, fact: Fact) -> str:
        return f"/{self.template}/{fact.full_key(fact.scope.macros)}"

    def event_name(self) -> str:
        """What a problem is called: the threshold explained."""
        held = f" for {self.alarm.hold_s}s" if self.alarm.hold_s else ""
        return f"{self.name} ({self.fact.name.lower()} {self._in_words()}{held})"

    def _in_words(self) -> str:
        test = self.alarm.test
        limit = macro(self.fact, self.alarm) or self._plain_limit()
        match test:
            case Rose(_, within_s):
                return f"rose by more than {limit} in {within_s}s"
            case Above():
                return f"above {limit}"
            case Below():
                return f"below {limit}"
            case Is():
                return f"is {limit}"

    def _plain_limit(self) -> str:
        test = self.alarm.test
        if isinstance(test, Is):
            return word_of(self.fact.value_map, test.code)
        if isinstance(test.limit, str):
            return "what is expected"
        return f"{test.limit:g}"

    def depends_on(self) -> tuple[Trigger, ...]:
        """Worse alarms of the same fact, and what explains this one: one problem per incident."""
        worse = self.fact.alarms[: self.fact.alarms.index(self.alarm)]
        found = [Trigger(self.template, self.fact, alarm) for alarm in worse]
        found += [Trigger(self.template, fact, alarm) for fact, alarm in _roots(self.fact, self.alarm)]
        return tuple(found)

    def as_yaml(self, uuid: str) -> dict[str, Yaml]:
        """As an element of the export format."""
        out: dict[str, Yaml] = {
            "uuid": uuid,
            "expression": self.expression,
            "name": self.name,
            "event_name": self.event_name(),
            "opdata": "Now: {ITEM.LASTVALUE1}",
            "priority": self.alarm.severity.value,
            "description": f"{self.fact.description}\n\nTo do: {self.alarm.todo}",
        }
        if isinstance(self.alarm.test, Rose) or self.alarm.severity is Severity.INFO:
            out["manual_close"] = "YES"
        if self.depends_on():
            out["dependencies"] = [{"name": t.name, "expression": t.expression} for t in self.depends_on()]
        out["tags"] = [{"tag": "scope", "value": "availability"}]
        return out


def _roots(fact: Fact, alarm: Alarm) -> Iterator[tuple[Fact, Alarm]]:
    """Alarms of the same subject that explain this one."""
    facts = {f.ident: f for f in facts_of(fact.scope)}
    for ident, whats in _EXPLAINED_BY.get((fact.scope.name, fact.ident, alarm.what), ()) or (
        _EXPLAINED_BY.get((fact.scope.name, fact.ident, ""), ())
    ):
        yield from ((facts[ident], a) for a in facts[ident].alarms if a.what in whats)


_LOST = (("ha.node.state", ("lost",)),)
_DOWN = (("ha.link.state", ("down", "nothing heard since start")),)
_SINK_DOWN = (("ha.sink.state", ("takes nothing",)),)
_NO_OWNER = (("ha.group.owners", ("nobody owns it",)),)
_NO_NODE = (("ha.cluster.nodes.online", ("no Node is online",)),)
_MISSING = (
    ("ha.cluster.nodes.online", ("a Node is missing",)),
    ("ha.witness.state", ("the Witness is lost", "the Witness is stopped", "the Witness was never heard")),
)

# (Scope, Fact, alarm or "" for all of them): what explains it. Never in a circle: Zabbix refuses that.
_EXPLAINED_BY: dict[tuple[str, str, str], tuple[tuple[str, tuple[str, ...]], ...]] = {
    ("node", "ha.node.age", ""): _LOST,
    ("node", "ha.node.eligible", ""): _LOST,
    ("link", "ha.link.loss", ""): _DOWN,
    ("link", "ha.link.rtt", ""): _DOWN,
    ("link", "ha.link.late", ""): _DOWN,
    ("sink", "ha.sink.queue", ""): _SINK_DOWN,
    ("sink", "ha.sink.oldest", ""): _SINK_DOWN,
    ("sink", "ha.sink.delay", ""): _SINK_DOWN,
    ("group", "ha.group.candidates", ""): _NO_OWNER,
    ("resource", "ha.res.stop.failed", ""): (("ha.res.state", ("its stop failed",)),),
    ("cluster", "ha.cluster.quorate", ""): _NO_NODE,
    ("cluster", "ha.cluster.votes", ""): (("ha.cluster.quorate", ("no majority of voters",)),),
    ("cluster", "ha.cluster.state", "degraded"): _MISSING,
}
