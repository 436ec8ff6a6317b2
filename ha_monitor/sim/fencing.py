"""Fence devices of the simulated world, and the worker that asks them; held against the truth.

Mirrors ha_monitor/fence/power.py: level by level, every device of a level, and `off` counts only where
`status` says so afterwards. A device may fail, be slow, hang, or say `off` of a machine that runs on: its
`status` then tells. No device lies in its `status`: that is where the promise ends.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.core.voter import FENCED
from ha_monitor.model import FenceStep
from ha_monitor.sim.checks import SafetyBroken
from ha_monitor.sim.swarm import FENCES
from ha_monitor.timebase import MS, SECOND

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost
    from ha_monitor.sim.core_process import CoreProcess

OFF_NS = (2 * SECOND, 8 * SECOND)  # how long a fenced machine stays off before somebody powers it on
TEST_NS = 100 * MS


@dataclass(frozen=True)
class DeviceWeather:
    """How devices behave. Chances from 0 to 1; ``delay_ns``: from the order to what `status` tells."""

    fails: float = 0.0
    hangs: float = 0.0
    lies: float = 0.0  # `off` is said to be done, and is not
    delay_ns: tuple[int, int] = (20 * MS, 200 * MS)


@dataclass(frozen=True)
class Answer:
    """Of one device. ``clicks``: it really powers off."""

    is_done: bool
    clicks: bool
    length_ns: int


class Fencer:
    """The worker of one host, as far as it fences others."""

    def __init__(self, host: ClusterHost) -> None:
        self._host = host
        self._rng = random.Random(f"{host.world.seed} fencer {host.index}")
        self._busy: set[str] = set()
        self._worker = 0  # which life of it
        self.is_away = False
        self.weather = DeviceWeather()

    def worker_dies(self) -> None:
        """What was under way may still come about, but nobody tells of it."""
        self._worker += 1
        self._busy.clear()
        self.is_away = True

    def test_all(self) -> None:
        """The periodic test: what the device would do now."""
        if self.is_away:
            return
        fencing, rng = self._host.config.fencing, self._rng
        for device in fencing.devices:
            is_working = rng.random() >= self.weather.fails + self.weather.hangs
            event = ev.FenceTested(device.name, is_working, "as drawn")
            self._host.later(TEST_NS, lambda event=event: self._host.order(event))  # type: ignore[misc]

    def order(self, action: ac.FenceNode) -> list[ev.Event]:
        """Begin; a Node whose fence is running is answered at once."""
        if self.is_away:
            return []
        if action.node in self._busy:
            return [ev.FenceEnded(action.node, action.operation_id, False, "another fence is under way")]
        self._busy.add(action.node)
        self._try_level(action, 0, self._worker)
        return []

    def _try_level(self, action: ac.FenceNode, number: int, worker: int) -> None:
        if worker != self._worker:
            return
        levels = self._host.config.fencing.levels.get(action.node, ())
        if number == len(levels):
            self._end(action, False, "no level did it")
            return
        answers = [self._answer(step) for step in levels[number]]
        length_ns = max(answer.length_ns for answer in answers)
        if not action.only_ask and all(answer.clicks for answer in answers):
            # The power goes some time before the device says so.
            self._host.world.agenda.after(length_ns // 2, lambda: self._click(action.node))
        is_done = all(answer.is_done for answer in answers)
        self._host.later(length_ns, lambda: self._look(action, number, worker, is_done))

    def _answer(self, step: FenceStep) -> Answer:
        draw, weather = self._rng.random, self.weather
        least_ns, most_ns = weather.delay_ns
        length_ns = least_ns + int(draw() * (most_ns - least_ns))
        fails, hangs, lies = draw() < weather.fails, draw() < weather.hangs, draw() < weather.lies
        timeout_ns = self._host.config.fencing.device(step.device).timeout_ns
        if hangs or length_ns > timeout_ns:
            return Answer(False, draw() < 0.5, timeout_ns)  # it may have done it before it hung
        return Answer(not fails, not fails and not lies, length_ns)

    def _click(self, node: str) -> None:
        target, world = self._host.world[node], self._host.world
        if target.is_on:
            world.counts[FENCES] += 1
            world.note(node, "powered off by a fence device")
            target.power_off()
            world.agenda.after(self._rng.randint(*OFF_NS), target.power_on)

    def _look(self, action: ac.FenceNode, number: int, worker: int, is_done: bool) -> None:
        """Asked for its `status`, the level tells the truth."""
        if worker != self._worker:
            return
        if is_done and not self._host.world[action.node].is_on:
            self._end(action, True, f"level {number + 1}")
        else:
            self._try_level(action, number + 1, worker)

    def _end(self, action: ac.FenceNode, is_off: bool, detail: str) -> None:
        self._busy.discard(action.node)
        self._host.order(ev.FenceEnded(action.node, action.operation_id, is_off, detail))


class FenceCheck:
    """A vote counts as given, and a hold as ended, by a fence only if that life of the Node is over."""

    def __init__(self) -> None:
        self._judged: set[tuple[int, int, int, int]] = set()

    def stepped(self, process: CoreProcess) -> None:
        """After a step of a core whose voter knows of absent Nodes."""
        host = process.host
        for voter, absence in process.core.situation.seat.absences.items():
            key = (host.index, host.boots, voter, absence.life)
            if absence.reason == FENCED and key not in self._judged:
                self._judged.add(key)
                _check_dead(process, host.world.hosts[voter], absence.life)


def _check_dead(process: CoreProcess, target: ClusterHost, life: int) -> None:
    """``life`` 0: it was never heard, so it must have been without power since this core began to ask."""
    if not life:
        is_dead = not target.is_on or target.was_off_ns > process.began_ns
    else:
        is_dead = target.process is None or target.process.core.situation.incarnation != life
    if not is_dead:
        raise SafetyBroken(f"{process.host.name} counts {target.name} as fenced, which runs")
