"""`ha-monitor check`: each thing that is missing is told with what to do, and nothing else is."""

from __future__ import annotations

import argparse
import dataclasses
import ipaddress
import json
import os
import socket
import subprocess
import sys
import time

import pytest

from ha_monitor.cli import check
from ha_monitor.cli.check_host import check_addresses, check_kernel, check_ports, check_realtime
from ha_monitor.cli.check_services import check_limits, check_resources, check_sinks
from ha_monitor.cli.this_host import Bearer, voter_here
from ha_monitor.config import parse_config
from ha_monitor.runtime.accounts import publisher_account
from ha_monitor.runtime.instance import GUARD_LOCK
from ha_monitor.view import MaintenanceView, NodeView, View

PORT = 46940
CONFIG = f"""
[cluster]
name = "web"
port = {PORT}
[nodes]
pub2 = {{ lan = "127.0.0.1" }}
pub3 = {{ lan = "192.0.2.13" }}
[witness]
mon = "192.0.2.9"
[groups.www]
resources = [
  {{ vip = "127.0.0.100/8" }},
  {{ command = "web", start = "/bin/true", stop = "/bin/true", status = "/bin/true", run = "everywhere" }},
]
"""
LAN = (Bearer("eth0", ipaddress.ip_interface("192.0.2.12/24")),)


