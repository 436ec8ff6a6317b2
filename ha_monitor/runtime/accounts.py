"""As whom the publisher runs, and who may use the control socket."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from pathlib import Path

from ha_monitor.model import ClusterConfig
from ha_monitor.runtime.children import Account

NAME = "ha-monitor"


def control_gid() -> int:
    """The group that may give orders; root's when there is no group `ha-monitor`."""
    try:
        return grp.getgrnam(NAME).gr_gid
    except KeyError:
        return 0


def publisher_account(config: ClusterConfig) -> Account:
    """User `ha-monitor`, else `nobody`; with the groups that own the local Nagios's ways in, if any.

    HA_MONITOR_USER names another one: for an installation below a directory that only root may enter.
    """
    try:
        entry = pwd.getpwnam(os.environ.get("HA_MONITOR_USER", NAME))
    except KeyError:
        entry = pwd.getpwnam("nobody")
    groups = set(os.getgrouplist(entry.pw_name, entry.pw_gid)) | _nagios_groups(config)
    return Account(entry.pw_uid, entry.pw_gid, tuple(sorted(groups)))


def _nagios_groups(config: ClusterConfig) -> set[int]:
    ways = (config.nagios.spool, config.nagios.command_file) if config.nagios else ()
    groups = set()
    for way in ways:
        with contextlib.suppress(OSError):
            groups.add(Path(way or "/nonexistent").stat().st_gid)
    return groups - {0}
