"""Zabbix templates: their own rules, without a Zabbix; the real one judges them in tests/lab/stack."""

import re
import uuid
from pathlib import Path

import pytest

from ha_monitor.cli.main import main
from ha_monitor.provision.yaml_text import to_yaml
from ha_monitor.provision.zabbix_compare import is_change
from ha_monitor.provision.zabbix_template import TEMPLATES, template_text, uuid_of
from ha_monitor.provision.zabbix_trigger import Trigger, macros_of
from ha_monitor.publish.facts import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {template.word: template_text(template) for template in TEMPLATES}
EACH = pytest.mark.parametrize("word", TEXTS)


def test_what_is_checked_in_is_what_the_catalogue_gives(capsys):
    code = main(["export", "zabbix", "--dir", str(ROOT / "zabbix_templates"), "--check"])
    assert (code, capsys.readouterr().err) == (0, "")


def test_a_planted_change_is_found(tmp_path, capsys):
    main(["export", "zabbix", "--dir", str(tmp_path)])
    (path,) = tmp_path.glob("*cluster*/6.0/*.yaml")
    path.write_text(path.read_text().replace("nodata(", "nobody(", 1))
    assert main(["export", "zabbix", "--dir", str(tmp_path), "--check"]) == 1
    assert "nobody(" in capsys.readouterr().err


@EACH
def test_every_uuid_is_unique_and_of_version_4(word):
    found = re.findall(r"uuid: '?([0-9a-f]+)", TEXTS[word])
    assert len(found) == len(set(found)) > 50
    assert {uuid.UUID(one).version for one in found} == {4}
    assert {len(one) for one in found} == {32}


def test_a_uuid_belongs_to_what_the_object_is():
    assert uuid_of("a", "b") == uuid_of("a", "b") != uuid_of("a", "c")
    assert uuid_of("ab") != uuid_of("a", "b")


@EACH
def test_every_fact_of_that_host_has_its_item(word):
    (template,) = [t for t in TEMPLATES if t.word == word]
    for fact in CATALOGUE:
        if fact.scope.host is template.kind:
            assert f"key: '{fact.full_key(fact.scope.macros)}'" in TEXTS[word] or (
                f"key: {fact.full_key(fact.scope.macros)}" in TEXTS[word]
            )


@EACH
def test_every_macro_that_is_used_is_declared(word):
    used = set(re.findall(r"\{\$[A-Z0-9_.]+\}", TEXTS[word]))
    declared = set(re.findall(r"macro: '(\{\$[A-Z0-9_.]+\})'", TEXTS[word]))
    assert used == declared


def test_every_threshold_macro_is_declared_once():
    names = [name for name, _, _ in macros_of(CATALOGUE)]
    assert len(names) == len(set(names))


def each_trigger():
    return [
        Trigger(t.name, fact, alarm)
        for t in TEMPLATES
        for fact in CATALOGUE
        if fact.scope.host is t.kind
        for alarm in fact.alarms
    ]


def test_names_are_unique_within_a_template_and_hold_no_host_and_no_value():
    names = [(trigger.template, trigger.name) for trigger in each_trigger()]
    assert len(names) == len(set(names))
    assert not any("{HOST" in name or "{ITEM" in name for _, name in names)


def test_dependencies_never_run_in_a_circle():
    triggers = {(t.template, t.name): t for t in each_trigger()}

    def reachable(trigger, seen):
        for other in trigger.depends_on():
            key = other.template, other.name
            assert key in triggers
            assert other.expression == triggers[key].expression
            assert key not in seen, f"{key} depends on itself"
            reachable(other, seen | {key})

    for key, trigger in triggers.items():
        reachable(trigger, {key})


def test_a_milder_alarm_keeps_quiet_while_a_worse_one_speaks():
    (age,) = [t for t in each_trigger() if t.name == "HA node [{#NODE}]: silent"]
    assert [t.name for t in age.depends_on()] == [
        "HA node [{#NODE}]: silent for long",
        "HA node [{#NODE}]: lost",
    ]


def test_what_must_hold_must_have_begun_that_long_ago():
    """Else the first value of an item counts as having held since ever."""
    (nobody,) = [t for t in each_trigger() if t.name == "HA group [{#GROUP}]: nobody owns it"]
    key = "/HA-monitor cluster by trapper/ha.group.owners[{#GROUP}]"
    assert nobody.expression == f"max({key},60s)<1 and last({key},#1:now-60s)<1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": "b c", "d": "yes", "e": "6.0"}, "a: b c\nd: 'yes'\ne: '6.0'\n"),
        ({"a": "it's: {#X}"}, "a: 'it''s: {#X}'\n"),
        ({"a": "two\nlines"}, 'a: "two\\nlines"\n'),
        ({"a": [{"b": "c", "d": ["e"]}]}, "a:\n  - b: c\n    d:\n      - e\n"),
        ({"a": ""}, "a: ''\n"),
        ({"a": "-1"}, "a: '-1'\n"),
        ({"a": "trailing:"}, "a: 'trailing:'\n"),
    ],
)
def test_yaml_is_quoted_where_there_could_be_doubt(value, text):
    assert to_yaml(value) == text


def test_a_different_order_is_no_change():
    entry = {"before": {"macros": [{"m": 1}, {"m": 2}]}, "after": {"macros": [{"m": 2}, {"m": 1}]}}
    assert not is_change({"templates": {"updated": [entry]}})
    assert not is_change([])


@pytest.mark.parametrize(
    "changes",
    [
        {"added": [{"after": {}}]},
        {"removed": [{"before": {}}]},
        {"updated": [{"before": {"a": "1"}, "after": {"a": "2"}}]},
        {"updated": [{"before": {}, "after": {}, "items": {"added": [{"after": {}}]}}]},
    ],
)
def test_what_is_new_gone_or_different_is_a_change(changes):
    assert is_change({"templates": changes})
