"""``ha-monitor clear GROUP``: an operator has looked and says that it is stopped on this Node."""

from __future__ import annotations

import argparse

from ha_monitor import client
from ha_monitor.cli.verify import group_of, wait_until
from ha_monitor.errors import ControlError
from ha_monitor.view import GroupView


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``clear``."""
    parser = subparsers.add_parser(
        "clear",
        help="say that a group whose stop failed is stopped on this Node",
        description="Make sure first that nothing of the group runs here: another Node will start it.",
    )
    parser.add_argument("group", metavar="GROUP")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when nothing of the group is blocked here any more."""
    if not _blocked(group_of(client.fetch_view(), args.group)):
        raise ControlError(f"nothing of group {args.group} is blocked on this Node")
    client.order("clear-block", group=args.group)
    if wait_until(lambda view: not _blocked(group_of(view, args.group)), 5.0) is None:
        raise ControlError(f"group {args.group} is still blocked after 5 s")
    print(f"group {args.group} counts as stopped on this Node")
    return 0


def _blocked(group: GroupView) -> list[str]:
    return [resource.name for resource in group.resources if resource.state == "blocked"]
