"""One pass: clusters side by side in labs of their own, one load for all, observers outside.

with Load(...), Recorders(...), Watch(...): the parts, each a context manager
load_pass(...): all of it, in order
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ha_monitor.lab.cast import SERVICE_V4
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.layout import MEMORY_ROOT
from ha_monitor.lab.load.contenders import Contender, contender_of
from ha_monitor.lab.load.judge import Answers, Interval, Report, judge, total
from ha_monitor.lab.load.work import NOTE
from ha_monitor.lab.observer_processes import ObserverProcesses
from ha_monitor.lab.observers.records import Records
from ha_monitor.lab.problems import LabError

BUSY, WRITERS = 8, 3
POLL_S = 1.0
BEFORE_S = 2.0  # the load runs so long before it counts
_READY_S = 20.0
_INSIDE = "/run/ha-monitor/watch"  # in memory: an observer must not wait for the disk

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Weight:
    """How heavy the load is, and where its files are."""

    busy: int = BUSY
    writers: int = WRITERS
    directory: Path = Path("/var/tmp")


class Load:
    """The processes of the load; as a context manager they run inside the block."""

    def __init__(self, weight: Weight) -> None:
        self._weight = weight
        self._processes: list[subprocess.Popen[bytes]] = []
        self._files: list[Path] = []
        self._directory = Path()

    def __enter__(self) -> Load:
        self._directory = Path(tempfile.mkdtemp(prefix="ha-monitor-load-", dir=self._weight.directory))
        for number in range(self._weight.writers):
            self._files.append(self._directory / f"writer-{number}")
            self._start("fsync", str(self._files[-1]))
        for _ in range(self._weight.busy):
            self._start("busy")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self, *argv: str) -> None:
        self._processes.append(subprocess.Popen([sys.executable, "-m", "ha_monitor.lab.load.work", *argv]))

    def told(self) -> dict[str, Any]:
        """What it did so far. Raises LabError when a part of it ended."""
        if any(process.poll() is not None for process in self._processes):
            raise LabError("a process of the load ended by itself: the disk may be full")
        notes = [NOTE.unpack(Path(f"{file}.note").read_bytes()) for file in self._files]
        return {
            "busy": self._weight.busy,
            "writers": self._weight.writers,
            "fsyncs": sum(calls for calls, _ in notes),
            "longest_fsync_ms": round(max((ns for _, ns in notes), default=0) / 1e6, 1),
            "load_average": round(os.getloadavg()[0], 1),
        }


class Recorders:
    """One on each CPU, noting when the machine stood still there."""

    def __init__(self) -> None:
        self._processes = ObserverProcesses()
        self._records: list[Records] = []
        self._directory = Path()

    def __enter__(self) -> Recorders:
        root = Path(MEMORY_ROOT).parent
        self._directory = Path(
            tempfile.mkdtemp(prefix="ha-monitor-stalls-", dir=root if root.is_dir() else None)
        )
        for cpu in sorted(os.sched_getaffinity(0)):
            path = self._directory / str(cpu)
            self._processes.start_beside("stalls", str(cpu), str(path))
            self._records.append(Records(path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.end()
        shutil.rmtree(self._directory, ignore_errors=True)

    def stalls(self) -> list[Interval]:
        """All of them so far, of every CPU. Raises LabError when a recorder ended."""
        self._processes.refuse_dead()
        for records in self._records:
            records.read_on()
        return sorted(stall for records in self._records for stall in records.stalls)


class Watch:
    """A client of one lab's service address; keeps takeovers and long gaps, not each answer."""

    def __init__(self, lab: Lab) -> None:
        self._client = lab.host("client")
        path = f"{_INSIDE}-{os.getpid()}"
        argv = [sys.executable, "-m", "ha_monitor.lab.observers.probe", f"{SERVICE_V4}={path}"]
        self._records = Records(self._client.path(path))
        self._process = self._client.popen(argv, stdin=subprocess.PIPE)
        self.answers = Answers()
        self.counted_from = 0

    def begin(self) -> None:
        """From here on it counts."""
        self.counted_from = self.answers.count

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._records.path.unlink(missing_ok=True)

    def read_on(self) -> None:
        """Take in what it wrote. Raises LabError when it ended."""
        if self._process.poll() is not None:
            raise LabError("the observer ended")
        self._records.read_on()
        self.answers.add(self._records.answers)
        self._records.answers.clear()

    @property
    def stalls(self) -> list[Interval]:
        """When the observer itself stood still."""
        return self._records.stalls

    @property
    def complete_until_ns(self) -> int:
        """Everything before this is written."""
        return self._records.complete_until_ns


