"""``ha-monitor lab load``: a program under load for a time, and the takeovers that nothing called for."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from ha_monitor.lab.cast import LAB_DEFAULT, LAB_VARIABLE
from ha_monitor.lab.load.contenders import OURS, timings_of
from ha_monitor.lab.load.run import BUSY, WRITERS, Weight, load_pass
from ha_monitor.timebase import SECOND, parse_duration_ns

_ABOUT = """\
Each timing gets a lab of its own; all stand side by side under one load. Whatever moves is needless: nothing
fails. A takeover is explained where a recorder saw the machine itself stall for more than half the Lease.
"""


def add_parser(verbs: Any) -> None:
    """Add ``load``."""
    parser = verbs.add_parser(
        "load", help="put a program under load, count needless takeovers", epilog=_ABOUT
    )
    parser.add_argument("--program", default=OURS, help="or keepalived, heartbeat, pacemaker, ucarp")
    parser.add_argument("--timing", nargs="+", help="lan, fast ...; side by side. Default: all of interest")
    parser.add_argument("--for", dest="length", default="30m", help="how long (%(default)s)")
    parser.add_argument("--busy", type=int, default=BUSY, help="processes that compute (%(default)s)")
    parser.add_argument("--writers", type=int, default=WRITERS, help="that call fsync (%(default)s)")
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"), help="where those write (%(default)s)")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when no takeover is left unexplained, 1 otherwise."""

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        seconds = parse_duration_ns(args.length) / SECOND
    except ValueError as error:
        print(f"--for {error}", file=sys.stderr)
        return 2
    timings = tuple(args.timing or timings_of(args.program))
    base = os.environ.get(LAB_VARIABLE) or LAB_DEFAULT
    weight = Weight(args.busy, args.writers, args.dir)
    told = load_pass(args.program, timings, seconds, weight, base, say)
    if args.json:
        print(json.dumps(told), flush=True)
    else:
        _tell(told)
    return 1 if told["unexplained"] else 0


def _tell(told: dict[str, Any]) -> None:
    load = told["load"]
    print(
        f"{told['seconds']} s under {load['busy']} busy processes and {load['writers']} writers"
        f" ({load['fsyncs']} fsync, longest {load['longest_fsync_ms']:.0f} ms)"
    )
    for one in told["passes"]:
        print(
            f"{one['program']} at {one['timing']} (Lease {one['lease_ms']} ms): {one['takeovers']} takeovers,"
            f" {one['explained']} beside a stall of the machine; {one['interruptions']} interruptions;"
            f" worst stall {one['worst_stall_ms']:.0f} ms"
        )
        for event in one["events"]:
            print(
                f"  after {event['after_s']:.1f} s: {event['host_from']} -> {event['host_to']},"
                f" {event['outage_ms']:.0f} ms; the machine stalled for {event['stall_ms']:.0f} ms"
            )
