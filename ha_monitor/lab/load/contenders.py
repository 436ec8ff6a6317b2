"""What is put under load: a pair that serves the address, ha-monitor's or another program's."""

from __future__ import annotations

from typing import Any, Protocol

from ha_monitor.lab.cast import NODES, WITNESS
from ha_monitor.lab.daemons import LOG, Daemons
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.measure import start_cluster
from ha_monitor.lab.peers.peer import PEERS, Peer
from ha_monitor.lab.problems import LabError
from ha_monitor.model import TIMINGS

OURS = "ha-monitor"
LINES_MAX = 200
_TELLING = ("closed here", "stalled for", "handing over", " -> ", "held on")


class Contender(Protocol):
    """One program at one timing in one lab."""

    title: str
    timing: str
    lease_ns: int  # the longest silence of the Owner that it bears

    def start(self) -> str:
        """Start it and wait until it is at rest; returns the Owner. Raises LabError."""

    def stop(self) -> None:
        """End it."""

    def told(self) -> dict[str, Any]:
        """Figures that it gives of itself at the end."""

    def said(self) -> list[str]:
        """Its own lines about takeovers."""


class Ours:
    """ha-monitor with its Witness."""

    title = OURS

    def __init__(self, lab: Lab, timing: str) -> None:
        if timing not in TIMINGS:
            raise LabError(f"{OURS} has no timing {timing!r}: {', '.join(TIMINGS)}")
        self._lab, self.timing = lab, timing
        self.lease_ns = TIMINGS[timing].lease_ns
        self._offsets: dict[str, int] = {}

    def start(self) -> str:
        """Both Nodes, the Witness and the web servers."""
        owner = start_cluster(self._lab, self.timing)
        self._offsets = {name: len(text) for name, text in self._logs().items()}
        return owner

    def stop(self) -> None:
        """At once; the lab is taken down next."""
        Daemons(self._lab).stop_all()

    def told(self) -> dict[str, Any]:
        """How late the cores were at worst since their start, and how much of the Lease was left lately."""
        views = [view for name in (*NODES, WITNESS) if (view := Daemons(self._lab).status(name))]
        margins = [g.renewal_margin_pct for v in views for g in v.groups if g.renewal_margin_pct >= 0]
        return {
            "worst_stall_ms": max((view.stall_worst_ms for view in views), default=None),
            "least_margin_pct": min(margins, default=None),
        }

    def said(self) -> list[str]:
        """The daemons' own lines about Owners and stalls since the start, the first of them."""
        lines = [
            f"{name}: {line.removeprefix('ha-monitor: ')}"
            for name, text in self._logs().items()
            for line in text[self._offsets.get(name, 0) :].splitlines()
            if any(word in line for word in _TELLING)
        ]
        return lines[:LINES_MAX]

    def _logs(self) -> dict[str, str]:
        paths = {name: self._lab.host(name).path(LOG) for name in (*NODES, WITNESS)}
        return {name: path.read_text(errors="replace") for name, path in paths.items() if path.exists()}


class Theirs:
    """Another program on the same pair."""

    def __init__(self, lab: Lab, program: str, timing: str) -> None:
        self._peer = Peer(lab, program, timing)
        self.title, self.timing = self._peer.program.title, timing
        self.lease_ns = round(self._peer.program.dead_s[timing] * 1e9)

    def start(self) -> str:
        """Both Nodes and the web servers."""
        return self._peer.start()

    def stop(self) -> None:
        """At once, with everything that it left."""
        self._peer.stop()

    def told(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def said(self) -> list[str]:
        """Nothing: its logs are its own."""
        return []


def contender_of(lab: Lab, program: str, timing: str) -> Contender:
    """The program of that name at that timing. Raises LabError when there is none."""
    return Ours(lab, timing) if program == OURS else Theirs(lab, program, timing)


def timings_of(program: str) -> tuple[str, ...]:
    """The timings at which a program is put under load: for a comparison, matched ones and its own."""
    if program == OURS:
        return ("lan", "fast")
    if program not in PEERS:
        raise LabError(f"{program!r} is none of {', '.join((OURS, *PEERS))}")
    return tuple(PEERS[program].dead_s)
