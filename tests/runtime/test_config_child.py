"""The child that reads both files and knows the publisher's user: one JSON object, or every error and 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ha_monitor.plain import from_plain
from ha_monitor.runtime.accounts import publisher_account
from tests.test_config import GOOD, parse

KEY = "0123456789abcdef" * 4


@pytest.fixture
def etc(tmp_path):
    (tmp_path / "cluster.toml").write_text(GOOD)
    (tmp_path / "cluster.key").write_text(f"1 {KEY}\n")
    (tmp_path / "cluster.key").chmod(0o600)
    return tmp_path


def run_child(etc, **environment):
    return subprocess.run(
        [sys.executable, "-m", "ha_monitor.runtime.config_child"],
        env={**os.environ, "HA_MONITOR_ETC": str(etc), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(os.getuid() != 0, reason="the key file must be root's")
def test_the_child_prints_what_it_read(etc):
    child = run_child(etc)
    told = json.loads(child.stdout)
    assert (child.returncode, child.stderr) == (0, "")
    assert from_plain(told["config"]) == parse(GOOD)
    assert told["keys"] == [[1, KEY]]
    account = publisher_account(parse(GOOD))
    assert told["account"] == [account.uid, account.gid, list(account.groups)]


def test_the_child_tells_the_mistakes_of_both_files(etc):
    (etc / "cluster.toml").write_text(GOOD.replace('name = "web"', "nmae = 1"))
    (etc / "cluster.key").chmod(0o644)
    child = run_child(etc)
    assert (child.returncode, child.stdout) == (2, "")
    assert "did you mean 'name'?" in child.stderr
    assert "chmod 0600" in child.stderr
    assert "Traceback" not in child.stderr
    assert KEY not in child.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="the key file must be root's")
def test_the_child_tells_that_the_publishers_user_is_unknown(etc):
    child = run_child(etc, HA_MONITOR_USER="no-such-user")
    assert (child.returncode, child.stdout) == (2, "")
    assert child.stderr.startswith("HA_MONITOR_USER: 'no-such-user' is no user of this host")
