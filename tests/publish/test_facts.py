"""The catalogue keeps its own rules: unique keys, whole value maps, alarms that both systems can judge."""

import re
from collections import Counter

import pytest

from ha_monitor import model
from ha_monitor.cli.status import UNREADABLE
from ha_monitor.publish import facts_node
from ha_monitor.publish.declare import Below, HostKind, Is, Kind, Level, Rose
from ha_monitor.publish.facts import CATALOGUE, facts_of, services
from ha_monitor.publish.scopes import SCOPES
from ha_monitor.publish.words import VALUE_MAPS
from ha_monitor.wire.seal import REASONS

FACTS = pytest.mark.parametrize("fact", CATALOGUE, ids=lambda f: f"{f.scope.name}-{f.ident}")


def test_no_key_is_given_twice_on_one_host():
    for host in HostKind:
        keys = Counter(f.full_key(f.scope.macros) for f in CATALOGUE if f.scope.host is host)
        assert [key for key, count in keys.items() if count > 1] == []


def test_no_label_is_given_twice_in_one_service():
    labels = Counter((f.service.name, f.scope.name, f.label) for f in CATALOGUE if f.label)
    assert [label for label, count in labels.items() if count > 1] == []


def test_no_two_services_of_one_host_share_a_name_and_a_scope():
    for host in HostKind:
        names = Counter((s.name, s.scope.name) for s in services(host))
        assert max(names.values()) == 1


def test_each_reason_of_a_refused_packet_is_counted_by_one_fact_and_none_is_made_up():
    counted = [*facts_node.FORGED, *facts_node.FOREIGN, *facts_node.UNREADABLE, *facts_node.REPEATED]
    assert sorted(counted) == sorted(REASONS)
    assert set(UNREADABLE) == set(facts_node.UNREADABLE)


@FACTS
def test_keys_are_lowercase_dotted_and_ours(fact):
    assert re.fullmatch(r"ha(\.[a-z]+)+", fact.key)


@FACTS
def test_a_fact_explains_itself(fact):
    assert fact.name[0].isupper()
    assert fact.description.endswith(".")
    assert len(fact.description) > 15


@FACTS
def test_each_alarm_says_what_to_do(fact):
    for alarm in fact.alarms:
        assert alarm.todo.endswith(".")
        assert len(alarm.todo) > 10
        assert not alarm.what.endswith(".")


@FACTS
def test_worse_alarms_come_first(fact):
    """Milder ones depend on them in Zabbix, and ranges in performance data are read from them."""
    levels = [alarm.level for alarm in fact.alarms]
    assert levels == sorted(levels, reverse=True)


@FACTS
def test_limits_and_codes_exist(fact):
    idents = {f.ident for f in facts_of(fact.scope)}
    for alarm in fact.alarms:
        if isinstance(alarm.test, Below) and isinstance(alarm.test.limit, str):
            assert alarm.test.limit in idents
        if isinstance(alarm.test, Is):
            assert alarm.test.code in VALUE_MAPS[fact.value_map].values()


@FACTS
def test_only_numbers_have_alarms_and_labels(fact):
    if fact.kind in {Kind.CHAR, Kind.TEXT}:
        assert not fact.alarms
        assert not fact.label


@FACTS
def test_counters_are_judged_by_their_rise_alone(fact):
    if fact.unit == "c":
        assert all(isinstance(a.test, Rose) and a.hold_s == 0 for a in fact.alarms)


@pytest.mark.parametrize(
    ("value_map", "states"),
    [
        ("HA node state", model.NodeState),
        ("HA link state", model.LinkState),
        ("HA group state", model.GroupState),
        ("HA resource state", model.ResourceState),
        ("HA transition kind", model.TransitionKind),
    ],
)
def test_every_state_of_the_model_has_a_number(value_map, states):
    assert {state.value for state in states} <= set(VALUE_MAPS[value_map])


def test_protection_levels_have_their_own_numbers():
    assert {int(level) for level in model.Protection} <= set(VALUE_MAPS["HA protection"].values())


def test_numbers_of_a_value_map_are_unique():
    for words in VALUE_MAPS.values():
        assert len(set(words.values())) == len(words)


def test_every_scope_has_facts_and_a_critical_alarm_exists_for_each_promise():
    assert all(facts_of(scope) for scope in SCOPES)
    critical = {f.key for f in CATALOGUE for a in f.alarms if a.level is Level.CRITICAL}
    assert {"ha.group.owners", "ha.vip.holders", "ha.vip.duplicate", "ha.cluster.quorate"} <= critical
