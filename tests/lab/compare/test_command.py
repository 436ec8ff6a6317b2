"""bench/compare.py: a short real instance of the command, its resumption, and its options."""

import json
import os
import subprocess
import sys
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from bench.compare import NOT_INSTALLED, ROOT, _first_free, daemon_commit, debian_version, main, seconds
from ha_monitor.lab.compare.cells import OURS
from ha_monitor.lab.compare.plan import Block
from ha_monitor.lab.compare.results import Result, Results
from ha_monitor.lab.observers.webprobe import host_named


def test_times_have_a_unit():
    assert (seconds("90s"), seconds("60m"), seconds("2h")) == (90, 3600, 7200)
    with pytest.raises(ArgumentTypeError, match="'60' is not a time such as 90s"):
        seconds("60")


def test_a_program_that_is_not_there_has_no_version():
    assert debian_version("ha-monitor-no-such-package") == NOT_INSTALLED
    assert debian_version("dpkg") != NOT_INSTALLED


def test_a_page_tells_its_node_and_an_error_tells_none():
    assert host_named(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nwww01.example pub2\n") == b"pub2"
    assert host_named(b"HTTP/1.1 404 Not Found\r\n\r\nno such name here\n") == b""
    assert host_named(b"") == b""


def test_two_processes_never_play_the_same_program_at_once(tmp_path: Path):
    one, other = Block(OURS, "lan", 1, ("kill",)), Block("keepalived", "lan", 1, ("kill",))
    with _first_free([one, other], tmp_path) as mine, _first_free([one, other], tmp_path) as its:
        assert (mine, its) == (one, other)
        with _first_free([one, other], tmp_path) as nothing:
            assert nothing is None
    with _first_free([one, other], tmp_path) as again:
        assert again == one


@pytest.mark.parametrize(("double_ms", "status"), [(0.0, 0), (3.0, 1)])
def test_two_owners_of_ours_make_the_command_fail(tmp_path: Path, double_ms: float, status: int):
    commit = daemon_commit()
    run = Result(OURS, commit, "lan", "kill", 1, commit, double_ms_kernel=double_ms)
    Results(tmp_path, {OURS: commit}).write(run)
    assert main(["--page", "--no-page", "--idle", "0", "--results", str(tmp_path)]) == status


@pytest.mark.lab
def test_a_run_is_played_and_not_played_again(tmp_path: Path):
    argv = [
        sys.executable,
        str(ROOT / "bench" / "compare.py"),
        "--for",
        "4m",
        "--runs",
        "1",
        "--no-page",
        "--idle",
        "0",
    ]
    argv += [
        "--program",
        "keepalived",
        "--timing",
        "fast",
        "--fault",
        "service-crash",
        "--results",
        str(tmp_path),
    ]
    environment = {**os.environ, "HA_MONITOR_LAB": f"b{os.getpid() % 100000}"}
    first = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=280)
    assert first.returncode == 0, first.stdout + first.stderr
    (file,) = tmp_path.glob("*.json")
    result = json.loads(file.read_text())
    assert result["error"] == "", result
    # A visitor of the web server is without it until the address has moved: a check each second, 85 ms more.
    assert result["outage_ms"] > 20, result
    assert result["took_s"] > 5, result
    again = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert again.returncode == 0, again.stderr
    assert "0 runs are missing" in again.stdout
    assert "keepalived fast" not in again.stdout
