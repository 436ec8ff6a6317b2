"""`ha-monitor init`: two files that the daemon takes, and nothing lost that stood there."""

from __future__ import annotations

import argparse
import os
import shlex
import stat

import pytest

from ha_monitor.cli import init
from ha_monitor.cli.init_draft import Draft, toml_text
from ha_monitor.config import load_config, parse_config
from ha_monitor.config_keys import load_keys, parse_keys

OPTIONS = shlex.split(
    "--yes --name web --node pub2=192.0.2.12,198.51.100.12 --node pub3=192.0.2.13,198.51.100.13"
    " --witness mon=192.0.2.9 --vip 192.0.2.100/24 --vip 2001:db8:1::100/64 --unit apache2"
    " --nsca-ng 192.0.2.9 --zabbix 192.0.2.9"
)


@pytest.fixture
def etc(tmp_path):
    return tmp_path / "etc"


def run_init(etc, *options):
    parser = argparse.ArgumentParser()
    init.add_parser(parser.add_subparsers())
    args = parser.parse_args(["init", "--directory", str(etc), *options])
    return args.run(args)


def test_options_make_two_files_that_the_daemon_takes(etc, capsys):
    assert run_init(etc, *OPTIONS) == 0
    config, keys = load_config(etc / "cluster.toml"), load_keys(etc / "cluster.key", owner=os.getuid())
    assert [voter.name for voter in config.voters] == ["pub2", "pub3", "mon"]
    assert [resource.name for resource in config.groups[0].resources] == [
        "192.0.2.100",
        "2001:db8:1::100",
        "apache2",
    ]
    assert len(keys.keys) == 1
    assert config.digest in capsys.readouterr().out


def test_the_key_is_for_root_alone_whatever_the_umask(etc):
    before = os.umask(0)
    try:
        run_init(etc, *OPTIONS)
    finally:
        os.umask(before)
    assert stat.S_IMODE((etc / "cluster.key").stat().st_mode) == 0o600


def test_it_says_how_the_files_travel_and_which_ports_to_open(etc, capsys):
    run_init(etc, *OPTIONS)
    told = capsys.readouterr().out
    for line in (
        f"scp -p {etc}/cluster.toml {etc}/cluster.key root@192.0.2.13:{etc}/",
        f"scp -p {etc}/cluster.toml {etc}/cluster.key root@192.0.2.9:{etc}/",
        "UDP 694 both ways between 192.0.2.12, 192.0.2.13, 192.0.2.9 (Link lan)",
        "UDP 694 both ways between 198.51.100.12, 198.51.100.13 (Link direct)",
        "TCP from every Node to 192.0.2.9:5668 (Nagios, NSCA-ng)",
        "TCP from every Node and the Witness to 192.0.2.9:10051 (Zabbix trapper)",
        "  ha-monitor check",
    ):
        assert line in told
    assert (etc / "cluster.key").read_text().split()[-1] not in told


def test_nothing_is_overwritten_without_force(etc, capsys):
    run_init(etc, *OPTIONS)
    before = (etc / "cluster.key").read_bytes()
    assert run_init(etc, *OPTIONS) == 2
    assert (etc / "cluster.key").read_bytes() == before
    assert "exists already; --force" in capsys.readouterr().err


def test_force_keeps_the_former_files(etc):
    run_init(etc, *OPTIONS)
    before = (etc / "cluster.key").read_bytes()
    assert run_init(etc, *OPTIONS, "--force") == 0
    assert (etc / "cluster.key.old").read_bytes() == before != (etc / "cluster.key").read_bytes()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--yes"], "--yes needs at least two --node"),
        (["--yes", "--node", "pub2", "--vip", "x"], "'pub2' is not a name, =, and an address"),
        ([*OPTIONS, "--vip", "192.0.2.12/24"], "'192.0.2.12' is not free"),
        ([*OPTIONS, "--links", "lan"], "more addresses than Links"),
        ([], "standard input is no terminal"),
    ],
)
def test_a_mistake_writes_nothing(etc, capsys, monkeypatch, options, sentence):
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115 (closed with the test)
    assert run_init(etc, *options) == 2
    assert sentence in capsys.readouterr().err
    assert not etc.exists()


def test_questions_take_the_defaults_found_and_ask_again_after_nonsense(etc, monkeypatch, capsys):
    wanted = ["", "pub2", "192.0.2.12", "none", "pub3", "not an address", "192.0.2.13", "", "192.0.2.9"]
    answers = iter([*wanted, "192.0.2.100", "192.0.2.100/24", "", "nginx", "", "192.0.2.9"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    monkeypatch.setattr("sys.stdin", open("/dev/ptmx"))  # noqa: SIM115 (a terminal, closed with the test)
    assert run_init(etc) == 0
    config = load_config(etc / "cluster.toml")
    assert [(voter.name, len(voter.addresses)) for voter in config.voters] == [
        ("pub2", 1),
        ("pub3", 1),
        ("mon", 1),
    ]
    assert config.groups[0].resources[1].unit == "nginx.service"
    assert (config.nagios, config.zabbix.server) == (None, "192.0.2.9:10051")
    told = capsys.readouterr().out
    assert "'not an address' is not an IPv4 or IPv6 address" in told
    assert next(answers, None) is None


def test_giving_up_writes_nothing(etc, monkeypatch):
    def leave(_):
        raise EOFError

    monkeypatch.setattr("builtins.input", leave)
    monkeypatch.setattr("sys.stdin", open("/dev/ptmx"))  # noqa: SIM115
    assert run_init(etc) == 2
    assert not etc.exists()


def test_a_new_key_is_a_line_for_the_key_file(etc, capsys):
    assert run_init(etc, "--new-key") == 0
    line = capsys.readouterr().out
    assert len(parse_keys(line.encode(), "k").keys) == 1
    assert not etc.exists()


def test_names_with_dots_are_quoted():
    draft = Draft(
        nodes=(("pub2.example.org", ("192.0.2.12",)), ("pub3.example.org", ("192.0.2.13",))),
        witness=("mon.example.org", "192.0.2.9"),
        vips=("192.0.2.100/24",),
    )
    assert parse_config(toml_text(draft).encode()).nodes[0].name == "pub2.example.org"
