"""Which way to Nagios a host takes."""

import os
from pathlib import Path

import pytest

from ha_monitor.model import NagiosSink
from ha_monitor.sinks.choose import _nagios
from ha_monitor.sinks.command_file import CommandFileSink
from ha_monitor.sinks.nsca_ng import NscaNgSink
from ha_monitor.sinks.spool import SpoolSink

NOBODY = 65534


@pytest.fixture
def ways(tmp_path):
    """All three; nothing of Nagios stands on this host yet."""
    return NagiosSink(
        command_file=str(tmp_path / "nagios" / "rw" / "nagios.cmd"),
        spool=str(tmp_path / "nagios" / "spool"),
        nsca_ng="192.0.2.9:5668",
        nsca_ng_secret=str(tmp_path / "secret"),
    )


def test_without_nagios_on_this_host_results_go_over_the_network(ways, tmp_path):
    assert isinstance(_nagios(ways, tmp_path), NscaNgSink)


def test_where_nagios_stands_the_command_file_comes_first_and_then_the_spool(ways, tmp_path):
    Path(ways.spool).mkdir(parents=True)
    assert isinstance(_nagios(ways, tmp_path), SpoolSink)
    Path(ways.command_file).parent.mkdir()
    assert isinstance(_nagios(ways, tmp_path), CommandFileSink), "also while Nagios is down: without its pipe"


def test_a_directory_that_only_nagios_may_enter_is_there(ways, tmp_path):
    Path(ways.command_file).parent.mkdir(parents=True)
    Path(ways.command_file).parents[1].chmod(0o700)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setuid(NOBODY)
            code = 0 if isinstance(_nagios(ways, tmp_path), CommandFileSink) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
