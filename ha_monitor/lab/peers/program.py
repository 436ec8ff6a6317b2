"""What the lab must know of a program to run it on the pair: its files, processes and orders.

Each program has a module with one Program. What depends on nothing but the Node and the timing
(the files, the dead time) is pure, so that documents and tests show the very text that is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ha_monitor.lab.cast import CAST, NODES, SERVICE_LINK, SERVICE_V4
from ha_monitor.lab.host import Host
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.processes import Process

DEFAULT, LAN, FAST = "default", "lan", "fast"
LOG = "/var/log/peer.log"
VIP = f"{SERVICE_V4}/24"


@dataclass(frozen=True)
class File:
    """A file of a Node."""

    text: str
    mode: int = 0o644


def _nothing_to_do(_lab: Lab, _timing: str) -> None:
    pass


def _says_nothing(_lab: Lab) -> list[str]:
    return []


@dataclass(frozen=True)
class Program:
    """One program: data, and the few functions in which it differs from the others."""

    name: str
    title: str
    process_names: frozenset[str]  # all of its processes, by the file name that they show
    needed_processes: frozenset[str]  # those without which it is not up
    # Timing -> the longest silence of the Owner that it is set to bear, in seconds.
    dead_s: Mapping[str, float]
    files: Callable[[str, str], dict[str, File]]  # of a Node at a timing: path -> file
    # Of a Node at a timing: name -> command line in the foreground, in the order of their start.
    daemons: Callable[[str, str], dict[str, Sequence[str]]]
    stop: Callable[[Host], None]  # a clean stop, as the program's unit does it
    switch: Callable[[Host, str], None]  # order a planned Switchover away from the Owner
    # Take back what ``switch`` left behind, so that both Nodes may own the address again.
    undo_switch: Callable[[Lab, str], None] = _nothing_to_do
    started: Callable[[Lab, str], None] = _nothing_to_do  # once, what is configured at run time
    unrest: Callable[[Lab], list[str]] = _says_nothing  # why it says that it is not at rest
    monitors_service: bool = False
    starts_service: bool = False  # whether the program itself starts the web server
    settle_s: float = 60.0  # from an order until all is at rest, beyond the dead time

    def is_process(self, process: Process) -> bool:
        """Whether a process of a Node is one of this program's."""
        return shown_name(process.argv) in self.process_names


def shown_name(argv: Sequence[str]) -> str:
    """The program's name as a process shows it: ``heartbeat: write: ...`` is heartbeat."""
    return argv[0].split(":")[0].split(" ")[0].rpartition("/")[2]


def peer_of(node: str) -> str:
    """The other Node of the pair."""
    return NODES[1] if node == NODES[0] else NODES[0]


def is_preferred(node: str) -> bool:
    """The first Node of the cast is the preferred one in every program's files."""
    return node == NODES[0]


def address(node: str, link: str = SERVICE_LINK) -> str:
    """A host's own IPv4 address on a Link."""
    return CAST[node].v4(link)
