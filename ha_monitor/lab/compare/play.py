"""Plays the runs of one block: a lab, one program, one of each of its faults, everything removed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType

from ha_monitor.lab.cast import NODES, SERVICE_V4
from ha_monitor.lab.compare import judge
from ha_monitor.lab.compare.cells import OURS, ROWS, Cell, held_s
from ha_monitor.lab.compare.plan import Block
from ha_monitor.lab.compare.results import Result
from ha_monitor.lab.daemons import VIP_LINES, Daemons, config_text
from ha_monitor.lab.faults import FAULTS
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.measure import Run, play
from ha_monitor.lab.observation import Observation
from ha_monitor.lab.observers.analysis import gap_after, longest_gap
from ha_monitor.lab.observers.records import Records
from ha_monitor.lab.peers.peer import Peer
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.stack import web
from ha_monitor.lab.subject import subject_of

_FAILURES_MAX = 3  # then the rest of the block is given up
_QUIET_S = 0.6  # before the strike, which `play` waits as well


@dataclass(frozen=True)
class Context:
    """What every result of this invocation has in common."""

    versions: dict[str, str]
    commit: str
    say: Callable[[str], None]
    has_time_for: Callable[[Cell], bool]


def play_block(lab_name: str, block: Block, context: Context) -> Iterator[Result]:
    """Yield the result of each run as it ends; stops early when no time is left for the next."""
    rows = list(block.rows)
    failures = 0
    while rows and context.has_time_for(Cell(block.program, block.timing, rows[0])):
        try:
            with Lab(lab_name).session() as lab:
                _start(lab, block)
                yield from _play_rows(lab, block, rows, context)
        except LabError as error:
            failures += 1
            hopeless = rows if failures >= _FAILURES_MAX else rows[:1]
            for row in list(hopeless):
                rows.remove(row)
                yield replace(_blank(block, row, context), error=str(error))


def _play_rows(lab: Lab, block: Block, rows: list[str], context: Context) -> Iterator[Result]:
    """Takes each row out of the list as it is played; ends when the program needs a new start."""
    subject = subject_of(lab)
    while rows and context.has_time_for(Cell(block.program, block.timing, rows[0])):
        context.say(f"{block.program} {block.timing} {rows[0]} {block.number}: ...")
        began_s = time.monotonic()
        result = _play_one(lab, _blank(block, rows[0], context))
        try:
            subject.wait_settled()
        except LabError as error:
            result = replace(result, rested=False, rest_reason=str(error))
        rows.pop(0)
        result = replace(result, took_s=round(time.monotonic() - began_s, 1))
        context.say(f"{block.program} {block.timing} {result.row} {block.number}: {sentence(result)}")
        yield result
        if not result.rested:
            return


def _start(lab: Lab, block: Block) -> None:
    if block.program != OURS:
        Peer(lab, block.program, block.timing).start()
        return
    for node in NODES:
        web.install(lab.host(node))
    daemons = Daemons(lab)
    daemons.configure(config_text(block.timing, (VIP_LINES[0], web.resource_toml())))
    daemons.start()
    daemons.wait_settled()


def _play_one(lab: Lab, blank: Result) -> Result:
    row = ROWS[blank.row]
    held = held_s(blank.cell, random.Random())
    began_ns, busy = time.monotonic_ns(), _jiffies()
    with Observation(lab, SERVICE_V4) as seen, _Pages(lab, wanted=row.over_http) as pages:
        run = play(lab, FAULTS[row.fault], seen, hold_s=held, watch_s=row.watch_s, **row.chosen)
        ended_ns = run.watched_ns
        answers, stalls = seen.probe.answers, seen.probe.stalls
        from_ns = run.struck_ns - round(_QUIET_S * 1e9 / 2)
        result = replace(
            blank,
            at=time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
            idle_percent=_idle_percent(busy, _jiffies()),
            outage_ms=run.outage_ms,
            missed_ms=_ms(judge.missed_ns(answers, stalls, run.struck_ns, ended_ns)),
            double_ms_observer=_ms(judge.mixed_answers_ns(answers, from_ns, ended_ns)),
            double_ms_kernel=run.double_ms_kernel,
            after_heal_outage_ms=run.after_heal_outage_ms,
            moves=judge.moves(answers, max(began_ns, from_ns), ended_ns),
            recovered=run.recovered,
            probe_stalled_ms=run.probe_stalled_ms,
            held_s=round(held, 1),
        )
        return pages.judged(result, run) if row.over_http else result


class _Pages:
    """Web requests from the client, beside the observers."""

    def __init__(self, lab: Lab, *, wanted: bool) -> None:
        self._host = lab.host("client")
        self._wanted = wanted
        self._inside = f"/run/pages-{os.getpid()}"
        self._records = Records(self._host.path(self._inside))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Pages:
        if self._wanted:
            argv = [sys.executable, "-m", "ha_monitor.lab.observers.webprobe", SERVICE_V4, self._inside]
            self._process = self._host.popen(argv, stdin=subprocess.PIPE)
            self._read_until(time.monotonic_ns())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._records.path.unlink(missing_ok=True)

    def judged(self, result: Result, run: Run) -> Result:
        """The result with the outages that a visitor of the web server had."""
        self._read_until(run.watched_ns)
        answers, stalls = self._records.answers, self._records.stalls
        # Nothing heals the crash but the program itself: the outage may begin and end at any time.
        outage = longest_gap(answers, stalls, run.struck_ns, run.watched_ns, run.watched_ns)
        after = gap_after(answers, stalls, run.healed_ns, run.watched_ns)
        return replace(
            result,
            outage_ms=_ms(outage.outage_ns),
            missed_ms=_ms(judge.missed_ns(answers, stalls, run.struck_ns, run.watched_ns)),
            after_heal_outage_ms=_ms(after.outage_ns),
            recovered=outage.ended,
        )

    def _read_until(self, at_ns: int) -> None:
        deadline = time.monotonic() + 10
        while self._records.complete_until_ns < at_ns:
            self._records.read_on()
            if time.monotonic() > deadline:
                raise LabError("the web requests stand still: their records end too early")
            time.sleep(0.05)


def sentence(result: Result) -> str:
    """One result for a person who waits."""
    if result.error:
        return f"not played: {result.error}"
    back = "" if result.recovered else " (not back)"
    rest = "" if result.rested else f"; {result.rest_reason}"
    return (
        f"outage {result.outage_ms:.0f} ms{back}, double {result.double_ms_observer:.0f} /"
        f" {result.double_ms_kernel:.0f} ms, after healing {result.after_heal_outage_ms:.0f} ms,"
        f" {result.moves} moves, {result.idle_percent:.0f} % idle{rest}"
    )


def _blank(block: Block, row: str, context: Context) -> Result:
    version = context.versions[block.program]
    return Result(block.program, version, block.timing, row, block.number, context.commit)


def _jiffies() -> tuple[int, int]:
    """Idle and all ticks of the machine so far."""
    with open("/proc/stat") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def _idle_percent(before: tuple[int, int], after: tuple[int, int]) -> float:
    return round(100 * (after[0] - before[0]) / max(1, after[1] - before[1]), 1)


def _ms(length_ns: int) -> float:
    return round(length_ns / 1e6, 1)
