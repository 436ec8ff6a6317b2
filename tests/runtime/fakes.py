"""Small stand-ins for the outside of the core process: they record, and answer as they are told."""

from __future__ import annotations

from ha_monitor.core import events as ev
from ha_monitor.messages import Heartbeat, NodeReport
from ha_monitor.runtime.effects import Outside
from ha_monitor.runtime.no_kernel import NoKernel
from ha_monitor.runtime.transitions import TransitionOutbox


class Clock:
    """Time that passes only when it is told to, or by ``step_ns`` at each reading."""

    def __init__(self, now_ns: int = 0, step_ns: int = 0) -> None:
        self.now_ns = now_ns
        self.step_ns = step_ns

    def __call__(self) -> int:
        self.now_ns += self.step_ns
        return self.now_ns


class RecordingKernel(NoKernel):
    """Notes each call in ``done`` and answers ``refuses`` with a refusal."""

    def __init__(self, done: list, refuses: set | None = None) -> None:
        super().__init__()
        self.done = done
        self.refuses = refuses or set()

    def arm(self, group, sending, timeout_ns):
        self.done.append(("arm", sending))
        return "arm" not in self.refuses

    def activate(self, resources, sending):
        self.done.append(("activate", resources, sending))
        return "no such device" if "activate" in self.refuses else ""

    def close(self, resources):
        self.done.append(("close", resources))
        return "close" not in self.refuses

    def repair(self, resource):
        self.done.append(("repair", resource))
        return ""

    def announce(self, resources, at_ns):
        self.done.append(("announce", resources))


class RecordingChannel:
    """A channel whose other end is a list."""

    def __init__(self, takes: bool = True) -> None:
        self.sent: list = []
        self.takes = takes

    def send(self, message, fds=()):
        self.sent.append(dict(message))
        return self.takes

    def kinds(self):
        return [message["kind"] for message in self.sent]


class RecordingLinks:
    """Heartbeat sockets that remember what was sent."""

    def __init__(self, refuses: bool = False) -> None:
        self.sent: list = []
        self.refuses = refuses

    def send(self, peer, link, packet):
        self.sent.append((peer, link, packet))
        return "refused" if self.refuses else None


class PlainEndpoint:
    """Packets whose bytes are the Heartbeat's text."""

    def packets(self, heartbeat):
        return (repr(heartbeat).encode(),)


class VoterMemory:
    """A voter file that keeps or loses what it is given."""

    def __init__(self, works: bool = True) -> None:
        self.works = works
        self.written: list = []

    def write(self, state):
        self.written.append(state)
        return self.works


def make_outside(tmp_path, **changes) -> Outside:
    """Everything recorded; ``changes`` replace parts."""
    parts = {
        "clock": Clock(),
        "wall": lambda: 1_700_000_000_000_000_000,
        "endpoint": PlainEndpoint(),
        "links": RecordingLinks(),
        "kernel": RecordingKernel([]),
        "voter_file": VoterMemory(),
        "guard": RecordingChannel(),
        "worker": RecordingChannel(),
        "publisher": RecordingChannel(),
        "transitions": TransitionOutbox(tmp_path, "pub2", 7),
        "answer_order": lambda *answer: None,
    }
    return Outside(**(parts | changes))


def heartbeat(messages=(), receiver=1, link="lan") -> Heartbeat:
    """A Heartbeat of voter 0."""
    return Heartbeat(0, receiver, link, 1, 0, 0, NodeReport(), messages=tuple(messages))


DEADLINE = ev.DeadlinePassed()
