"""The child that reads the configuration: its answer, and that nobody waits for it."""

import os
import select

import pytest

from ha_monitor.errors import HaMonitorError, PrerequisiteError
from ha_monitor.runtime import config_reader
from ha_monitor.runtime.config_reader import READ_BOUND_NS, ConfigReader, read_configuration
from ha_monitor.timebase import SECOND, lease_clock_ns

WAIT_S = 60


@pytest.fixture
def script(monkeypatch, tmp_path):
    """What runs in the place of the child."""

    def write(lines):
        path = tmp_path / "child"
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)
        monkeypatch.setattr(config_reader, "full_python", lambda _: [str(path)])

    return write


def test_missing_files_are_told_by_their_names(monkeypatch, tmp_path):
    monkeypatch.setenv("HA_MONITOR_ETC", str(tmp_path))
    with pytest.raises(HaMonitorError) as caught:
        read_configuration()
    assert "cluster.toml" in str(caught.value)
    assert "cluster.key" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_an_answer_longer_than_a_pipe_holds_comes_whole_though_nobody_reads_meanwhile(script):
    script("head -c 300000 /dev/zero | tr '\\0' x")
    reader = ConfigReader()
    assert select.select([reader], [], [], WAIT_S)[0]
    assert reader.answer(lease_clock_ns()) == b"x" * 300_000
    reader.end()


def test_a_reader_that_hangs_has_no_answer_and_then_a_reason(script):
    script("exec sleep 600")
    reader, began_ns = ConfigReader(), lease_clock_ns()
    assert reader.answer(began_ns) is None
    assert reader.answer(began_ns + READ_BOUND_NS - SECOND) is None
    with pytest.raises(PrerequisiteError, match="not read within 20 s"):
        reader.answer(began_ns + READ_BOUND_NS + SECOND)
    child = os.pidfd_open(reader._child.pid)
    reader.end()
    assert select.select([child], [], [], WAIT_S)[0], "it lives on"
    os.close(child)


def test_a_reader_leaves_no_descriptor_behind(script):
    script("echo '{}'")
    before = os.listdir("/proc/self/fd")
    assert read_configuration() == b"{}\n"
    assert os.listdir("/proc/self/fd") == before


def test_a_reader_that_dies_without_a_word_is_told_by_its_code(script):
    script("exit 3")
    with pytest.raises(HaMonitorError, match="reader ended with code 3"):
        read_configuration()


@pytest.mark.parametrize(("of", "name"), [(config_reader.subprocess, "Popen"), (os, "memfd_create")])
def test_a_reader_that_cannot_be_started_is_an_answer_and_no_crash(monkeypatch, of, name):
    def refused(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(of, name, refused)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(PrerequisiteError, match="cannot be started: Resource temporarily unavailable"):
        read_configuration()
    assert os.listdir("/proc/self/fd") == before
