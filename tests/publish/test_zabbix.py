"""What Zabbix is told: the master item, discovery inside it, and transitions with their own stamps."""

import json
from dataclasses import asdict, replace

from ha_monitor.publish.facts import CATALOGUE
from ha_monitor.publish.snapshot import snapshots
from ha_monitor.publish.zabbix import event_value, raw_item, trap_values
from tests.views import STARTED, T0_NS, healthy


def test_each_host_gets_one_master_item_and_a_tick():
    values = [v for s in snapshots(healthy()) for v in trap_values(s)]
    assert [(v.host, v.key) for v in values] == [
        ("pub2", "ha.raw"),
        ("pub2", "ha.tick"),
        ("web", "ha.raw"),
        ("web", "ha.tick"),
    ]
    assert {(v.clock, v.ns) for v in values} == {(T0_NS // 10**9, 0)}


def test_values_stand_under_the_keys_of_their_items():
    own, cluster = (raw_item(s)["v"] for s in snapshots(healthy()))
    assert own["ha.link.state[pub2,pub3,direct]"] == 0
    assert own["ha.node.uptime"] == 5
    assert cluster["ha.group.owner[www]"] == "pub2"
    assert cluster["ha.group.moves[www,1h]"] == 0


def test_discovery_names_what_there_is():
    own, cluster = (raw_item(s)["lld"] for s in snapshots(healthy()))
    assert own["link"][0] == {"{#NODE}": "pub2", "{#PEER}": "pub3", "{#LINK}": "lan"}
    assert own["resource"] == [{"{#RES}": "nginx"}]
    assert cluster["node"] == [{"{#NODE}": "pub2"}, {"{#NODE}": "pub3"}]
    assert cluster["group"] == [{"{#GROUP}": "www"}]


def test_every_key_told_is_a_key_of_the_catalogue():
    declared = {fact.key for fact in CATALOGUE}
    for name in ("pub2", "pub3", "mon"):
        for snapshot in snapshots(healthy(name)):
            assert {key.split("[")[0] for key in raw_item(snapshot)["v"]} <= declared


def test_a_transition_has_its_own_clock_and_is_the_same_when_sent_again():
    late = replace(STARTED, at_ns=T0_NS + 123_456_789)
    value = event_value("web", late)
    assert (value.host, value.key, value.clock, value.ns) == ("web", "ha.event", T0_NS // 10**9, 123_456_789)
    assert json.loads(value.value) == asdict(late)
    assert (value.is_event, value.ident, value) == (True, STARTED.ident, event_value("web", late))
