"""``ha-monitor explain GROUP``: why a group is where it is, and what would happen next."""

from __future__ import annotations

import argparse

from ha_monitor import client
from ha_monitor.cli.verify import group_of


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``explain``."""
    parser = subparsers.add_parser(
        "explain", help="say why a group is where it is, and what would happen next"
    )
    parser.add_argument("group", metavar="GROUP")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when the daemon told."""
    group = group_of(client.fetch_view(), args.group)
    for sentence in group.explain:
        print(sentence)
    if group.last.ident:
        print(f"Last transition: {group.last.sentence} ({group.last.cause})")
    return 0
