"""``ha-monitor check``: whether this host can do what the two files ask, before the daemon finds out."""

from __future__ import annotations

import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``check``."""
    parser = subparsers.add_parser(
        "check",
        help="both files, this host, its peers and the monitoring server; changes nothing",
        epilog="exit code 0: all well, 1: warnings, 2: errors",
    )
    parser.add_argument("--json", action="store_true", help="findings as JSON")
    parser.add_argument("--offline", action="store_true", help="do not try to reach the monitoring server")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, 1 with warnings, 2 with errors."""
    # Imported late: the checks load parser, psutil and netlink, which no other verb should pay for.
    from ha_monitor.cli.check_run import check

    return check(as_json=args.json, is_offline=args.offline)
