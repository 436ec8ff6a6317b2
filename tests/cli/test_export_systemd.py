"""The units say what keeps the daemon on time; a real systemd reads them in tests/booted."""

import argparse
import configparser
import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from ha_monitor.cli import export
from ha_monitor.cli.export_systemd import NODE_UNIT, SYSUSERS, WITNESS_UNIT, systemd_files, this_program
from ha_monitor.errors import PrerequisiteError
from ha_monitor.model import ClusterConfig, Group, Resource, ResourceKind, Run, Timing, Voter
from ha_monitor.timebase import SECOND

PROGRAM = Path("/opt/ha-monitor/bin/ha-monitor")


def config_with(*resources):
    nodes = (Voter(0, "pub2", {}), Voter(1, "pub3", {}))
    return ClusterConfig("web", nodes, None, (Group("www", ("pub2",), resources),), Timing(lease_ns=SECOND))


def sections(text):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(text)
    return parser


def run_verb(*arguments):
    parser = argparse.ArgumentParser()
    export.add_parser(parser.add_subparsers())
    args = parser.parse_args(["export", "systemd", *arguments])
    return args.run(args)


@pytest.mark.parametrize(("unit", "verb"), [(NODE_UNIT, "run"), (WITNESS_UNIT, "witness")])
def test_units_start_at_boot_after_the_network_with_rights_for_real_time(unit, verb):
    unit = sections(systemd_files(PROGRAM, None)[unit])
    assert unit["Service"]["ExecStart"] == f"{PROGRAM} {verb}"
    assert unit["Install"]["WantedBy"] == "multi-user.target"
    assert "network-online.target" in unit["Unit"]["After"]
    assert unit["Service"]["LimitMEMLOCK"] == "infinity"
    assert unit["Service"]["LimitRTPRIO"] == "20"
    # systemd hands their contents to root at every reload: the publisher could write no more.
    assert not {"RuntimeDirectory", "StateDirectory"} & set(unit["Service"])


def test_host_that_shuts_down_hands_over_before_units_that_run_everywhere_are_stopped():
    nginx = Resource("nginx", ResourceKind.SYSTEMD, Run.EVERYWHERE, unit="nginx.service")
    mariadb = Resource("mariadb", ResourceKind.SYSTEMD, Run.OWNER, unit="mariadb.service")
    after = sections(systemd_files(PROGRAM, config_with(nginx, mariadb))[NODE_UNIT])["Unit"]["After"]
    assert "nginx.service" in after
    # We wait for its stop when we hand over: with an order in between both would wait for ever.
    assert "mariadb.service" not in after


def test_time_to_stop_is_longer_than_the_stops_of_a_group_one_after_another():
    slow = [
        Resource(name, ResourceKind.SYSTEMD, unit=f"{name}.service", stop_timeout_ns=100 * SECOND)
        for name in ("a", "b")
    ]
    service = sections(systemd_files(PROGRAM, config_with(*slow))[NODE_UNIT])["Service"]
    assert int(service["TimeoutStopSec"].rstrip("s")) > 2 * 100 + 2 + 5


def test_the_guard_has_time_to_end_exclusive_groups_before_systemd_kills_it():
    plain = config_with(Resource("a", ResourceKind.SYSTEMD, unit="a.service", stop_timeout_ns=100 * SECOND))
    group = dataclasses.replace(plain.groups[0], exclusive=True, stop_within_ns=111 * SECOND)
    exclusive = dataclasses.replace(plain, groups=(group,))
    before, after = (
        sections(systemd_files(PROGRAM, config)[NODE_UNIT])["Service"] for config in (plain, exclusive)
    )
    for key in ("TimeoutStartSec", "TimeoutStopSec"):
        assert int(after[key].rstrip("s")) == int(before[key].rstrip("s")) + 111


def test_files_are_written_below_the_root_and_can_be_written_twice(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HA_MONITOR_ETC", str(tmp_path / "no-configuration"))
    for _ in range(2):
        assert run_verb("--root", str(tmp_path), "--program", str(PROGRAM)) == 0
    assert f"ExecStart={PROGRAM} run\n" in (tmp_path / NODE_UNIT).read_text()
    assert "u ha-monitor -" in (tmp_path / SYSUSERS).read_text()
    assert str(tmp_path / WITNESS_UNIT) in capsys.readouterr().out


def test_directory_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HA_MONITOR_ETC", str(tmp_path / "no-configuration"))
    (tmp_path / "etc").write_text("a file")
    with pytest.raises(PrerequisiteError, match=r"ha-monitor\.service: cannot be written: .+"):
        run_verb("--root", str(tmp_path), "--program", str(PROGRAM))


def test_program_that_is_not_installed_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(PrerequisiteError, match="--program"):
        this_program()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_every_line(tmp_path):
    for name, text in systemd_files(Path("/bin/true"), None).items():
        (tmp_path / Path(name).name).write_text(text)
    units = sorted(str(path) for path in tmp_path.glob("*.service"))
    done = subprocess.run(["systemd-analyze", "verify", *units], check=False, capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if "ha-monitor" in line] == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_a_line_that_systemd_does_not_understand_is_found(tmp_path):
    text = systemd_files(Path("/bin/true"), None)[NODE_UNIT].replace("KillMode=mixed", "KillMode=never")
    (tmp_path / "ha-monitor.service").write_text(text)
    command = ["systemd-analyze", "verify", str(tmp_path / "ha-monitor.service")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "Failed to parse kill mode" in done.stderr
