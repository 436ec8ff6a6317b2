"""Which program a lab's faults and measurements mean: ha-monitor, or another in its place."""

from __future__ import annotations

from typing import Protocol

from ha_monitor.lab.daemons import Daemons
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.processes import Process
from ha_monitor.lab.roles import ALL


class Subject(Protocol):
    """What is struck, ordered and waited for."""

    def processes(self, name: str, role: str = ALL) -> list[Process]:
        """Its processes on one host."""

    def start_on(self, name: str) -> None:
        """Start what of it does not run on one host."""

    def stop_on(self, name: str) -> None:
        """A clean stop on one host."""

    def switch(self, owner: str) -> None:
        """A planned Switchover away from the Owner."""

    def wait_settled(self) -> str:
        """Wait until all is at rest; returns the Owner. Raises LabError that says what is not."""


def subject_of(lab: Lab) -> Subject:
    """The program that runs on the pair of this lab, whoever started it."""
    if program := lab.state.read().program:
        from ha_monitor.lab.peers.peer import Peer

        name, timing = program.split()
        return Peer(lab, name, timing)
    return Daemons(lab)
