"""Quorum modes and [fencing] in cluster.toml: what is derived, what fits together, what is refused."""

# ruff: noqa: E501 (sentences stand as the operator gets them)

from __future__ import annotations

import json

import pytest

from ha_monitor.config import parse_config
from ha_monitor.errors import ConfigErrors
from ha_monitor.model import FenceDevice, FenceStep, Quorum
from ha_monitor.plain import from_plain, to_plain

SECOND = 10**9
GROUP = '[groups.www]\nresources = [{ vip = "192.0.2.100/24" }]\n'
WITNESS = '[witness]\nmon = "192.0.2.9"\n'
FENCING = """
[fencing]
delay = "3s"
favour = "n2"
test_every = "1m"

[fencing.devices.ipmi-1]
agent = "fence_ipmilan"
options = { ip = "192.0.2.201", username = "ha", lanplus = true, port = 1 }
secrets = { password = "/etc/ha-monitor/ipmi-1.secret" }
timeout = "20s"

[fencing.devices.pdu]
agent = "/opt/pdu/fence_pdu"
options = { ip = "192.0.2.202" }

[fencing.levels]
n1 = [["ipmi-1"], ["pdu:1", "pdu:2"]]
n2 = [["pdu:3"]]
"""


def text(nodes, *parts, cluster=""):
    lines = "".join(f'n{n} = {{ lan = "192.0.2.{10 + n}" }}\n' for n in range(1, nodes + 1))
    return f'[cluster]\nname = "web"\n{cluster}\n[nodes]\n{lines}\n' + "".join((GROUP, *parts))


def parse(whole):
    return parse_config(whole.encode())


def mistakes(whole):
    with pytest.raises(ConfigErrors) as caught:
        parse(whole)
    return str(caught.value)


@pytest.mark.parametrize(
    ("nodes", "parts", "mode"),
    [
        (1, (), Quorum.SINGLE),
        (2, (WITNESS,), Quorum.WITNESS),
        (3, (), Quorum.MAJORITY),
        (3, (WITNESS,), Quorum.WITNESS),
        (7, (), Quorum.MAJORITY),
    ],
)
def test_a_mode_that_nobody_named_follows_from_who_there_is(nodes, parts, mode):
    assert parse(text(nodes, *parts)).quorum is mode


def test_a_pair_without_a_witness_must_say_how_it_decides_and_is_told_what_each_way_means():
    said = mistakes(text(2))
    assert 'quorum = "fencing": who takes over has powered the other off' in said
    assert 'quorum = "ping": who reaches an address in `ping` may take over, which is best effort' in said


@pytest.mark.parametrize(
    ("whole", "sentence"),
    [
        (text(8), "[cluster] quorum: 'majority with 8 Nodes and no Witness' is not 3 to 7 Nodes and no [witness]"),
        (text(2, WITNESS, cluster='quorum = "majority"'), "'majority with 2 Nodes and a Witness' is not 3 to 7 Nodes"),
        (text(3, cluster='quorum = "witness"'), "is not a [witness] and at least two Nodes"),
        (text(2, cluster='quorum = "single"'), "'single with 2 Nodes and no Witness' is not one Node"),
        (text(3, FENCING, cluster='quorum = "fencing"'), "is not two Nodes and no [witness]"),
        (text(2, cluster='quorum = "ping"'), "[cluster] ping: missing, expected a list of addresses to reach"),
        (text(2, cluster='quorum = "pign"'), "did you mean 'ping'?"),
        (text(2, cluster='quorum = "ping"\nping = []'), "a list of 1 to 8 addresses"),
        (text(2, WITNESS, cluster='ping = ["192.0.2.1"]'), 'is not used with quorum = "ping" only'),
        (text(2, cluster='quorum = "fencing"'), "[fencing.levels] n1: missing, expected the levels that power it off"),
    ],
)  # fmt: skip
def test_a_mode_that_does_not_fit_the_cluster_is_refused(whole, sentence):
    assert sentence in mistakes(whole)


def test_fencing_is_read_as_it_stands():
    fencing = parse(text(2, FENCING, cluster='quorum = "fencing"')).fencing
    assert (fencing.delay_ns, fencing.favour, fencing.test_every_ns) == (3 * SECOND, "n2", 60 * SECOND)
    assert fencing.device("ipmi-1") == FenceDevice(
        "ipmi-1",
        "/usr/sbin/fence_ipmilan",
        (("ip", "192.0.2.201"), ("username", "ha"), ("lanplus", "1"), ("port", "1")),
        (("password", "/etc/ha-monitor/ipmi-1.secret"),),
        20 * SECOND,
    )
    assert fencing.levels["n1"] == (
        (FenceStep("ipmi-1"),),
        (FenceStep("pdu", "1"), FenceStep("pdu", "2")),
    )
    assert fencing.devices_of("n1") == ("ipmi-1", "pdu")


def test_modes_targets_and_fencing_survive_plain_json():
    for whole in (
        text(2, FENCING, cluster='quorum = "fencing"'),
        text(2, cluster='quorum = "ping"\nping = ["192.0.2.1", "2001:db8::1"]'),
        text(1),
    ):
        config = parse(whole)
        assert from_plain(json.loads(json.dumps(to_plain(config)))) == config


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('n2 = [["pdu:3"]]', "", "[fencing.levels] n2: missing"),
        ('n2 = [["pdu:3"]]', 'n2 = [["pud:3"]]', "'pud' is none of the devices (ipmi-1, pdu)"),
        ('n2 = [["pdu:3"]]', 'n2 = [["pdu:3", "pdu:3"]]', "names each device and plug once"),
        ('n2 = [["pdu:3"]]', "n2 = []", "levels in the order of trying"),
        ('n2 = [["pdu:3"]]', 'n9 = [["pdu:3"]]', "'n9' is not a configured Node (n1, n2)"),
        ('[["ipmi-1"], ["pdu:1", "pdu:2"]]', '[["pdu:1"]]', "devices.ipmi-1: 'no level uses it'"),
        ('agent = "fence_ipmilan"', 'agent = "ipmilan"', "a fence agent such as fence_ipmilan"),
        ('ip = "192.0.2.202"', 'password = "secret"', "options.password: 'a secret' is not in no file"),
        ('ip = "192.0.2.202"', 'action = "reboot"', "'an action' is not left to ha-monitor"),
        ('ip = "192.0.2.202"', 'ip = "192.0.2.202\\naction=on"', "a text on one line"),
        ('favour = "n2"', 'favour = "n3"', "one of n1, n2"),
        ('delay = "3s"', 'dealy = "3s"', "did you mean 'delay'?"),
    ],
)
def test_a_mistake_in_fencing_is_told(old, new, sentence):
    assert old in FENCING
    assert sentence in mistakes(text(2, FENCING.replace(old, new), cluster='quorum = "fencing"'))


def test_a_secret_is_never_shown_in_a_mistake():
    told = mistakes(
        text(2, FENCING.replace('ip = "192.0.2.202"', 'passwd = "geheim"'), cluster='quorum = "fencing"')
    )
    assert "geheim" not in told
