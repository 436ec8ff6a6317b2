"""``ha-monitor confirm-fenced NODE``: an operator's word that a Node is off, where no device can tell."""

from __future__ import annotations

import argparse
import sys

from ha_monitor import client
from ha_monitor.errors import ControlError

MEANING = """\
You are about to say that {node} is powered off and that nothing of the cluster runs on it.
The cluster believes you: what {node} held is given to another Node at once, exclusive data included.
If {node} runs on after all, two Nodes serve, and two write to what only one may write to.
Look at the machine itself: its power light, its console, its hypervisor. Silence is no proof.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``confirm-fenced``."""
    parser = subparsers.add_parser(
        "confirm-fenced",
        help="say that another Node is off, where no device can",
        description="Asks back what it means; --yes answers that. Refused while the Node is heard.",
    )
    parser.add_argument("node", metavar="NODE")
    parser.add_argument(
        "--why", metavar="TEXT", default="", help="how you know; stands in the log and in status"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask back")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when the cluster has taken the operator's word."""
    if not args.yes:
        _ask(args.node)
    answer = client.order("confirm-fenced", node=args.node, why=args.why)
    print(answer.get("reason") or f"{args.node} counts as off")
    return 0


def _ask(node: str) -> None:
    sys.stderr.write(MEANING.format(node=node))
    if not sys.stdin.isatty():
        raise ControlError("nobody can be asked here; if you are sure, say --yes")
    sys.stderr.write(f"Type {node} to confirm: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != node:
        raise ControlError("not confirmed, nothing was done")
