"""Fence devices and ping targets of a story: what they do, what is ordered of them, and who asks.

A device stands for one level of a Node's fence. It says `off` after its time and is believed when the machine
is off, as in ha_monitor/fence/power.py; a board that hangs is given up, and the next level is tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.model import FenceDevice, FenceStep, Fencing
from ha_monitor.sim.fencing import Fencer
from ha_monitor.sim.pinging import TARGET
from ha_monitor.sim.story_words import verb
from ha_monitor.timebase import MS, SECOND

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost
    from ha_monitor.sim.story_world import StoryWorld

FENCE_NS = 300 * MS  # from the order to what the device's `status` says
DEVICE_TIMEOUT_NS = 2 * SECOND
TEST_NS = 20 * MS


def fencing_of(levels: Mapping[str, tuple[str, ...]], delay_ns: int) -> Fencing:
    """The section of the configuration for these devices, each a level of its own."""
    names = dict.fromkeys(name for devices in levels.values() for name in devices)
    devices = tuple(
        FenceDevice(name, "/usr/sbin/fence_story", timeout_ns=DEVICE_TIMEOUT_NS) for name in names
    )
    steps = {node: tuple((FenceStep(name),) for name in of_node) for node, of_node in levels.items()}
    return Fencing(devices, steps, delay_ns)


@dataclass
class DeviceScript:
    """How one fence device behaves, whoever asks it."""

    does: str = "works"
    takes_ns: int = FENCE_NS


class StoryFencer(Fencer):
    """The worker of one host, as far as it fences others; devices do what the story says of them."""

    def __init__(self, world: StoryWorld, host: ClusterHost) -> None:
        super().__init__(host)
        self._world = world

    def test_all(self) -> None:
        """Once at a core's start."""
        for device in self._host.config.fencing.devices:
            is_working = self._world.device(device.name).does == "works"
            event = ev.FenceTested(device.name, is_working, "tested")
            self._host.later(TEST_NS, lambda event=event: self._host.order(event))  # type: ignore[misc]

    def order(self, action: ac.FenceNode) -> list[ev.Event]:
        """Begin with the first level."""
        self._try(action, 0, self._worker)
        return []

    def _try(self, action: ac.FenceNode, number: int, worker: int) -> None:
        levels = self._host.config.fencing.levels.get(action.node, ())
        if worker != self._worker:
            return
        if number == len(levels):
            self._end(action, False, "no level did it")
            return
        device = levels[number][0].device
        script = self._world.device(device)
        if script.does == "hangs":
            self._host.later(DEVICE_TIMEOUT_NS, lambda: self._try(action, number + 1, worker))
            return
        if script.does == "works" and not action.only_ask:
            self._host.later(script.takes_ns, lambda: self._switch_off(action.node, device))
        self._host.later(script.takes_ns, lambda: self._judge(action, number, worker, device))

    def _switch_off(self, node: str, device: str) -> None:
        target = self._world[node]
        if target.is_on:
            self._world.tell(node, f"powered off by {device}")
            target.power_off()

    def _judge(self, action: ac.FenceNode, number: int, worker: int, device: str) -> None:
        """Its `status` tells the truth, unless it fails altogether."""
        if self._world.device(device).does == "works" and not self._world[action.node].is_on:
            self._end(action, True, device)
        else:
            self._try(action, number + 1, worker)


@verb("fence-device DEVICE works|fails|hangs")
def _fence_device(world: StoryWorld, name: str, does: str) -> None:
    """what it does from now on when it is asked; one that hangs is given up after 2 s"""
    world.device(name).does = does


@verb("fence-device DEVICE takes TIME")
def _fence_device_takes(world: StoryWorld, name: str, length_ns: int) -> None:
    """how long it takes from now on (300 ms else)"""
    world.device(name).takes_ns = length_ns


@verb("fence NODE at VOTER")
def _fence(world: StoryWorld, node: str, name: str) -> None:
    """an operator there wants that Node powered off"""
    world[name].order(ev.FenceOrdered(world.next_order(), node, "smoke in the rack", "operator"))


@verb("confirm-fenced NODE at VOTER")
def _confirm_fenced(world: StoryWorld, node: str, name: str) -> None:
    """an operator there says that the Node is off"""
    world[name].order(ev.FenceConfirmed(world.next_order(), node, "power cord in my hand", "operator"))


@verb("ping-target answers|silent NODE")
def _ping_target(world: StoryWorld, state: str, name: str) -> None:
    """whether the target of mode `ping` answers that Node from now on"""
    way = (world[name].index, TARGET, world.links()[0])
    if state == "silent":
        world.network.cut.add(way)
    else:
        world.network.cut.discard(way)