HOLDER = """
import pathlib, sys
from ha_monitor.runtime.instance import ProcessLock
lock = ProcessLock(pathlib.Path(sys.argv[1]))
lock.take("a test")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    for name in ("ETC", "RUN", "STATE"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"HA_MONITOR_{name}", str(tmp_path / name))
    monkeypatch.setenv("HA_MONITOR_SELF", "pub2")
    (tmp_path / "ETC" / "cluster.toml").write_text(CONFIG)
    key = tmp_path / "ETC" / "cluster.key"
    key.write_text(f"1 {'0123456789abcdef' * 4}\n")
    key.chmod(0o600)
    return tmp_path


def run_check(*options):
    parser = argparse.ArgumentParser()
    check.add_parser(parser.add_subparsers())
    args = parser.parse_args(["check", *options])
    return args.run(args)


def group_of(*resources, extra=""):
    text = CONFIG.replace("127.0.0.1", "192.0.2.12")
    return parse_config(
        (text[: text.index("resources")] + f"resources = [{', '.join(resources)}]\n{extra}").encode()
    )


def lines(findings, word=None):
    return [finding.line for finding in findings if word in (None, finding.word)]


@pytest.mark.skipif(os.getuid() != 0, reason="real-time rights and netlink need root")
def test_a_good_host_has_no_error(host, capsys):
    assert run_check("--offline") == 0, capsys.readouterr().out
    told = capsys.readouterr().out
    assert "this host is pub2, a Node" in told
    assert f"UDP {PORT} on 127.0.0.1 (Link lan) is free" in told
    assert told.endswith("0 errors, 0 warnings\n")


def test_findings_are_told_as_json_too(host, capsys):
    worst = run_check("--offline", "--json")
    findings = json.loads(capsys.readouterr().out)
    assert {"level": "ok", "what": "this host is pub2, a Node", "remedy": ""} in findings
    assert worst == max({"ok": 0, "note": 0, "warning": 1, "error": 2}[one["level"]] for one in findings)


def test_mistakes_of_both_files_are_told_and_no_traceback(host, capsys):
    (host / "ETC" / "cluster.toml").write_text(CONFIG.replace("port", "prot"))
    (host / "ETC" / "cluster.key").chmod(0o644)
    assert run_check("--offline") == 2
    told = capsys.readouterr().out
    assert "did you mean 'port'?" in told
    assert "chmod 0600" in told


def test_a_warning_alone_ends_with_1(host, capsys):
    text = CONFIG.replace('{ vip = "127.0.0.100/8" },', "")
    (host / "ETC" / "cluster.toml").write_text(text)
    assert run_check() == 1
    told = capsys.readouterr().out
    assert "warning [groups.www] has no vip" in told
    assert "note    nobody is told of anything yet" in told


def test_a_host_that_is_nobody_is_an_error():
    config = group_of('{ vip = "192.0.2.100/24" }')
    here = frozenset({ipaddress.ip_address("203.0.113.7")})
    assert voter_here(config, here) is None
    (line,) = lines(check_addresses(config, None, here))
    assert line.startswith(
        "ERROR   this host is none of the voters: it has 203.0.113.7, the configuration names"
    )


def test_a_host_that_is_two_is_an_error(host):
    config = group_of('{ vip = "192.0.2.100/24" }')
    here = frozenset(map(ipaddress.ip_address, ("192.0.2.12", "192.0.2.13")))
    assert lines(check_addresses(config, config.nodes[0], here), "ERROR") == [
        "ERROR   this host has 192.0.2.13 too, which is pub3's on Link lan; an address belongs to one host"
    ]


@pytest.mark.parametrize(("name", "is_right"), [("pub2", True), ("pub2.example.org", True), ("pub3", False)])
def test_a_host_under_another_voters_name_is_an_error(host, monkeypatch, capsys, name, is_right):
    monkeypatch.setenv("HA_MONITOR_SELF", name)
    run_check("--offline")
    assert (
        f"this host calls itself {name}, its addresses are pub2's" not in capsys.readouterr().out
    ) == is_right


def test_a_missing_second_address_is_an_error(host):
    text = CONFIG.replace('"127.0.0.1"', '"127.0.0.1", direct = "198.51.100.12"').replace(
        '"192.0.2.13"', '"192.0.2.13", direct = "198.51.100.13"'
    )
    config = parse_config(text.encode())
    here = frozenset({ipaddress.ip_address("127.0.0.1")})
    (line,) = lines(check_addresses(config, config.nodes[0], here), "ERROR")
    assert "pub2's address 198.51.100.12 on Link direct is on no device of this host; set it" in line


def test_a_port_in_use_is_an_error_unless_our_own_daemon_has_it():
    config = parse_config(CONFIG.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", PORT))
        (line,) = lines(check_ports(config, config.nodes[0], is_running=False))
        assert "is in use by another program; see `ss -ulpn" in line
        assert lines(check_ports(config, config.nodes[0], is_running=True)) == [
            f"ok      a daemon runs here and has UDP {PORT}"
        ]
    (line,) = lines(check_ports(config, config.nodes[0], is_running=False))
    assert line.startswith("ok")


def test_a_vip_that_no_device_can_bear_is_an_error():
    config = group_of('{ vip = "198.18.0.100/24" }', '{ vip = "192.0.2.101/24", device = "nic9" }')
    found = lines(check_resources(config, LAN, is_running=False), "ERROR")
    assert "no device of this host is in 198.18.0.0/24" in found[0]
    assert "there is no device nic9 here" in found[1]


def test_a_vip_that_stands_there_without_a_daemon_is_a_warning():
    config = group_of('{ vip = "127.0.0.1/8" }')
    found = (Bearer("lo", ipaddress.ip_interface("127.0.0.1/8")),)
    assert (
        "stands on lo although no daemon runs" in lines(check_resources(config, found, is_running=False))[0]
    )
    assert lines(check_resources(config, found, is_running=True), "warning") == []


def test_a_program_that_is_missing_is_an_error():
    config = group_of('{ command = "web", start = "/bin/true", stop = "/nowhere/x", status = "/etc/passwd" }')
    found = lines(check_resources(config, LAN, is_running=False), "ERROR")
    assert ["stop = '/nowhere/x'" in found[0], "status = '/etc/passwd'" in found[1]] == [True, True]


def test_a_unit_that_is_missing_is_an_error():
    config = group_of('{ systemd = "no-such-unit-of-ours" }')
    (line,) = lines(check_resources(config, LAN, is_running=False))
    assert "the unit is not-found" in line or "systemctl does not answer here" in line


def test_a_sink_that_nobody_serves_is_a_warning_and_one_that_answers_is_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        config = group_of(
            '{ vip = "192.0.2.100/24" }', extra=f'[publish.zabbix]\nserver = "127.0.0.1:{port}"\n'
        )
        assert [finding.word for finding in check_sinks(config)] == ["ok"]
    (line,) = lines(check_sinks(config))
    assert "Connection refused; is it running" in line


@pytest.mark.skipif(os.getuid() != 0, reason="gives files away")
@pytest.mark.parametrize(
    ("mode", "owner", "complaint"),
    [
        (0o644, 0, "everybody on this host may read it"),
        (0o600, 0, "may not read it"),
        (0o600, "publisher", ""),
    ],
)
def test_a_secret_is_for_the_publisher_and_nobody_else(tmp_path, mode, owner, complaint):
    secret = tmp_path / "nsca_ng"
    secret.write_text("x")
    secret.chmod(mode)
    config = group_of(
        '{ vip = "192.0.2.100/24" }',
        extra=f'[publish.nagios]\nnsca_ng = "127.0.0.1:1"\nnsca_ng_secret = "{secret}"\n',
    )
    os.chown(secret, publisher_account(config).uid if owner == "publisher" else 0, 0)
    told = [line for line in lines(check_sinks(config), "ERROR") if "nsca_ng_secret" in line]
    assert [complaint in line and "chmod 0640" in line for line in told] == [True] * bool(complaint)


def test_a_publisher_without_a_user_is_an_error_among_the_others(monkeypatch):
    monkeypatch.setenv("HA_MONITOR_USER", "no-such-user")
    ways = 'nsca_ng = "127.0.0.1:1"\nnsca_ng_secret = "/nonexistent"\n'
    config = group_of('{ vip = "192.0.2.100/24" }', extra=f"[publish.nagios]\n{ways}")
    told = lines(check_sinks(config), "ERROR")
    assert any("HA_MONITOR_USER: 'no-such-user' is no user" in line for line in told)


def test_where_nagios_runs_its_own_way_in_is_checked_and_not_the_network(tmp_path):
    ways = (
        f'nsca_ng = "127.0.0.1:1"\nnsca_ng_secret = "/nonexistent"\ncommand_file = "{tmp_path}/nagios.cmd"\n'
    )
    config = group_of('{ vip = "192.0.2.100/24" }', extra=f"[publish.nagios]\n{ways}")
    (line,) = lines(check_sinks(config))
    assert "No such file or directory; is Nagios running?" in line
    os.mkfifo(tmp_path / "nagios.cmd")
    assert [finding.word for finding in check_sinks(config)] == ["ok"]


def test_credentials_may_be_missing_where_provision_is_not_run(tmp_path):
    config = group_of(
        '{ vip = "192.0.2.100/24" }',
        extra=f'[publish.zabbix]\nserver = "127.0.0.1:1"\ncredentials = "{tmp_path}/x"\n',
    )
    assert any("needed only where `provision` is run" in line for line in lines(check_sinks(config), "note"))


def test_the_limit_of_the_promise_is_told_and_costs_no_exit_code():
    config = group_of(
        '{ vip = "192.0.2.100/24" }', '{ systemd = "db" }', '{ systemd = "web", run = "everywhere" }'
    )
    (finding,) = check_limits(config)
    assert (finding.level, finding.word) == (0, "note")
    assert 'db with run = "owner": on a frozen old Owner it may still run, unreachable' in finding.what
    assert list(check_limits(group_of('{ vip = "192.0.2.100/24" }'))) == []


def test_a_group_without_an_address_is_a_warning():
    (line,) = lines(check_limits(group_of('{ systemd = "db" }')), "warning")
    assert "has no vip" in line


def view_of(digest, peer_digest, stall_ms=3):
    def node(name, its_digest):
        fields = {field.name: "" for field in dataclasses.fields(NodeView) if field.name != "rtt_ms"}
        return NodeView(**{**fields, "name": name, "is_self": name == "pub2", "config_digest": its_digest})

    values = {field.name: "" for field in dataclasses.fields(View) if field.default is dataclasses.MISSING}
    for name in ("rejected", "processes", "is_realtime", "restarts", "sinks"):
        values.pop(name, None)
    return View(
        **{
            **values,
            "self_name": "pub2",
            "config_digest": digest,
            "stall_max_ms": stall_ms,
            "stamp_ns": time.time_ns(),
            "maintenance": MaintenanceView(False, 0, "", ""),
            "nodes": (node("pub2", digest), node("pub3", peer_digest)),
            "links": (),
            "groups": (),
        }
    )


@pytest.mark.parametrize(
    ("digest", "peer_digest", "stall_ms", "sentence"),
    [
        (None, "feedfeedfeedfeed", 3, "ERROR   pub3 uses configuration feedfeedfeedfeed"),
        ("feedfeedfeedfeed", None, 3, "warning the running daemon uses configuration feedfeedfeedfeed"),
        (
            None,
            None,
            600,
            "this host stalled for 600 ms, the Lease lasts 1000 ms; give the Lease at least 1200 ms",
        ),
        (None, None, 500, ""),
    ],
)
def test_a_running_daemon_is_asked_for_its_peers(host, capsys, digest, peer_digest, stall_ms, sentence):
    own = parse_config(CONFIG.encode()).digest
    view = view_of(digest or own, peer_digest or own, stall_ms)
    (host / "RUN" / "view.json").write_text(json.dumps(dataclasses.asdict(view)))
    run_check("--offline")
    told = capsys.readouterr().out
    assert sentence in told
    assert ("uses configuration" in told or "stalled" in told) == bool(sentence)


def test_a_daemon_that_does_not_answer_is_an_error(host, capsys):
    command = [sys.executable, "-c", HOLDER, str(host / "RUN" / GUARD_LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert run_check("--offline") == 2
        assert f"a daemon runs here (pid {holder.pid}) and does not answer" in capsys.readouterr().out
        holder.stdin.close()


def test_a_stale_view_is_no_running_daemon(host, capsys):
    view = dataclasses.replace(view_of("", ""), stamp_ns=time.time_ns() - 60 * 10**9)
    (host / "RUN" / "view.json").write_text(json.dumps(dataclasses.asdict(view)))
    run_check("--offline")
    assert "no daemon runs here" in capsys.readouterr().out


@pytest.mark.skipif(os.getuid() != 0, reason="netlink and real-time rights need root")
def test_kernel_and_rights_are_asked_without_changing_anything():
    config = group_of('{ vip = "192.0.2.100/24" }')
    assert all(finding.word in ("ok", "warning") for finding in check_kernel(config))
    assert [finding.word for finding in check_realtime()] == ["ok"]
