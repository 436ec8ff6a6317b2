"""cluster.toml: what is right becomes a ClusterConfig, every mistake a sentence that says what to write."""

# ruff: noqa: E501, ISC004 (sentences stand as the operator gets them)

from __future__ import annotations

import ipaddress
import json

import pytest

from ha_monitor.config import parse_config
from ha_monitor.errors import ConfigErrors
from ha_monitor.model import Failback, FailbackKind, MoveLimit, Run, Timing
from ha_monitor.plain import from_plain, to_plain

MS, SECOND = 10**6, 10**9
GOOD = """
[cluster]
name = "web"

[nodes]
pub2 = { lan = "192.0.2.12", direct = "198.51.100.12" }
pub3 = { lan = "192.0.2.13", direct = "198.51.100.13" }

[witness]
mon = "192.0.2.9"

[groups.www]
prefer = ["pub2", "pub3"]
failback = "never"
resources = [
  { vip = "192.0.2.100/24" },
  { systemd = "apache2", run = "everywhere" },
]

[publish.nagios]
nsca_ng = "192.0.2.9"
nsca_ng_secret = "/etc/ha-monitor/nsca_ng.secret"
[publish.zabbix]
server = "192.0.2.9:10051"
"""


def parse(text):
    return parse_config(text.encode())


def mistakes(text):
    with pytest.raises(ConfigErrors) as caught:
        parse(text)
    return str(caught.value).splitlines()


