"""Resources that are three command lines: start, stop and status, as an init script has them.

Each line is run by ``/bin/sh -c`` (see `programs`). ``status`` answers by its exit code as LSB says:
0 running, 3 stopped, anything else failed. A start or stop is believed only when ``status`` confirms it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from ha_monitor.agents.base import Answer, Surroundings, first_line, resource_state, settle
from ha_monitor.agents.programs import Ended, FileOutput, Output, PipeOutput, run_line
from ha_monitor.model import Resource, ResourceState
from ha_monitor.timebase import SECOND, lease_clock_ns

PIDFILE_MAX = 32


class CommandAgent:
    """One `command` Resource."""

    def __init__(self, resource: Resource, output_dir: Path) -> None:
        self.resource = resource
        self._start_output = FileOutput(output_dir / f"{_file_name(resource.name)}.start")

    async def start(self, surroundings: Surroundings) -> Answer:
        """Run the start line unless status says RUNNING, then wait for status to say so."""
        resource = self.resource
        deadline_ns = lease_clock_ns() + resource.start_timeout_ns
        before = await self.status(surroundings)
        if before.state is ResourceState.RUNNING:
            return Answer(before.state, "ran already")
        environment = surroundings.environment(resource)
        argv = shell(resource.start)
        if surroundings.cgroup:
            argv = inside(surroundings.cgroup, argv)
        else:
            argv = [*own_scope(resource.name, os.environ), *argv]
        ended = await run_line(argv, environment, resource.start_timeout_ns, self._start_output)
        if ended.code is None:
            return Answer(
                ResourceState.FAILED, f"start did not end within {_seconds(resource.start_timeout_ns)}"
            )
        if ended.code != 0:
            return Answer(ResourceState.FAILED, _said("start", ended))
        after = await settle(ResourceState.RUNNING, lambda: self.status(surroundings), deadline_ns)
        return after if after.state is ResourceState.RUNNING else _unconfirmed("start", after)

    async def stop(self, surroundings: Surroundings) -> Answer:
        """Run the stop line; whatever it says, only status proves that the Resource is stopped."""
        resource = self.resource
        deadline_ns = lease_clock_ns() + resource.stop_timeout_ns
        ended = await self._run(resource.stop, surroundings, resource.stop_timeout_ns)
        after = await settle(ResourceState.STOPPED, lambda: self.status(surroundings), deadline_ns)
        if after.state is ResourceState.STOPPED:
            return after
        if ended.code is None:
            return Answer(
                ResourceState.FAILED, f"stop did not end within {_seconds(resource.stop_timeout_ns)}"
            )
        return (
            _unconfirmed("stop", after)
            if ended.code == 0
            else Answer(ResourceState.FAILED, _said("stop", ended))
        )

    async def status(self, surroundings: Surroundings) -> Answer:
        """Run the status line and read its exit code."""
        self._start_output.trim()
        timeout_ns = self.resource.status_timeout_ns
        ended = await self._run(self.resource.status, surroundings, timeout_ns)
        state = resource_state("lsb status", ended.code)
        if state is ResourceState.UNKNOWN:
            return Answer(state, f"status did not end within {_seconds(timeout_ns)}")
        return Answer(
            state, _said("status", ended) if state is ResourceState.FAILED else first_line(ended.output)
        )

    def main_pid(self) -> int:
        """The number in ``pidfile``; 0 without one."""
        return read_pidfile(self.resource.pidfile)

    async def listen(self, changed: Callable[[], None]) -> None:
        """A command line sends no signals."""

    async def _run(self, line: str, surroundings: Surroundings, timeout_ns: int) -> Ended:
        output: Output = PipeOutput()
        return await run_line(shell(line), surroundings.environment(self.resource), timeout_ns, output)


def shell(line: str) -> list[str]:
    """The one way in which a line of the configuration is run."""
    return ["/bin/sh", "-c", line]


def inside(cgroup: str, argv: list[str]) -> list[str]:
    """``argv``, begun inside that cgroup or not at all: the guard removes it when the group must not run."""
    return ["/bin/sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', cgroup, *argv]


def own_scope(name: str, environment: Mapping[str, str]) -> list[str]:
    """Under systemd: put a daemon that we start outside our own unit, or stopping us would kill it.

    ``Before=``: when the host goes down, ha-monitor hands over before systemd ends the daemon.
    """
    if "INVOCATION_ID" not in environment or not os.path.isdir("/run/systemd/system"):
        return []
    unit = f"ha-monitor-{_file_name(name)}-{lease_clock_ns():x}.scope"
    options = ["--scope", "--quiet", "--collect", f"--unit={unit}", "--property=Before=ha-monitor.service"]
    return ["systemd-run", *options, "--"]


def read_pidfile(path: str) -> int:
    """The process number in a pidfile; 0 for no file, an empty one, or something else in it."""
    try:
        with open(path, "rb") as file:
            text = file.read(PIDFILE_MAX).strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _said(operation: str, ended: Ended) -> str:
    code = ended.code or 0
    how = f"{operation} exited {code}" if code >= 0 else f"{operation} was ended by signal {-code}"
    line = first_line(ended.output)
    return f"{how}: {line}" if line else how


def _unconfirmed(operation: str, after: Answer) -> Answer:
    detail = f"{operation} exited 0, but status says {after.state.value}"
    return Answer(ResourceState.FAILED, f"{detail}: {after.detail}" if after.detail else detail)


def _seconds(length_ns: int) -> str:
    return f"{length_ns / SECOND:g} s"
