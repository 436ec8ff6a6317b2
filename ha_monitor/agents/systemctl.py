"""The way to systemd by the `systemctl` program, which root may use without a bus.

It serves where no bus answers, and for a start that must begin inside a cgroup: a program is in one, but a
request that waits in the bus is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ha_monitor.agents.base import first_line
from ha_monitor.agents.command import inside
from ha_monitor.agents.programs import PipeOutput, run_line
from ha_monitor.agents.systemd import DONE, UnitStatus, unit_status
from ha_monitor.errors import AgentError
from ha_monitor.timebase import SECOND

PROPERTIES = "LoadState,ActiveState,SubState,Result,MainPID,ControlGroup"
VERBS = {"StartUnit": "start", "StopUnit": "stop"}
# The agent's own timeouts are shorter; this one only bounds what they could leave behind.
TIMEOUT_NS = 3600 * SECOND


class SystemctlManager:
    """Implements `systemd.Manager`. It polls with the worker's probes and has no signals."""

    async def job(self, method: str, unit: str, cgroup: str = "") -> str:
        """`systemctl start` and `stop` wait for the job by themselves."""
        argv = _systemctl(VERBS[method], unit)
        try:
            await _run(inside(cgroup, argv) if cgroup else argv)
        except AgentError as error:
            return f"failed: {error}"
        return DONE

    async def status(self, unit: str) -> UnitStatus:
        """`systemctl show`, which also knows units that are not loaded."""
        text = await _run(_systemctl("show", f"--property={PROPERTIES}", unit))
        return unit_status(dict(line.partition("=")[::2] for line in text.splitlines()))

    async def reset_failed(self, unit: str) -> None:
        """`systemctl reset-failed`."""
        await _run(_systemctl("reset-failed", unit))

    async def listen(self, unit: str, changed: Callable[[], None]) -> None:
        """Returns at once: the exit of MainPID and the periodic probe must do."""


def _systemctl(*arguments: str) -> list[str]:
    return ["systemctl", "--no-pager", "--no-ask-password", *arguments]


async def _run(argv: Sequence[str]) -> str:
    try:
        ended = await run_line(argv, {"LC_ALL": "C"}, TIMEOUT_NS, PipeOutput())
    except OSError as error:
        raise AgentError(f"systemctl cannot be run: {error.strerror}") from error
    if ended.code != 0:
        raise AgentError(first_line(ended.output) or f"systemctl exited {ended.code}")
    return ended.output
