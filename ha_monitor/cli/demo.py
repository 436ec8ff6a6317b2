"""``ha-monitor demo``: the whole product on one machine, with a report at the end."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ha_monitor.errors import HaMonitorError
from ha_monitor.lab.demo.page import HEADINGS, cells, page
from ha_monitor.lab.demo.record import Report
from ha_monitor.lab.demo.stage import Stage
from ha_monitor.lab.demo.story import Story
from ha_monitor.lab.lab import Lab, refuse_without_rights

LAB = "demo"
REPORT_DIR = "demo-report"
WEB_PORT = 8480
TABLE_WIDTH = 150


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("demo", help="play the whole story on real software")
    parser.add_argument("--keep", action="store_true", help="leave everything up at the end")
    parser.add_argument("--down", action="store_true", help="remove what --keep left, and do nothing else")
    parser.add_argument("--report", type=Path, default=Path(REPORT_DIR), metavar="DIR")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Play, report, and end with 0 only if the promise was kept in every step."""
    refuse_without_rights()
    stage = Stage(Lab(LAB), say)
    if arguments.down:
        stage.down()
        say("nothing of the demonstration is left")
        return 0
    with removed_afterwards(stage, arguments.keep):
        report = play(stage, arguments.report, WEB_PORT if arguments.keep else 0)
        tell(report, arguments.report)
        if arguments.keep and stage.lab.is_up():
            print(*(f"{name}: {value}" for name, value in stage.access().items()), sep="\n")
            print("Everything is left up; `make demo-down` removes it.")
    return 1 if report.problems() else 0


@contextlib.contextmanager
def removed_afterwards(stage: Stage, keep: bool) -> Iterator[None]:
    """Remove everything at the end of the block; with ``keep`` only if the block failed."""
    try:
        yield
    except BaseException:
        say("removing the demonstration")
        stage.down()
        raise
    if not keep:
        say("removing the demonstration")
        stage.down()


def play(stage: Stage, directory: Path, local_port: int) -> Report:
    """Bring the stage up, play the story, write report.json and report.html into ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in (*directory.glob("*.png"), *directory.glob("report.*")):
        old.unlink()
    report = Report(datetime.now(UTC).isoformat(timespec="seconds"))
    try:
        stage.up(local_port)
        Story(stage, report, directory, say).play()
    except HaMonitorError as error:
        report.failures.append(str(error))
    (directory / "report.json").write_text(json.dumps(report.as_json(), indent=1) + "\n")
    (directory / "report.html").write_text(page(report))
    return report


def tell(report: Report, directory: Path) -> None:
    """The table at the end, and what is red in it."""
    table = Table(*HEADINGS)
    for step in report.steps:
        table.add_row(*cells(step), style="red" if step.problems() else None)
    console = Console(width=TABLE_WIDTH, highlight=False, markup=False)
    console.print(table)
    if report.steps:
        last = report.steps[-1]
        console.print(f"Nagios at the end: {last.nagios.get('web/HA cluster', 'nothing')}")
        console.print(f"Zabbix at the end: Owner {last.zabbix.get('web/ha.group.owner[www]', 'unknown')}")
    made, kept = report.transitions_made, report.transitions_in_zabbix
    console.print(f"{made} changes of Owner seen, {kept} transitions in Zabbix's history")
    for problem in report.problems():
        console.print(problem, style="red")
    console.print(f"Report: {directory}/report.html, {directory}/report.json, pictures beside them")


_BEGAN = time.monotonic()


def say(line: str) -> None:
    """A line of progress with the seconds since the start."""
    print(f"{time.monotonic() - _BEGAN:6.1f} s  {line}", flush=True)
