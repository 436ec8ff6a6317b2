"""The lab comes up whole, goes down whole, and refuses clearly."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ha_monitor.cli import lab_verbs
from ha_monitor.errors import PrerequisiteError
from ha_monitor.lab import lab as lab_module
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.state import ProcessId

pytestmark = pytest.mark.lab


def test_down_leaves_no_namespace_process_mount_or_file(own_lab: Lab):
    own_lab.up()
    daemon = own_lab.host("mon").spawn(["sleep", "1000"])
    inits = [host.init() for host in own_lab.hosts]
    own_lab.down()
    assert own_lab.leftovers() == []
    assert not daemon.is_alive()
    assert not any(init is not None and init.is_alive() for init in inits)
    assert own_lab.name not in Path("/proc/mounts").read_text()


def test_up_twice_keeps_the_hosts_that_stand(own_lab: Lab):
    own_lab.up()
    before = own_lab.host("pub2").init()
    own_lab.host("pub3").power_off()
    own_lab.up()
    assert own_lab.host("pub2").init() == before
    assert own_lab.host("pub3").is_on()


def test_two_at_once_are_refused(own_lab: Lab):
    with own_lab._alone(), pytest.raises(LabError, match="another process is bringing it up or down"):
        Lab(own_lab.name).up()


def test_down_cleans_up_after_a_caller_killed_while_bringing_it_up(own_lab: Lab):
    script = (
        "from ha_monitor.lab.lab import Lab; from ha_monitor.lab.host import Host; import os, signal\n"
        f"lab = Lab({own_lab.name!r}); real = Host.power_on\n"
        "def power_on(self):\n"
        "    real(self)\n"
        "    if self.name == 'mon': os.kill(os.getpid(), signal.SIGKILL)\n"
        "Host.power_on = power_on\n"
        "lab.up()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    assert own_lab.leftovers() != []
    assert not own_lab.is_up()
    own_lab.down()
    assert own_lab.leftovers() == []


def test_down_finds_everything_without_its_state_file(own_lab: Lab):
    own_lab.up()
    init = own_lab.host("client").init()
    own_lab.state.path.unlink()
    own_lab.down()
    assert own_lab.leftovers() == []
    assert init is not None
    assert not init.is_alive()


def test_a_reused_process_number_is_not_taken_for_the_host(own_lab: Lab):
    own_lab.up()
    with own_lab.state.change() as state:
        state.inits["mon"] = ProcessId(os.getpid(), started=1)
    assert not own_lab.host("mon").is_on()
    own_lab.down()
    assert own_lab.leftovers() == []


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PrerequisiteError, match="needs root: run it with sudo"):
        Lab("nobody").up()


def test_without_nft_it_names_the_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        lab_module.shutil, "which", lambda program, path: None if program == "nft" else program
    )
    with pytest.raises(PrerequisiteError, match="nft is not installed: apt-get install nftables"):
        Lab("nobody").up()


def test_a_wrong_name_is_refused():
    with pytest.raises(LabError, match="not a name of 1 to 8 small letters and digits"):
        Lab("My Lab")


def test_a_command_on_a_host_of_a_lab_that_is_down_says_how_to_bring_it_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HA_MONITOR_LAB", "nobody")
    with pytest.raises(LabError, match="lab nobody is not up: ha-monitor lab up"):
        lab_verbs.run(["exec", "pub2", "--", "true"])


def test_the_whole_cast_is_up_within_seconds(own_lab: Lab):
    began = time.monotonic()
    own_lab.up()
    assert time.monotonic() - began < 10
