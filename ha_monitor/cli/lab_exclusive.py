"""``ha-monitor lab exclusive``: takeovers of a file system on a shared disk under random faults."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from ha_monitor.lab.exclusive.cluster import ExclusiveCluster, remove_exclusive
from ha_monitor.lab.exclusive.control import control
from ha_monitor.lab.exclusive.disk import FILE_SYSTEMS
from ha_monitor.lab.exclusive.faults import FAULTS
from ha_monitor.lab.exclusive.series import Results, Series, sentence, totals
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.problems import LabError
from ha_monitor.timebase import SECOND, parse_duration_ns

RESULTS = Path("/var/cache/ha-monitor-lab/exclusive")


def add_verb(verbs: Any) -> None:
    """Add ``exclusive`` to the verbs of ``ha-monitor lab``."""
    parser = verbs.add_parser(
        "exclusive", help="takeovers of a file system on a shared disk under random faults",
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog="faults: " + ", ".join(FAULTS),
    )  # fmt: skip
    parser.add_argument("--runs", type=_count, default=10, metavar="N", help="of all (%(default)s)")
    parser.add_argument("--fs", choices=FILE_SYSTEMS, default="ext4", help="file system (%(default)s)")
    parser.add_argument(
        "--for", dest="length", type=_duration, metavar="TIME", help="end after it, such as 20m"
    )
    parser.add_argument("--labs", type=int, choices=range(1, 9), default=1, help="side by side (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed strikes the same (%(default)s)")
    parser.add_argument(
        "--faults", nargs="+", choices=list(FAULTS), metavar="NAME", help="in turn; default: any"
    )
    parser.add_argument("--control", action="store_true", help="once, without the guard: show the damage")
    parser.add_argument("--results", type=Path, default=RESULTS, help="directory of the runs (%(default)s)")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 9999:
        raise argparse.ArgumentTypeError(f"{number} is not from 1 to 9999")
    return number


def _duration(text: str) -> float:
    try:
        return parse_duration_ns(text) / SECOND
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(args: argparse.Namespace) -> int:
    """0 when nothing was wrong; the control run is meant to be."""
    labs = _labs(args.labs)
    if args.control:
        result = control(ExclusiveCluster(labs[0], args.fs, is_exclusive=False))
        _say(f"{sentence(result, args.fs, labs[0].name)}\n{result.detail}")
        _tell(totals([result]), args.json)
        return 0
    results = Results(args.results / f"{args.fs}-{args.seed}")
    length_s = args.length if args.length is not None else float("inf")
    names = tuple(args.faults or ())
    series = Series(args.fs, args.runs, results, _say, args.seed, names, time.monotonic() + length_s)
    try:
        series.play(labs)
    finally:
        for lab in labs:  # also when this was interrupted while it built one
            remove_exclusive(lab)
    return _judge(args, results, series.failed)


def _labs(count: int) -> list[Lab]:
    base = Lab().name
    labs = [Lab(base if count == 1 else f"{base[:7]}{number}") for number in range(1, count + 1)]
    for lab in labs:
        if lab.is_up():
            raise LabError(f"lab {lab.name} is up: name another one with HA_MONITOR_LAB, or take it down")
    return labs


def _judge(args: argparse.Namespace, results: Results, failed: int) -> int:
    sums, missing = totals(results.all()), len(results.missing(args.runs))
    _say(f"{args.runs - missing} of {args.runs} runs are played, {failed} failed now")
    _tell(sums, args.json)
    is_bad = failed or any(sums[name] for name in sums if name != "takeovers")
    return int(bool(is_bad))


def _tell(sums: dict[str, int], is_json: bool) -> None:
    text = json.dumps(sums) if is_json else ", ".join(f"{name} {number}" for name, number in sums.items())
    sys.stdout.write(f"{text}\n")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
