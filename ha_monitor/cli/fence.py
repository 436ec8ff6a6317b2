"""``ha-monitor fence NODE --why TEXT``: power another Node off now, by its fence devices."""

from __future__ import annotations

import argparse

from ha_monitor import client
from ha_monitor.timebase import SECOND, format_duration

ANSWER_WITHIN_S = 1800.0  # the daemon gives its answer much earlier: the devices' timeouts are its bound


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``fence``."""
    parser = subparsers.add_parser(
        "fence",
        help="power another Node off now, by its fence devices",
        description="Tries the Node's levels in order, says what came of it. What it served is taken over.",
    )
    parser.add_argument("node", metavar="NODE")
    parser.add_argument("--why", metavar="TEXT", required=True, help="stands in the log and in status")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when the Node is off, confirmed."""
    answer = client.order("fence", ANSWER_WITHIN_S, node=args.node, why=args.why)
    print(answer.get("reason") or f"{args.node} is off")
    fence = next((f for f in client.fetch_view().fences if f.node == args.node), None)
    if fence is not None and fence.took_ms:
        print(f"it took {format_duration(fence.took_ms * SECOND // 1000)}")
    return 0