def changed(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


def test_the_ten_settings_of_a_first_pair():
    config = parse(GOOD)
    assert [(voter.index, voter.name, voter.is_witness) for voter in config.voters] == [
        (0, "pub2", False),
        (1, "pub3", False),
        (2, "mon", True),
    ]
    assert config.voters[2].addresses == {"lan": ipaddress.ip_address("192.0.2.9")}
    assert config.timing == Timing(100 * MS, SECOND)
    assert (config.port, config.majority) == (694, 2)
    vip, apache = config.groups[0].resources
    assert (vip.name, str(vip.address)) == ("192.0.2.100", "192.0.2.100/24")
    assert (apache.name, apache.unit, apache.run) == ("apache2", "apache2.service", Run.EVERYWHERE)
    assert config.nagios.nsca_ng == "192.0.2.9:5668"


def test_plain_values_pass_through_json_and_come_back_the_same():
    config = parse(GOOD)
    assert from_plain(json.loads(json.dumps(to_plain(config)))) == config


MISTAKES = [
    (
        ('name = "web"', 'name = "web"\nintervall = "1s"'),
        "cluster.toml [cluster]: 'intervall' is not a setting of ha-monitor; did you mean 'interval'?",
    ),
    (
        ("[cluster]\n", "[clutser]\n"),
        "cluster.toml: 'clutser' is not a table of ha-monitor; did you mean 'cluster'?",
    ),
    (
        ('name = "web"', ""),
        'cluster.toml [cluster] name: missing, expected the cluster\'s name, such as "web"',
    ),
    (('name = "web"', "name = 7"), "cluster.toml [cluster] name: 7 is not a name: up to 32 of a-z 0-9 _ -"),
    (
        ('name = "web"', 'name = "web"\ntiming = "lam"'),
        "cluster.toml [cluster] timing: 'lam' is not one of lan, fast, metal, gentle; did you mean 'lan'?",
    ),
    (
        ('name = "web"', 'name = "web"\ninterval = "0.2"\nlease = "1s"'),
        "cluster.toml [cluster] interval: '0.2' is not a time from 10 ms to 10.0 s; write a whole number and ms, s,"
        ' m, h or d in quotes, such as "500ms"',
    ),
    (
        ('name = "web"', 'name = "web"\ninterval = "300ms"\nlease = "1s"'),
        "cluster.toml [cluster] lease: '1.0 s with beats of 300 ms' is not a whole number of at least 3 beats",
    ),
    (
        ('name = "web"', 'name = "web"\ninterval = "100ms"\nlease = "200ms"'),
        "cluster.toml [cluster] lease: '200 ms with beats of 100 ms' is not a whole number of at least 3 beats",
    ),
    (
        ('name = "web"', 'name = "web"\ninterval = "50ms"\nlease = "150ms"'),
        "cluster.toml [cluster] lease: '150ms' is not a time from 200 ms to 60.0 s",
    ),
    (
        ('name = "web"', 'name = "web"\ninterval = "100ms"'),
        "cluster.toml [cluster] lease: missing, expected a time: interval and lease are given together",
    ),
    (
        ('name = "web"', 'name = "web"\ntiming = "fast"\ninterval = "100ms"\nlease = "1s"'),
        "cluster.toml [cluster] timing: 'timing beside interval or lease' is not needed; give one or the other",
    ),
    (
        ('name = "web"', 'name = "web"\nport = true'),
        "[cluster] port: True is not a whole number from 1 to 65535",
    ),
    (
        ("192.0.2.13", "192.0.2.300"),
        "[nodes.pub3] lan: '192.0.2.300' is not an IPv4 or IPv6 address in quotes",
    ),
    (
        ("pub3 =", "pub3.example ="),
        "cluster.toml [nodes.pub3] example: {'lan': '192.0.2.13', 'direct': '198.51.100.13'} is not an IPv4 or IPv6"
        " address in quotes; a name with dots needs quotes around it",
    ),
    (
        ("192.0.2.13", "192.0.2.12"),
        "cluster.toml [nodes] pub3 lan: '192.0.2.12' is not free; it is [nodes] pub2 lan's",
    ),
    (
        ("192.0.2.100/24", "192.0.2.12/24"),
        "cluster.toml [groups.www] vip: '192.0.2.12' is not free; it is [nodes] pub2 lan's",
    ),
    (
        ('mon = "192.0.2.9"', 'mon = "192.0.2.12"'),
        "cluster.toml [witness] mon lan: '192.0.2.12' is not free; it is [nodes] pub2 lan's",
    ),
    (
        ('[witness]\nmon = "192.0.2.9"', ""),
        "cluster.toml [witness]: missing, expected a Witness, a third Node, or a quorum mode for a pair; two Nodes"
        ' cannot tell which of them is cut off. Name the monitoring server: [witness] mon = "192.0.2.9"; or [cluster]'
        ' quorum = "fencing": who takes over has powered the other off, which needs power switches; or quorum = "ping":'
        " who reaches an address in `ping` may take over, which is best effort: both serve when both reach it and not"
        " each other",
    ),
    (
        ('mon = "192.0.2.9"', 'pub2 = "192.0.2.9"'),
        "cluster.toml [witness] pub2: 'pub2' is not another host than the Nodes; a Node's own vote is counted already",
    ),
    (
        ('mon = "192.0.2.9"', ""),
        'cluster.toml [witness]: missing, expected one Witness such as mon = "192.0.2.9"',
    ),
    (
        ('mon = "192.0.2.9"', 'mon = "2001:db8::9"'),
        "cluster.toml [witness] mon: '2001:db8::9' is not an IPv4 address, as the Nodes have on lan",
    ),
    (
        ('pub3 = { lan = "192.0.2.13", direct', "pub3 = { direct"),
        "cluster.toml [nodes] pub3: 'direct' is not a set of Links with lan; the first Link, lan, joins all Nodes and"
        " the Witness",
    ),
    (
        ('lan = "192.0.2.13", direct', 'lan = "192.0.2.13", dircet'),
        "cluster.toml [nodes] pub2: 'direct' is not a Link that another Node has too; other Links: lan, direct,"
        " dircet",
    ),
    (
        ('direct = "198.51.100.13"', 'direct = "2001:db8::13"'),
        "cluster.toml [nodes]: 'Link direct' is not in one family; give all its addresses as IPv4 or all as IPv6",
    ),
    (
        ('pub3 = { lan = "192.0.2.13", direct = "198.51.100.13" }', ""),
        "cluster.toml [cluster] quorum: 'witness with 1 Node and a Witness' is not a [witness] and at least two Nodes",
    ),
    (
        ('"pub2", "pub3"]', '"pub2", "pub4"]'),
        "cluster.toml [groups.www] prefer: ['pub2', 'pub4'] is not a list of configured Nodes (pub2, pub3); 'pub4' is"
        " none of them",
    ),
    (('"pub2", "pub3"]', '"pub2", "pub2"]'), "'pub2' stands there twice"),
    (
        ("[groups.www]", "[groups._reporter]"),
        "cluster.toml [groups._reporter]: '_reporter' is not a group's name",
    ),
    (
        ('failback = "never"', 'failback = "after lunch"'),
        "cluster.toml [groups.www] failback: 'after lunch' is not a time from 1.0 s to 168 h 00 min",
    ),
    (
        ('failback = "never"', 'max_moves = "6 per hour"'),
        '[groups.www] max_moves: \'6 per hour\' is not "6 in 1h" or "unlimited"',
    ),
    (
        ('failback = "never"', 'failback = "between 25:00 and 03:00"'),
        '[groups.www] failback: \'between 25:00 and 03:00\' is not "never", "manual", "after 10m" or "between 02:00',
    ),
    (
        ('failback = "never"', 'mode = "automatic"'),
        "cluster.toml [groups.www]: 'mode' is not a setting of ha-monitor; known here: prefer, failback, max_moves",
    ),
    (
        ('{ vip = "192.0.2.100/24" }', '{ vip = "192.0.2.100" }'),
        "cluster.toml [groups.www] resources[1] vip: '192.0.2.100' is not a service address with the length of its"
        ' network; such as "192.0.2.100/24"',
    ),
    (
        ('{ vip = "192.0.2.100/24" }', '{ vip = "192.0.2.255/24" }'),
        "resources[1] vip: '192.0.2.255/24' is not the address of a host in 192.0.2.0/24",
    ),
    (
        ('{ vip = "192.0.2.100/24" }', '{ vip = "192.0.2.100/24", run = "owner" }'),
        "cluster.toml [groups.www] resources[1]: 'run' is not a setting of ha-monitor; known here: vip, device",
    ),
    (
        ('{ vip = "192.0.2.100/24" }', '{ vip = "192.0.2.100/24", systemd = "x" }'),
        "resources[1]: 'vip and systemd' is not exactly one of vip, systemd or command",
    ),
    (
        ('{ vip = "192.0.2.100/24" }', '{ vhosts = "x" }'),
        "resources[1]: missing, expected exactly one of vip, systemd or command",
    ),
    (
        ('{ vip = "192.0.2.100/24" }', '{ command = "x", start = "run me" }'),
        "resources[1] start: 'run me' is not a command line whose program begins with /",
    ),
    (
        ('{ vip = "192.0.2.100/24" }', '{ command = "x", start = "/x", stop = "/x" }'),
        "resources[1] status: missing, expected a command line",
    ),
    (
        ('{ vip = "192.0.2.100/24" }', '{ systemd = "apache2" }'),
        "cluster.toml [groups.www] systemd: 'apache2' is not a name that no other Resource has; [groups.www] has it",
    ),
    (
        ('nsca_ng = "192.0.2.9"', 'nsca_ng = "192.0.2.9:99999"'),
        "cluster.toml [publish.nagios] nsca_ng: '192.0.2.9:99999' is not a host and port",
    ),
    (
        ('nsca_ng_secret = "/etc/ha-monitor/nsca_ng.secret"', ""),
        "cluster.toml [publish.nagios] nsca_ng_secret: missing, expected the file with NSCA-ng's identity and password",
    ),
    (
        ('nsca_ng = "192.0.2.9"', ""),
        "[publish.nagios]: missing, expected at least one of nsca_ng, command_file, spool",
    ),
    (
        ('server = "192.0.2.9:10051"', 'server = "192.0.2.9"\napi = "http://a:b@c/"'),
        "[publish.zabbix] api: 'http://a:b@c/' is not an address such as",
    ),
    (("[cluster]", "[cluster"), "cluster.toml: \"Expected ']' at the end of a table"),
]


@pytest.mark.parametrize(("change", "sentence"), MISTAKES, ids=[sentence[-60:] for _, sentence in MISTAKES])
def test_a_mistake_is_told_with_where_what_and_what_instead(change, sentence):
    assert any(sentence in line for line in mistakes(changed(*change)))


def test_all_mistakes_of_a_file_are_told_at_once():
    text = changed('"pub2", "pub3"]', '"pub9"]').replace('name = "web"', 'name = "WEB"').replace("/24", "")
    assert len(mistakes(text)) == 3


def test_a_group_that_says_nothing_prefers_the_nodes_in_their_order():
    config = parse(changed('prefer = ["pub2", "pub3"]\nfailback = "never"\n', ""))
    assert (config.groups[0].prefer, config.groups[0].failback) == (("pub2", "pub3"), Failback())


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("manual", Failback(FailbackKind.MANUAL)),
        ("after 10m", Failback(FailbackKind.AFTER, 600 * SECOND)),
        ("between 23:30 and 05:00", Failback(FailbackKind.BETWEEN, window=(23 * 60 + 30, 300))),
    ],
)
def test_failback_policies(text, policy):
    assert parse(changed('"never"', f'"{text}"')).groups[0].failback == policy


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("3 in 30m", MoveLimit(3, 1800 * SECOND)),
        ("unlimited", MoveLimit(0)),
    ],
)
def test_how_often_a_group_may_move_unasked(text, limit):
    assert parse(GOOD).groups[0].max_moves == MoveLimit(6, 3600 * SECOND)
    config = parse(changed('failback = "never"', f'max_moves = "{text}"'))
    assert config.groups[0].max_moves == limit
    assert from_plain(json.loads(json.dumps(to_plain(config)))) == config