@contextlib.contextmanager
def standing(name: str, program: str, timing: str, say: Progress) -> Iterator[tuple[Contender, Watch]]:
    """A lab of its own with the program at rest, and its observer; all gone after the block."""
    lab = Lab(name)
    if lab.is_up():
        raise LabError(f"lab {name} stands already: ha-monitor lab down, or set HA_MONITOR_LAB")
    with lab.session():
        contender = contender_of(lab, program, timing)
        say(f"{contender.title} at timing {timing}: starting in lab {name}")
        owner = contender.start()
        watch = Watch(lab)
        try:
            _wait_for_answers(watch, owner)
            yield contender, watch
        finally:
            watch.close()
            contender.stop()


def _wait_for_answers(watch: Watch, owner: str) -> None:
    deadline = time.monotonic() + _READY_S
    while watch.answers.last is None or watch.answers.last.host != owner:
        if time.monotonic() > deadline:
            raise LabError(f"nobody answers for {owner} at {SERVICE_V4}")
        time.sleep(0.1)
        watch.read_on()


def load_pass(
    program: str, timings: Sequence[str], seconds: float, weight: Weight, base: str, say: Progress
) -> dict[str, Any]:
    """Put the program under load at all these timings at once; the report as plain values.

    ``base``: the name of the labs, to which a letter is added. Raises LabError.
    """
    with contextlib.ExitStack() as stack:
        names = [f"{base[:7]}{chr(ord('a') + number)}" for number in range(len(timings))]
        pairs = [
            stack.enter_context(standing(name, program, timing, say))
            for name, timing in zip(names, timings, strict=True)
        ]
        recorders = stack.enter_context(Recorders())
        load = stack.enter_context(Load(weight))
        time.sleep(BEFORE_S)
        during = _endure([watch for _, watch in pairs], recorders, load, seconds, say)
        stalls, told = recorders.stalls(), load.told()
        reports = [_report(contender, watch, stalls, during) for contender, watch in pairs]
    return {"program": program, **total(reports), "load": told, "passes": [r.as_json() for r in reports]}


def _endure(
    watches: Sequence[Watch], recorders: Recorders, load: Load, seconds: float, say: Progress
) -> Interval:
    for watch in watches:
        watch.begin()
    began_ns = time.monotonic_ns()
    end_ns = began_ns + round(seconds * 1e9)
    told = 0
    while min(watch.complete_until_ns for watch in watches) < end_ns:
        time.sleep(POLL_S)
        for watch in watches:
            watch.read_on()
        load.told()
        recorders.stalls()
        gaps = sum(len(watch.answers.gaps) for watch in watches)
        if gaps != told:
            told = gaps
            say(f"after {(time.monotonic_ns() - began_ns) / 1e9:.0f} s: {gaps} takeovers or long gaps")
        if time.monotonic_ns() > end_ns + round(_READY_S * 1e9):
            raise LabError("the observers stand still: their records end before the time is over")
    return began_ns, end_ns


def _report(contender: Contender, watch: Watch, stalls: Sequence[Interval], during: Interval) -> Report:
    report = judge(
        contender.title, contender.timing, contender.lease_ns, watch.answers, watch.stalls, stalls, during
    )
    report.answers = watch.answers.count - watch.counted_from
    report.told = contender.told()
    report.said = contender.said() if report.events else []
    return report
