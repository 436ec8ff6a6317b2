"""Which of a host's processes are ha-monitor's, and what each one does."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence

from ha_monitor.lab.host import Host
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.processes import Process

ALL = "all"
_MODULES = {
    "guard": ("ha_monitor.runtime.guard",),
    "core": ("ha_monitor.runtime.core_process",),
    "worker": ("ha_monitor.runtime.worker",),
    "publisher": ("ha_monitor.runtime.publisher",),
}
ROLES = tuple(_MODULES)
_DAEMON_VERBS = ("run", "witness")


def role_of(argv: Sequence[str]) -> str | None:
    """The role of an ha-monitor daemon's process, or None for any other process."""
    title = argv[0].removeprefix("ha-monitor: ")
    if title in ROLES and title != argv[0]:
        return title
    for role, modules in _MODULES.items():
        if any(word in modules for word in argv):
            return role
    for program, verb in itertools.pairwise(argv):
        if os.path.basename(program) == "ha-monitor" and verb in _DAEMON_VERBS:
            return "guard"
    return None


def daemon_processes(host: Host, role: str = ALL) -> list[Process]:
    """The processes of ha-monitor on a host, all or those of one role."""
    if role not in (ALL, *ROLES):
        raise LabError(f"{role!r} is not a process of ha-monitor: {', '.join(ROLES)}")
    found = [(process, role_of(process.argv)) for process in host.processes()]
    return [process for process, its in found if its is not None and role in (ALL, its)]
