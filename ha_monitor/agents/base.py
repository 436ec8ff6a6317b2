"""What an agent is, and how its answers are read.

An agent carries out one convention for one Resource. It says what it saw; the core decides.
Service addresses have no agent: the core process moves them itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ha_monitor.model import NO_BALLOT, Ballot, Resource, ResourceState
from ha_monitor.timebase import MS, SECOND, lease_clock_ns

R = ResourceState
STATE_BY_ANSWER: Mapping[str, Mapping[int | str, ResourceState]] = {
    # LSB: 1 and 2 are "dead, but something was left behind", which promises nothing.
    "lsb status": {0: R.RUNNING, 3: R.STOPPED},
    # By word: the exit code of is-active is 3 for inactive and deactivating alike.
    "systemd ActiveState": {
        "active": R.RUNNING,
        "reloading": R.RUNNING,
        "refreshing": R.RUNNING,
        "inactive": R.STOPPED,
        "activating": R.STARTING,
        "deactivating": R.STOPPING,
    },
}

POLL_FIRST_NS = 20 * MS
POLL_MAX_NS = 500 * MS
DETAIL_MAX = 200


def resource_state(convention: str, answer: int | str | None) -> ResourceState:
    """Read an agent's answer; None stands for no answer within its time, which is UNKNOWN.

    What is not in the table is FAILED, never STOPPED: STOPPED is a promise that another
    Node may start the Resource, and silence promises nothing.
    """
    if answer is None:
        return R.UNKNOWN
    return STATE_BY_ANSWER[convention].get(answer, R.FAILED)


@dataclass(frozen=True)
class Answer:
    """What an agent saw. ``detail``: one line for people, empty when there is nothing to say."""

    state: ResourceState
    detail: str = ""


@dataclass(frozen=True)
class Surroundings:
    """Where an operation takes place: what a program that we run is told in its environment.

    ``cgroup``: the directory of the cgroup in which a start begins; only exclusive groups have one.
    """

    group: str
    node: str
    epoch: Ballot = NO_BALLOT
    cgroup: str = ""

    def environment(self, resource: Resource) -> dict[str, str]:
        """The variables of ours. The Epoch has a fixed width, so that a later one sorts higher as text."""
        variables = {
            "HA_MONITOR_GROUP": self.group,
            "HA_MONITOR_NODE": self.node,
            "HA_MONITOR_RESOURCE": resource.name,
        }
        if self.epoch != NO_BALLOT:
            variables["HA_MONITOR_EPOCH"] = format_epoch(self.epoch)
        return variables


def format_epoch(epoch: Ballot) -> str:
    """An Epoch as text whose order is the Ballot's order: ``0000000042.001.01764...``."""
    return f"{epoch.counter:020d}.{epoch.node:03d}.{epoch.incarnation:020d}"


class Agent(Protocol):
    """One Resource under one convention. No method raises for what the Resource does: that is an Answer."""

    resource: Resource

    async def start(self, surroundings: Surroundings) -> Answer:
        """Start it unless it runs; RUNNING only when its status then says so."""
        ...

    async def stop(self, surroundings: Surroundings) -> Answer:
        """Stop it; STOPPED only when its status then says so."""
        ...

    async def status(self, surroundings: Surroundings) -> Answer:
        """What it is now; UNKNOWN when nothing answered within `status_timeout_ns`."""
        ...

    def main_pid(self) -> int:
        """The process whose exit means that the Resource must be probed at once; 0 if there is none."""
        ...

    async def listen(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` whenever the Resource may have changed, until cancelled.

        Returns at once where the convention has no such signals.
        """
        ...


async def settle(wanted: ResourceState, status: Callable[[], Awaitable[Answer]], deadline_ns: int) -> Answer:
    """Ask ``status`` until it says ``wanted`` or the Lease clock passes ``deadline_ns``; its last answer.

    Many programs return from `start` and `stop` a moment before the work is done.
    """
    pause_ns = POLL_FIRST_NS
    while True:
        answer = await status()
        if answer.state is wanted or lease_clock_ns() + pause_ns > deadline_ns:
            return answer
        await asyncio.sleep(pause_ns / SECOND)
        pause_ns = min(2 * pause_ns, POLL_MAX_NS)


def first_line(text: str) -> str:
    """The first line that says something, short enough for a Nagios line."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line), "")[:DETAIL_MAX]
