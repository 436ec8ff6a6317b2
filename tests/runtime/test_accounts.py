"""As whom the publisher runs: a user that this host knows, or a sentence that says which it does not."""

import os
import pwd
from dataclasses import replace

import pytest

from ha_monitor.errors import PrerequisiteError
from ha_monitor.model import NagiosSink
from ha_monitor.runtime import accounts
from tests.runtime.test_orders import CONFIG


@pytest.fixture
def users(monkeypatch):
    """Who the name service knows: by name, with the uid."""
    known = {}

    def found(name):
        return pwd.struct_passwd((name, "x", known[name], known[name], "", "/", "/bin/false"))

    monkeypatch.delenv("HA_MONITOR_USER", raising=False)
    monkeypatch.setattr(accounts.pwd, "getpwnam", found)
    monkeypatch.setattr(os, "getgrouplist", lambda _name, gid: [gid])
    return known


@pytest.mark.parametrize(
    ("known", "named", "uid"),
    [
        ({"ha-monitor": 990, "nobody": 65534}, "", 990),
        ({"nobody": 65534}, "", 65534),
        ({"ha-monitor": 990, "monitoring": 991}, "monitoring", 991),
    ],
)
def test_publisher_runs_as_the_named_user_or_ours_or_nobody(monkeypatch, users, known, named, uid):
    users.update(known)
    monkeypatch.setenv("HA_MONITOR_USER", named)
    assert accounts.publisher_account(CONFIG).uid == uid


def test_named_user_that_is_unknown_is_refused_and_no_other_one_taken(monkeypatch, users):
    users.update({"ha-monitor": 990, "nobody": 65534})
    monkeypatch.setenv("HA_MONITOR_USER", "hamonitor")
    with pytest.raises(PrerequisiteError, match="HA_MONITOR_USER: 'hamonitor' is no user of this host"):
        accounts.publisher_account(CONFIG)


def test_host_that_knows_nobody_is_told_what_to_create(users):
    with pytest.raises(PrerequisiteError, match="nor nobody is a user of this host; create"):
        accounts.publisher_account(CONFIG)


def test_publisher_may_enter_nagios_directories_also_while_nagios_is_down(users, tmp_path):
    users.update({"ha-monitor": 990})
    rw = tmp_path / "nagios4" / "rw"
    rw.mkdir(parents=True)
    for directory, gid, mode in ((tmp_path, 2000, 0o755), (rw.parent, 2001, 0o750), (rw, 2002, 0o2710)):
        os.chown(directory, 0, gid)
        directory.chmod(mode)
    told = NagiosSink(command_file=str(rw / "nagios.cmd"))
    assert accounts.publisher_account(replace(CONFIG, nagios=told)).groups == (990, 2001, 2002)