@pytest.mark.parametrize("text", ["0 in 1h", "6 in 1s", "6 in 25h", "1000 in 1h", "6", 6])
def test_a_limit_of_moves_that_means_nothing_is_refused(text):
    wrong = changed('failback = "never"', f"max_moves = {json.dumps(text)}")
    assert any("max_moves" in line for line in mistakes(wrong))


def test_three_nodes_need_no_witness():
    text = changed('[witness]\nmon = "192.0.2.9"', "").replace(
        "[nodes]", '[nodes]\npub1 = { lan = "192.0.2.11" }'
    )
    config = parse(text)
    assert (config.witness, config.majority, len(config.voters)) == (None, 2, 3)


def test_links_and_services_may_speak_ipv6():
    text = GOOD.replace("192.0.2.100/24", "2001:db8:1::100/64")
    for number in ("12", "13"):
        text = text.replace(f"198.51.100.{number}", f"2001:db8:2::{number}")
    config = parse(text)
    assert config.groups[0].addresses[0].address == ipaddress.ip_interface("2001:db8:1::100/64")
    assert from_plain(to_plain(config)) == config


def test_a_command_has_its_lines_and_times():
    line = (
        '{ command = "nginx", start = "/x a", stop = "/y", status = "/z", run = "everywhere", pidfile = "/run/x",'
        ' start_timeout = "5s", interval = "500ms" }'
    )
    resource = parse(changed('{ vip = "192.0.2.100/24" }', line)).groups[0].resources[0]
    assert (resource.start, resource.stop, resource.status, resource.pidfile) == (
        "/x a",
        "/y",
        "/z",
        "/run/x",
    )
    assert (resource.start_timeout_ns, resource.status_interval_ns) == (5 * SECOND, 500 * MS)


def test_digest_is_the_same_for_another_spelling_and_for_other_sinks():
    spelled = GOOD.replace('failback = "never"\n', "").replace("[cluster]", "# a comment\n[cluster]")
    elsewhere = GOOD.split("[publish.nagios]")[0]
    assert parse(GOOD).digest == parse(spelled).digest == parse(elsewhere).digest
    assert len(parse(GOOD).digest) == 16


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("192.0.2.100", "192.0.2.101"),
        ('name = "web"', 'name = "web"\ntiming = "fast"'),
        ('"pub2", "pub3"]', '"pub3", "pub2"]'),
        ("apache2", "nginx"),
    ],
)
def test_digest_tells_files_apart_that_differ(old, new):
    assert parse(GOOD).digest != parse(changed(old, new)).digest
