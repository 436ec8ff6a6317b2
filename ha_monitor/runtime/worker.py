"""The worker process: carries out what the core orders for Resources, and watches them.

It may die and be started again at any time: services that it started run on, and the next worker finds
out by probing. It ends when the guard and the core are gone.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from ha_monitor.agents.base import Agent, Surroundings
from ha_monitor.agents.command import CommandAgent
from ha_monitor.agents.systemd import Manager, SystemdAgent
from ha_monitor.agents.systemd_bus import SystemdManager
from ha_monitor.core.events import ResourceReported
from ha_monitor.model import (
    NO_BALLOT,
    Ballot,
    ClusterConfig,
    Group,
    Resource,
    ResourceKind,
    ResourceState,
    Run,
)
from ha_monitor.paths import output_dir
from ha_monitor.plain import from_plain
from ha_monitor.runtime.cgroup import directory_of, hierarchy
from ha_monitor.runtime.fencer import Fencer
from ha_monitor.runtime.ipc import SELF_NAME, Channel, Json, inherited_channel, read_config_text
from ha_monitor.runtime.keeper import Keeper, Order
from ha_monitor.runtime.reports import Reports
from ha_monitor.runtime.targets import TargetWatcher
from ha_monitor.timebase import SECOND, lease_clock_ns

SPREAD_NS = SECOND  # the first probes of all Resources are spread over so long: no herd of programs


class Worker:
    """All Keepers of one Node behind one channel to the core."""

    def __init__(self, config: ClusterConfig, node: str, channel: Channel) -> None:
        self._channel = channel
        self._reports = Reports(channel.send)
        self._closed = asyncio.Event()
        self._keepers = self._make_keepers(config, node)
        self._fencer = Fencer(config.fencing, node, self._put)
        self._watcher = TargetWatcher(config.ping, config.timing.lease_ns, self._put)
        self.ignored = 0  # messages that name no Resource of ours, or that we do not know

    def _make_keepers(self, config: ClusterConfig, node: str) -> dict[tuple[str, str], Keeper]:
        keepers, members = {}, members_of(config, node)
        manager = SystemdManager()
        place = hierarchy() if any(group.exclusive for group, _ in members) else None
        for position, (group, resource) in enumerate(members):
            first_ns = lease_clock_ns() + SPREAD_NS * position // len(members)
            agent = agent_for(resource, manager, output_dir())
            is_inside = place is not None and group.exclusive and resource.run is Run.OWNER
            cgroup = str(directory_of(place, config.name, group.name)) if place and is_inside else ""
            surroundings = Surroundings(group.name, node, cgroup=cgroup)
            keepers[group.name, resource.name] = Keeper(surroundings, agent, self._report, first_ns)
        return keepers

    async def run(self) -> None:
        """Serve until the channel is closed or SIGTERM arrives; raises what a Keeper did not expect."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._closed.set)
        loop.add_reader(self._channel.fileno(), self._receive)
        serving = [keeper.run() for keeper in self._keepers.values()]
        serving += [self._fencer.run(), self._watcher.run()]
        tasks = [asyncio.create_task(run) for run in (*serving, self._until_closed())]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        loop.remove_reader(self._channel.fileno())
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in done:
            task.result()

    async def _until_closed(self) -> None:
        await self._closed.wait()

    def _receive(self) -> None:
        for message in self._channel.receive():
            self._take(message)
        if self._channel.is_closed:
            self._closed.set()

    def _take(self, message: Json) -> None:
        if message["kind"] == "ping":
            self._channel.send({**message, "kind": "pong"})
            return
        if message["kind"] == "fence":
            self._fencer.order(message)
            return
        keeper = self._keepers.get((str(message.get("group")), str(message.get("resource"))))
        if keeper is None:
            self.ignored += 1
        elif message["kind"] == "note":
            keeper.expect(ResourceState(message["expected"]))
        elif message["kind"] in ("start", "stop", "probe"):
            keeper.order(order_of(message))
        else:
            self.ignored += 1

    def _report(self, report: ResourceReported) -> None:
        self._reports.add(report)
        self._flush_later()

    def _put(self, key: tuple[str, str, str, int], packet: Json) -> None:
        self._reports.put(key, packet)
        self._flush_later()

    def _flush_later(self) -> None:
        if self._reports:
            asyncio.get_running_loop().add_writer(self._channel.fileno(), self._flush)

    def _flush(self) -> None:
        self._reports.flush()
        if not self._reports:
            asyncio.get_running_loop().remove_writer(self._channel.fileno())


def members_of(config: ClusterConfig, node: str) -> list[tuple[Group, Resource]]:
    """What this Node's worker has to look after: addresses are the core's."""
    groups = [group for group in config.groups if node in group.prefer]
    return [(g, r) for g in groups for r in g.resources if r.kind is not ResourceKind.VIP]


def agent_for(resource: Resource, manager: Manager, output_dir: Path) -> Agent:
    """The agent of the Resource's convention."""
    if resource.kind is ResourceKind.SYSTEMD:
        return SystemdAgent(resource, manager)
    assert resource.kind is ResourceKind.COMMAND, f"no agent for {resource.kind}"
    return CommandAgent(resource, output_dir)


def order_of(message: Json) -> Order:
    """The Order in a packet of kind start, stop or probe."""
    epoch = Ballot(*message["epoch"]) if message.get("epoch") else NO_BALLOT
    return Order(message["kind"], int(message["operation_id"]), epoch)


def main() -> int:
    """Serve the core whose channel was inherited."""
    channel = inherited_channel()
    node = os.environ[SELF_NAME]
    config = from_plain(json.loads(read_config_text()))
    asyncio.run(_serve(config, node, channel))
    return 0


async def _serve(config: ClusterConfig, node: str, channel: Channel) -> None:
    await Worker(config, node, channel).run()


if __name__ == "__main__":
    sys.exit(main())
