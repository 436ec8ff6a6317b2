"""As whom the publisher runs, and who may use the control socket."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from pathlib import Path

from ha_monitor.errors import PrerequisiteError
from ha_monitor.model import ClusterConfig
from ha_monitor.runtime.children import Account

NAME = "ha-monitor"
FALLBACK = "nobody"
USER = "HA_MONITOR_USER"
OTHERS = 0o007


def control_gid() -> int:
    """The group that may give orders; root's when there is no group `ha-monitor`."""
    try:
        return grp.getgrnam(NAME).gr_gid
    except KeyError:
        return 0


def publisher_account(config: ClusterConfig) -> Account:
    """User `ha-monitor`, else `nobody`; with the groups that own the local Nagios's ways in, if any.

    HA_MONITOR_USER names another one: for an installation below a directory that only root may enter.
    Asks the name service, which can take its time. Raises PrerequisiteError when it knows none of them.
    """
    entry = _publisher_user()
    groups = set(os.getgrouplist(entry.pw_name, entry.pw_gid)) | _nagios_groups(config)
    return Account(entry.pw_uid, entry.pw_gid, tuple(sorted(groups)))


def _publisher_user() -> pwd.struct_passwd:
    wanted = os.environ.get(USER)
    for name in (wanted,) if wanted else (NAME, FALLBACK):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    if wanted:
        remedy = f"name one that `getent passwd {wanted}` shows, or unset it"
        raise PrerequisiteError(f"{USER}: {wanted!r} is no user of this host; {remedy}")
    remedy = f"create {NAME} (`ha-monitor export systemd` tells how), or name another one in {USER}"
    raise PrerequisiteError(f"the publisher: neither {NAME} nor {FALLBACK} is a user of this host; {remedy}")


def _nagios_groups(config: ClusterConfig) -> set[int]:
    """Of the ways in, and of the directories above that others may not enter: Nagios may be down now."""
    ways = [Path(way) for way in _ways(config) if way]
    groups = set()
    for path in (path for way in ways for path in (way, *way.parents)):
        with contextlib.suppress(OSError):
            found = path.stat()
            if path in ways or not found.st_mode & OTHERS:
                groups.add(found.st_gid)
    return groups - {0}


def _ways(config: ClusterConfig) -> tuple[str, ...]:
    return (config.nagios.spool, config.nagios.command_file) if config.nagios else ()
