"""``ha-monitor maintenance on --for 2h --why ... | off``: for the whole cluster; ends by itself."""

from __future__ import annotations

import argparse

from ha_monitor import client
from ha_monitor.cli.verify import wait_until
from ha_monitor.errors import ControlError
from ha_monitor.timebase import SECOND, format_duration, parse_duration_ns


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``maintenance``."""
    parser = subparsers.add_parser("maintenance", help="let nothing move while somebody works on the cluster")
    parser.set_defaults(run=run)
    states = parser.add_subparsers(dest="state", metavar="on|off", required=True)
    on = states.add_parser("on", help="begin, for a time and with a reason")
    on.add_argument("--for", dest="length", metavar="TIME", required=True, help="for example 30m, 2h, 1d")
    on.add_argument("--why", metavar="TEXT", required=True, help="told to everybody who looks")
    states.add_parser("off", help="end now")


def run(args: argparse.Namespace) -> int:
    """0 when this host's daemon knows of it; it tells the others with its next beat."""
    is_on = args.state == "on"
    length_ns = _length(args.length) if is_on else 0
    client.order("maintenance", remaining_ns=length_ns, why=args.why if is_on else "")
    if wait_until(lambda view: view.maintenance.is_on is is_on, 5.0) is None:
        raise ControlError(f"maintenance is not {args.state} after 5 s; see `ha-monitor status`")
    print(
        f"maintenance is on for {format_duration(length_ns)}: {args.why}" if is_on else "maintenance is off"
    )
    return 0


def _length(text: str) -> int:
    try:
        length_ns = parse_duration_ns(text)
    except ValueError as error:
        raise ControlError(f"--for: {error}") from None
    if length_ns < SECOND:
        raise ControlError(f"--for {text}: give at least 1s")
    return length_ns
