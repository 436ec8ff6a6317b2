"""Restarts of one host after the other: with a changed cluster.toml, with another version of the program.

For ``lab.faults``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ha_monitor.lab import program
from ha_monitor.lab.cast import NODES, WITNESS
from ha_monitor.lab.daemons import CONFIG, Daemons
from ha_monitor.lab.hardship import order
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.problems import LabError
from ha_monitor.view import View

if TYPE_CHECKING:
    from ha_monitor.lab.faults import Blow

_GRACE_START, _GRACE_OTHER = 'start_grace = "3s"', 'start_grace = "4s"'
_HOSTS = (WITNESS, *NODES)
_WHOLE_WITHIN_S = 90.0
_TOLD_WITHIN_S = 10.0


def restart(lab: Lab, blow: Blow) -> None:
    """``ha-monitor restart`` on the host: new processes, and no service is touched."""
    order(lab, blow.host, "restart")


def reload(lab: Lab, _blow: Blow) -> None:
    """A changed cluster.toml on all voters, then ``restart`` on one after the other."""
    old = lab.host(NODES[0]).path(CONFIG).read_text()
    if _GRACE_START not in old and _GRACE_OTHER not in old:
        raise LabError(f"{CONFIG}: has no {_GRACE_START}, which a reload changes")
    is_first = _GRACE_START in old
    new = old.replace(*((_GRACE_START, _GRACE_OTHER) if is_first else (_GRACE_OTHER, _GRACE_START)))
    for name in _HOSTS:
        lab.host(name).path(CONFIG).write_text(new)
    for name in _HOSTS:
        if lab.host(name).is_on():
            order(lab, name, "restart")


def upgrade(lab: Lab, _blow: Blow) -> None:
    """Another version of the program installed and taken over on one host after the other.

    In between every daemon must tell which host runs which version. Raises LabError when one does not.
    """
    if not all(program.is_installed(lab, name) for name in _HOSTS):
        raise LabError("no host has a program of its own: only a chaos run prepares that")
    new = _next_version(lab)
    for name in _HOSTS:
        program.put_version(lab, name, new)
        if lab.host(name).is_on():
            order(lab, name, "restart")
        wait_for_told_versions(lab)


def _next_version(lab: Lab) -> str:
    newest = max(_number(program.installed_version(lab, name)) for name in _HOSTS)
    return f"{program.THIS_VERSION}+lab{newest + 1}"


def wait_for_told_versions(lab: Lab) -> None:
    """Until each daemon tells of each host the version that is installed there. Raises LabError."""
    deadline = time.monotonic() + _TOLD_WITHIN_S
    while mistakes := list(_mistold(lab, _views(lab))):
        if time.monotonic() > deadline:
            raise LabError(f"versions are not told: {'; '.join(mistakes)}")
        time.sleep(0.1)


def _mistold(lab: Lab, views: Mapping[str, View | None]) -> Iterator[str]:
    installed = {name: program.installed_version(lab, name) for name in _HOSTS}
    for name, view in views.items():
        if view is None:
            yield f"{name} gives no status"
            continue
        for node in view.nodes:
            if node.version != installed[node.name]:
                yield f"{name} says that {node.name} runs {node.version}, not {installed[node.name]}"
        if view.version_match != (len(set(installed.values())) == 1):
            yield f"{name} says that versions {'match' if view.version_match else 'differ'}"


def make_whole(lab: Lab, _blow: Blow) -> None:
    """Restart once more whoever was left behind: something else stopped the reload or upgrade half-way."""
    if program.is_installed(lab, NODES[0]):
        newest = max((program.installed_version(lab, name) for name in _HOSTS), key=_number)
        for name in _HOSTS:
            if program.installed_version(lab, name) != newest:
                program.put_version(lab, name, newest)
    deadline = time.monotonic() + _WHOLE_WITHIN_S
    while True:
        views = _views(lab)
        behind = [name for name, view in views.items() if view and _is_behind(lab, name, view, views)]
        if not behind and all(view is None or view.version_match for view in views.values()):
            return
        if time.monotonic() > deadline:
            raise LabError(f"{', '.join(behind) or 'a host'}: still not restarted with the changed files")
        for name in behind:
            with contextlib.suppress(LabError):
                order(lab, name, "restart")
        time.sleep(0 if behind else 0.3)


def _is_behind(lab: Lab, name: str, view: View, views: Mapping[str, View | None]) -> bool:
    if any(other and not other.config_match for other in views.values()):
        return True
    return program.is_installed(lab, name) and view.version != program.installed_version(lab, name)


def _number(version: str) -> int:
    return int(version.partition("+lab")[2] or 0)


def _views(lab: Lab) -> dict[str, View | None]:
    """Of all voters with power; who has none reads the files at its start."""
    daemons = Daemons(lab)
    return {name: daemons.status(name) for name in _HOSTS if lab.host(name).is_on()}
