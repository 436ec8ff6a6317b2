"""Starts the outside observers and asks their records questions, while they run or afterwards."""

from __future__ import annotations

import itertools
import os
import socket
import sys
import time
from collections.abc import Callable
from types import TracebackType

from ha_monitor.lab.cast import NODES, SERVICE_V4, SERVICE_V6
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.observer_processes import ObserverProcesses
from ha_monitor.lab.observers import analysis, packets
from ha_monitor.lab.observers.records import Records
from ha_monitor.lab.problems import LabError

_READY_TIMEOUT_S = 10.0
_numbers = itertools.count()


class Observation:
    """Observers at work: the client's probe of one address, and the arp host's questions.

    A context manager. All times are ``time.monotonic_ns()``.
    """

    def __init__(self, lab: Lab, address: str = SERVICE_V4) -> None:
        self._lab = lab
        self._address = address
        self._processes = ObserverProcesses()
        name = f"/run/observer-{os.getpid()}-{next(_numbers)}"
        self._inside = {"client": f"{name}-probe", "arp": f"{name}-asker"}
        self.probe = Records(lab.host("client").path(self._inside["client"]))
        self.asker = Records(lab.host("arp").path(self._inside["arp"]))

    def __enter__(self) -> Observation:
        start_responders(self._lab)
        client, arp = self._lab.host("client"), self._lab.host("arp")
        try:
            self._processes.start_on(client, "probe", f"{self._address}={self._inside[client.name]}")
            both = f"{SERVICE_V4},{SERVICE_V6}={self._inside[arp.name]}"
            self._processes.start_on(arp, "asker", arp.name, both)
            self.wait_for(lambda: self.probe.complete_until_ns and self.asker.complete_until_ns)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the observers; what they wrote stays readable."""
        self.read_on()
        self._processes.end(self.probe.path, self.asker.path)

    def read_on(self) -> None:
        """Take in what the observers wrote since the last reading."""
        self.probe.read_on()
        self.asker.read_on()

    def wait_for(self, is_so: Callable[[], object], timeout_s: float = _READY_TIMEOUT_S) -> bool:
        """Read on until something is so; False when it was not in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.read_on()
            if is_so():
                return True
            self._processes.refuse_dead()
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)

    def wait_until(self, at_ns: int) -> None:
        """Wait until the observers have written down all up to a moment."""
        time.sleep(max(0, at_ns - time.monotonic_ns()) / 1e9)
        written = self.wait_for(
            lambda: min(self.probe.complete_until_ns, self.asker.complete_until_ns) >= at_ns
        )
        if not written:
            raise LabError("the observers stand still: their records end before the moment asked for")

    def owner(self, within_ns: int = 200_000_000) -> str | None:
        """Who answered the last probe, or None when nobody did lately."""
        self.read_on()
        if not self.probe.answers:
            return None
        last = self.probe.answers[-1]
        return last.host if last.last_ns >= time.monotonic_ns() - within_ns else None

    def outage(self, from_ns: int, until_ns: int, watched_ns: int) -> analysis.Gap:
        """The longest gap that began in a window; see ``analysis.longest_gap``."""
        return analysis.longest_gap(self.probe.answers, self.probe.stalls, from_ns, until_ns, watched_ns)

    def outage_after(self, heal_ns: int, watched_ns: int) -> analysis.Gap:
        """The longest gap from a healing until the end of the watch."""
        return analysis.gap_after(self.probe.answers, self.probe.stalls, heal_ns, watched_ns)

    def double_observer_ns(self, from_ns: int, until_ns: int) -> int:
        """Double ownership as the client saw it."""
        return analysis.double_observer_ns(self.probe.answers, from_ns, until_ns)

    def double_kernel_ns(self, from_ns: int, until_ns: int) -> int:
        """Double ownership as the Nodes' kernels showed it to the arp host."""
        return analysis.double_kernel_ns(self.asker.answers, self.asker.stalls, from_ns, until_ns)

    def stalled_ns(self, from_ns: int, until_ns: int) -> int:
        """The longest time that the probe itself stood still."""
        return analysis.longest_stall_ns(self.probe.stalls, from_ns, until_ns)


def start_responders(lab: Lab) -> None:
    """See that each Node with power answers probes, now and after each power-on."""
    for name in NODES:
        argv = [sys.executable, "-m", "ha_monitor.lab.observers.responder", name]
        lab.host(name).register("responder", argv)
        if lab.host(name).is_on():
            lab.host(name).start("responder")


def who_answers(lab: Lab, address: str = SERVICE_V4, timeout_s: float = 0.5) -> str | None:
    """Who answers a single probe from the client right now, or None."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with lab.host("client").socket(family, socket.SOCK_DGRAM) as sock:
        deadline = time.monotonic() + timeout_s
        sock.settimeout(0.05)
        while time.monotonic() < deadline:
            try:
                sock.sendto(packets.question(time.monotonic_ns()), (address, packets.PORT))
                answered = packets.parse_answer(sock.recv(64))
            except OSError:
                time.sleep(0.01)
                continue
            if answered is not None:
                return answered.host.decode()
    return None
