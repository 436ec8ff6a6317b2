"""Nagios object files: the real Nagios accepts them, and they are what is checked in."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ha_monitor.cli.main import main
from ha_monitor.config import load_config
from ha_monitor.model import FenceDevice, FenceStep, Fencing
from ha_monitor.provision.expected import expected_services, hosts
from ha_monitor.provision.nagios_objects import define, object_files
from ha_monitor.provision.nrpe import nrpe_definitions

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "nagios_cfg" / "example-cluster.toml"
EXPORT = ["export", "nagios", "--config", str(EXAMPLE), "--plugins", "/opt/ha-monitor/bin"]
MAIN_CFG = """\
cfg_dir={objects}
resource_file={directory}/resource.cfg
log_file={directory}/nagios.log
nagios_user=root
nagios_group=root
illegal_object_name_chars=`~!$%^&*|'"<>?,()=
illegal_macro_output_chars=`~$&|'"<>
"""


@pytest.fixture
def config():
    return load_config(EXAMPLE)


def test_what_is_checked_in_is_what_the_catalogue_gives(capsys):
    code = main([*EXPORT, "--dir", str(ROOT / "nagios_cfg"), "--check"])
    assert (code, capsys.readouterr().err) == (0, "")


def test_a_planted_change_is_found(tmp_path, capsys):
    assert main([*EXPORT, "--dir", str(tmp_path)]) == 0
    path = tmp_path / "objects" / "ha-monitor-web.cfg"
    path.write_text(path.read_text().replace("HA group www", "HA group ftp", 1))
    assert main([*EXPORT, "--dir", str(tmp_path), "--check"]) == 1
    assert "-    service_description             HA group ftp" in capsys.readouterr().err


def test_a_missing_file_is_found(tmp_path, capsys):
    assert main([*EXPORT, "--dir", str(tmp_path), "--check"]) == 1
    assert "4 of 4 files differ" in capsys.readouterr().out


def test_a_directory_that_cannot_be_written_is_a_clear_error(tmp_path, capsys):
    (tmp_path / "objects").write_text("in the way")
    assert main([*EXPORT, "--dir", str(tmp_path)]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("nagios4") is None, reason="no nagios4 here")
def test_the_real_nagios_accepts_the_objects_without_a_warning(tmp_path, config):
    objects = tmp_path / "objects"
    objects.mkdir()
    for name, text in object_files(config).items():
        (objects / name).write_text(text)
    (tmp_path / "resource.cfg").write_text("$USER1$=/usr/lib/nagios/plugins\n")
    cfg = tmp_path / "nagios.cfg"
    cfg.write_text(MAIN_CFG.format(objects=objects, directory=tmp_path))
    done = subprocess.run(["nagios4", "-v", str(cfg)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Total Warnings: 0" in done.stdout
    services = sum(len(list(expected_services(config, host))) for host in hosts(config)) + 1
    assert f"Checked {services} services" in done.stdout
    assert "Checked 4 hosts" in done.stdout


def test_each_voter_and_the_cluster_is_a_host(config):
    assert [(h.name, h.address) for h in hosts(config)] == [
        ("web", "192.0.2.100"),
        ("pub2", "192.0.2.12"),
        ("pub3", "192.0.2.13"),
        ("mon", "192.0.2.9"),
    ]


def test_services_are_passive_and_fresh_and_events_are_volatile(config):
    files = object_files(config)
    common, cluster = files["ha-monitor-common.cfg"], files["ha-monitor-web.cfg"]
    assert "active_checks_enabled   1" not in common
    assert len(re.findall(r"use +ha-monitor-event", cluster)) == 1
    assert len(re.findall(r"define servicedependency", cluster)) == 11


def test_a_semicolon_in_a_value_is_caught():
    with pytest.raises(AssertionError, match="semicolon"):
        define("host", [("alias", "a;b")])


def test_each_plugin_has_a_command_without_arguments_from_outside(config):
    text = nrpe_definitions(config, Path("/opt/ha-monitor/bin"))
    assert "command[check_ha_group_www]=/opt/ha-monitor/bin/check_ha_group www" in text
    assert len(re.findall(r"^command\[", text, re.M)) == 5
    assert "$ARG" not in text


def test_each_node_has_a_service_for_the_others_fence_and_for_its_devices(config):
    devices = (FenceDevice("ipmi-2", "/fence"), FenceDevice("ipmi-3", "/fence"))
    levels = {"pub2": ((FenceStep("ipmi-2"),),), "pub3": ((FenceStep("ipmi-3"),),)}
    fenced = replace(config, fencing=Fencing(devices, levels))
    services = {
        (host.voter.name, expected.description)
        for host in hosts(fenced)
        for expected in expected_services(fenced, host)
        if "HA fenc" in expected.description
    }
    assert services == {
        ("pub2", "HA fencing pub3"),
        ("pub2", "HA fence device ipmi-3"),
        ("pub3", "HA fencing pub2"),
        ("pub3", "HA fence device ipmi-2"),
    }
