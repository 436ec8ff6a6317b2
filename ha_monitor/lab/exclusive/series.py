"""Many runs, side by side in several labs, each result in a file of its own: what is missing is played.

A run that could not be played to its end is kept too, with what was seen of it and why it ended, and is
played again by the next call.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from pathlib import Path

from ha_monitor.lab.exclusive.cluster import ExclusiveCluster
from ha_monitor.lab.exclusive.faults import FAULTS
from ha_monitor.lab.exclusive.mounts import MountWatch
from ha_monitor.lab.exclusive.play import RunResult, Say, choose_fault, play, staged
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.problems import LabError

FAILURES_MAX = 3  # in a row, of one lab: then something is wrong that another try does not mend
TOTALS = ("takeovers", "double_mounts", "lost_writes", "dirty_checks")


class Results:
    """The files of one series: one for each run, ``run-0001.json``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def missing(self, runs: int) -> list[int]:
        """What is still to be played of so many."""
        return [run for run in range(1, runs + 1) if not self._path(run).exists()]

    def keep(self, result: RunResult) -> None:
        """Write it whole or not at all; one that failed under another name."""
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._path(result.run)
        if result.error:
            path = path.with_suffix(f".failed-{time.time_ns()}")
        new = path.with_name(f".{path.name}.new")
        new.write_text(json.dumps(result.as_json()) + "\n")
        new.replace(path)

    def all(self) -> list[RunResult]:
        """Every run played so far, those that failed as well."""
        known = {f.name for f in fields(RunResult)}
        found = []
        for path in sorted(self._directory.glob("run-*")):
            values = json.loads(path.read_text())
            found.append(RunResult(**{k: v for k, v in values.items() if k in known}))
        return found

    def _path(self, run: int) -> Path:
        return self._directory / f"run-{run:04d}.json"


def totals(results: Iterable[RunResult]) -> dict[str, int]:
    """The sums that the promise is about."""
    found = list(results)
    return {name: sum(getattr(result, name) for result in found) for name in TOTALS}


@dataclass
class Series:
    """Runs of one file system. ``names``: only these faults; else any, drawn from the seed."""

    kind: str
    runs: int
    results: Results
    say: Say
    seed: int = 1
    names: tuple[str, ...] = ()
    deadline_s: float = float("inf")  # time.monotonic()
    failed: int = 0
    _waiting: list[int] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def play(self, labs: list[Lab]) -> None:
        """Play what is missing, in each of these labs one run at a time, until it is done or time is over."""
        self._waiting = self.results.missing(self.runs)
        with ThreadPoolExecutor(len(labs)) as pool:
            futures = [pool.submit(self._play_in, lab) for lab in labs]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self.deadline_s = 0  # interrupted: runs under way are played to their end
                raise

    def _play_in(self, lab: Lab) -> None:
        failures = 0
        while failures < FAILURES_MAX and self._waiting and time.monotonic() < self.deadline_s:
            with contextlib.suppress(LabError):
                with staged(cluster := ExclusiveCluster(lab, self.kind)) as mounts:
                    failures = 0 if self._play_on(cluster, mounts) else failures + 1
                continue
            failures += 1

    def _play_on(self, cluster: ExclusiveCluster, mounts: MountWatch) -> bool:
        """In one lab as long as it goes well; whether anything was played."""
        is_any = False
        while (run := self._take()) is not None:
            result = self._one(cluster, mounts, run)
            self.results.keep(result)
            self.say(sentence(result, self.kind, cluster.lab.name))
            if result.error:
                self.failed += 1
                return is_any
            is_any = True
        return is_any

    def _take(self) -> int | None:
        with self._lock:
            if not self._waiting or time.monotonic() >= self.deadline_s:
                return None
            return self._waiting.pop(0)

    def _one(self, cluster: ExclusiveCluster, mounts: MountWatch, run: int) -> RunResult:
        if self.names:
            fault = FAULTS[self.names[(run - 1) % len(self.names)]]
        else:
            fault = choose_fault(self.seed, self.kind, run)
        began_ns = time.monotonic_ns()
        try:
            return play(cluster, mounts, run, fault, self.seed)
        except (LabError, OSError) as error:
            doubles = mounts.count_since(began_ns)
            why = f"{error!s} ({cluster.state_text()})"
            return RunResult(run, fault.name, double_mounts=doubles, error=why)


def sentence(result: RunResult, kind: str, lab: str) -> str:
    """One run for people."""
    head = f"{lab} {kind} run {result.run} {result.fault}"
    if result.error:
        return f"{head}: FAILED: {result.error}"
    bad = {name: getattr(result, name) for name in TOTALS[1:] if getattr(result, name)}
    verdict = ", ".join(f"{name} {n}" for name, n in bad.items()) or "clean"
    way = f"{result.owner_before} -> {result.owner_after}, out for {result.outage_ms} ms"
    return f"{head}: {way}, {result.acknowledged} acknowledged, {verdict} ({result.seconds:g} s)"
