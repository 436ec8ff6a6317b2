"""Fence devices of a story: each stands for one level of a Node's fence."""

from __future__ import annotations

from collections.abc import Mapping

from ha_monitor.model import FenceDevice, FenceStep, Fencing
from ha_monitor.timebase import SECOND

DEVICE_TIMEOUT_NS = 2 * SECOND


def fencing_of(levels: Mapping[str, tuple[str, ...]], delay_ns: int) -> Fencing:
    """The section of the configuration for these devices, each a level of its own."""
    names = dict.fromkeys(name for devices in levels.values() for name in devices)
    devices = tuple(
        FenceDevice(name, "/usr/sbin/fence_story", timeout_ns=DEVICE_TIMEOUT_NS) for name in names
    )
    steps = {node: tuple((FenceStep(name),) for name in of_node) for node, of_node in levels.items()}
    return Fencing(devices, steps, delay_ns)
