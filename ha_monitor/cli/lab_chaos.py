"""``ha-monitor lab chaos``: random real faults from one seed, judged from outside."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ha_monitor.lab.chaos import moves, plants, report
from ha_monitor.lab.chaos.catalog import CATALOG, Named, chosen
from ha_monitor.lab.chaos.plan import Plan, Round
from ha_monitor.lab.chaos.record import RECORDS, Record, played, rounds
from ha_monitor.lab.chaos.run import ChaosRun, chaos_watch
from ha_monitor.lab.chaos.stage import WATCHED, Stage
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.problems import LabError
from ha_monitor.model import TIMINGS
from ha_monitor.timebase import SECOND, parse_duration_ns

RESULTS = Path("/var/cache/ha-monitor-lab/chaos")


def add_verb(verbs: Any) -> None:
    """Add ``chaos`` to the verbs of ``ha-monitor lab``."""
    parser = verbs.add_parser(
        "chaos", help="random real faults from one seed for a time, judged from outside",
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog="faults: " + ", ".join(CATALOG),
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="the same seed strikes the same (%(default)s)")
    parser.add_argument("--for", dest="length", type=_duration, default=60.0, help="such as 20m (60s)")
    parser.add_argument("--faults", nargs="+", metavar="NAME", help="only these; default: all")
    parser.add_argument(
        "--each", type=int, metavar="N", help="play what is missing of N single plays of each"
    )
    parser.add_argument("--timing", choices=list(TIMINGS), default="lan", help="profile (%(default)s)")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="directory of the records (%(default)s)"
    )
    parser.add_argument("--plant", nargs="+", choices=list(plants.PLANTS), default=[], help="plant a failure")
    parser.add_argument("--table", action="store_true", help="print which faults explain which moves")
    parser.add_argument("--report", action="store_true", help="sum up the records below --results")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.set_defaults(run=run)


def _duration(text: str) -> float:
    try:
        return parse_duration_ns(text) / SECOND
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(args: argparse.Namespace) -> int:
    """0 when nothing was wrong."""
    if args.table:
        print(moves.table_text())
        return 0
    if args.report:
        print(report.text(rounds(args.results.glob(RECORDS))))
        return 0
    lab = Lab()
    if lab.is_up():
        raise LabError(f"lab {lab.name} is up: chaos brings up its own; name another one with HA_MONITOR_LAB")
    try:
        named = chosen(args.faults) if args.faults else dict(CATALOG)
    except KeyError as error:
        raise LabError(f"{error.args[0]!r} is no fault of chaos: {', '.join(CATALOG)}") from None
    record = Record(args.results / f"{lab.name}-{args.seed}-{time.time_ns()}.jsonl")
    _say(f"record: {record.path}")
    with Stage(lab, args.timing, _say).standing() as stage, chaos_watch(stage) as watch:
        chaos = ChaosRun(stage, watch, record, _say)
        plan = Plan(args.seed, named, [w.group for w in WATCHED], TIMINGS[args.timing].lease_ns / SECOND)
        if args.plant:
            plants.play(chaos, stage, args.plant)
        else:
            drawn = _missing(plan, named, args) if args.each else plan.rounds()
            chaos.play(drawn, args.length)
        if chaos.verdict.exit_code:
            stage.keep_journals(record.path)
    return _tell(chaos, record, as_json=args.json)


def _missing(plan: Plan, named: dict[str, Named], args: argparse.Namespace) -> Iterator[Round]:
    """Single plays of what was played least, until each was played often enough; other labs count."""
    while True:
        done = played(args.results.glob(RECORDS))
        least = min(named, key=lambda name: done[name])
        if done[least] >= args.each:
            return
        yield plan.single(named[least])


def _tell(chaos: ChaosRun, record: Record, *, as_json: bool) -> int:
    verdict = chaos.verdict
    for problem in verdict.problems:
        _say(f"WRONG: {problem}")
    if verdict.beside_stalls:
        _say(f"{verdict.beside_stalls} Takeovers beside a stall of the machine, not counted")
    record.note("verdict", **verdict.as_json(), problems=verdict.problems)
    told = verdict.as_json()
    print(
        json.dumps(told) if as_json else ", ".join(f"{key} {value}" for key, value in told.items()),
        flush=True,
    )
    return verdict.exit_code


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
