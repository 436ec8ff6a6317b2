"""What is compared: programs, timings and faults, and why a fault means nothing to a program. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ha_monitor.lab.faults import FAULTS
from ha_monitor.lab.peers.peer import PEERS
from ha_monitor.lab.peers.program import DEFAULT, FAST, LAN
from ha_monitor.model import TIMINGS

OURS = "ha-monitor"
PROGRAMS = (OURS, *PEERS)
TITLES = {OURS: OURS, **{name: program.title for name, program in PEERS.items()}}
TIMING_ORDER = (LAN, FAST, DEFAULT)
# The longest silence that a program bears -> at which of its timings; ours has `lan` as default.
DEAD_S: Mapping[str, Mapping[str, float]] = {
    OURS: {timing: TIMINGS[timing].lease_ns / 1e9 for timing in (LAN, FAST)},
    **{name: program.dead_s for name, program in PEERS.items()},
}


@dataclass(frozen=True)
class Row:
    """One fault as it is played against every program. ``watch_s``: after healing."""

    key: str
    fault: str
    title: str
    chosen: Mapping[str, Any] = field(default_factory=dict)
    watch_s: float = 10.0
    over_http: bool = False  # judged by web requests: the probe's answers do not need the web server


ROWS: dict[str, Row] = {
    row.key: row
    for row in (
        Row("power-off", "power-off", "power-off of the Owner"),
        Row("kill", "kill", "kill: SIGKILL to all of its processes on the Owner"),
        Row("freeze", "freeze", "freeze: SIGSTOP to all of them for 10 s"),
        Row("unplug", "unplug", "unplug: the Owner's LAN cable is pulled"),
        Row("blackhole", "blackhole", "black hole: the Owner's LAN port passes nothing, carrier stays"),
        Row("partition", "partition", "partition: the Nodes do not hear each other"),
        Row(
            "partition-far",
            "partition",
            "partition, and the Owner is cut from the Witness",
            {"witness": "far"},
        ),
        Row("one-way", "one-way", "one-way: the standby does not hear the Owner"),
        Row("lose", "lose", "loss of 20 % of the Owner's packets"),
        Row("flap", "flap", "flap: a loose LAN plug, eight times out and in"),
        Row("service-crash", "service-crash", "crash of the web server", watch_s=5.0, over_http=True),
        Row("switch", "switch", "planned Switchover", watch_s=5.0),
        Row("stop", "stop", "clean stop of the Owner's daemon"),
    )
}


@dataclass(frozen=True)
class Cell:
    """One fault against one program at one timing."""

    program: str
    timing: str
    row: str


def cells() -> Iterator[Cell]:
    """Everything that can be played, in the order of the tables."""
    for timing in TIMING_ORDER:
        for program in PROGRAMS:
            if timing in DEAD_S[program]:
                yield from (Cell(program, timing, row) for row in ROWS if not inapplicable(program, row))


def inapplicable(program: str, row: str) -> str:
    """Why a fault means nothing to a program; empty when it is played."""
    if program == OURS:
        return ""
    if row == "partition-far":
        return "it has no third vote: nothing changes when the Witness is cut off too"
    if row == "service-crash" and not PEERS[program].monitors_service:
        return "it looks at no service"
    return ""


def no_timing(program: str, timing: str) -> str:
    """Why a program has no such timing; empty when it has."""
    if timing in DEAD_S[program]:
        return ""
    return "its default is `lan`" if program == OURS else "its intervals are whole seconds"


def held_s(cell: Cell, chance: random.Random) -> float:
    """How long this fault is held: a random time, and long enough for the program to react.

    A freeze is 10 s for everybody: what a program does about a process that hangs shows within it,
    or it does nothing.
    """
    fault = FAULTS[ROWS[cell.row].fault]
    held = chance.uniform(*fault.hold_s)
    dead_s = DEAD_S[cell.program][cell.timing]
    waits = dead_s > 1.1 and cell.row not in ("freeze", "flap", "service-crash")
    return held + (1.25 * dead_s if waits else 0.0)
