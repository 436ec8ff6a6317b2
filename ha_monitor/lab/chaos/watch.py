"""The outside observers of a chaos run: all groups at once, for as long as it lasts.

One probe in the client, one asker of the Nodes' kernels in the arp host, and a recorder of the
machine's stalls on each processor. What they write is taken in and thrown away as it grows.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from ha_monitor.lab.chaos.moves import Stall
from ha_monitor.lab.chaos.spans import KernelTrack, ProbeTrack
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.observation import start_responders
from ha_monitor.lab.observer_processes import ObserverProcesses
from ha_monitor.lab.observers.records import Records
from ha_monitor.lab.problems import LabError

_READY_TIMEOUT_S = 20.0
# Shorter stalls of a processor explain nothing: half of the shortest Lease is 100 ms.
_STALL_NS = 50_000_000
# The recorders have the same right to a processor as a daemon's core, and look every 10 ms.
_AS_THE_DAEMONS = ("10", "10")


@dataclass(frozen=True)
class Watched:
    """One group as the observers know it: the first address is the one that the client probes."""

    group: str
    addresses: tuple[str, ...]


@dataclass
class Seen:
    """What the observers have seen of one group."""

    probe_file: Records
    kernel_file: Records
    probe: ProbeTrack = field(default_factory=ProbeTrack)
    kernel: KernelTrack = field(default_factory=KernelTrack)

    def read_on(self) -> None:
        """Take in what was written since, and forget the single records."""
        self.probe_file.read_on()
        self.kernel_file.read_on()
        self.probe.take(self.probe_file.answers)
        self.kernel.take(self.kernel_file.answers, self.kernel_file.stalls)
        for records in (self.probe_file, self.kernel_file):
            records.answers.clear()
            records.stalls.clear()

    @property
    def complete_until_ns(self) -> int:
        """Up to when both observers have written everything."""
        return min(self.probe_file.complete_until_ns, self.kernel_file.complete_until_ns)


class Watch:
    """Observers at work; a context manager. All times are ``time.monotonic_ns()``."""

    def __init__(self, lab: Lab, watched: Sequence[Watched]) -> None:
        self._lab, self._watched = lab, tuple(watched)
        self._processes = ObserverProcesses()
        self._inside = f"/run/chaos-{os.getpid()}"
        client, arp = lab.host("client"), lab.host("arp")
        self.groups = {
            w.group: Seen(
                Records(client.path(f"{self._inside}-{w.group}")),
                Records(arp.path(f"{self._inside}-{w.group}")),
            )
            for w in self._watched
        }
        self._stall_files = {
            cpu: Records(lab.directory / f"stalls-{cpu}") for cpu in sorted(os.sched_getaffinity(0))
        }
        self.stalls: list[Stall] = []

    def __enter__(self) -> Watch:
        start_responders(self._lab)
        try:
            self._start_all()
            deadline = time.monotonic() + _READY_TIMEOUT_S
            while not all(seen.complete_until_ns for seen in self.groups.values()):
                if time.monotonic() > deadline:
                    raise LabError("the observers of the chaos run do not start")
                time.sleep(0.05)
                self.read_on()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the observers."""
        files = [file.path for seen in self.groups.values() for file in (seen.probe_file, seen.kernel_file)]
        self._processes.end(*files)

    def read_on(self) -> None:
        """Take in what was written since. Raises LabError when an observer has died."""
        self._processes.refuse_dead()
        for seen in self.groups.values():
            seen.read_on()
        for cpu, records in self._stall_files.items():
            records.read_on()
            self.stalls += [Stall(f"processor {cpu}", a, b) for a, b in records.stalls if b - a > _STALL_NS]
            records.stalls.clear()

    def wait_until(self, at_ns: int) -> None:
        """Wait until all up to a moment is written down and taken in."""
        deadline = time.monotonic() + max(0.0, (at_ns - time.monotonic_ns()) / 1e9) + _READY_TIMEOUT_S
        self.read_on()
        while any(seen.complete_until_ns < at_ns for seen in self.groups.values()):
            if time.monotonic() > deadline:
                raise LabError("the observers stand still: their records end before the moment asked for")
            time.sleep(0.05)
            self.read_on()

    def owners(self) -> dict[str, str | None]:
        """Who answers for each group now."""
        self.read_on()
        since_ns = time.monotonic_ns() - 400_000_000
        return {group: seen.probe.owner(since_ns) for group, seen in self.groups.items()}

    def _start_all(self) -> None:
        probes = [f"{w.addresses[0]}={self._inside}-{w.group}" for w in self._watched]
        asked = [f"{','.join(w.addresses)}={self._inside}-{w.group}" for w in self._watched]
        self._processes.start_on(self._lab.host("client"), "probe", *probes)
        self._processes.start_on(self._lab.host("arp"), "asker", "arp", *asked)
        for cpu, records in self._stall_files.items():
            self._processes.start_beside("stalls", str(cpu), str(records.path), *_AS_THE_DAEMONS)
