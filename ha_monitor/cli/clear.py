"""``ha-monitor clear GROUP``: an operator has looked: what failed to stop is stopped, a hold is answered."""

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
        help="answer a group that asks: what could not be stopped here is stopped, a held one may move",
        description="After a failed stop make sure first that nothing of the group runs here: another Node"
        " will start it. A held group may be answered on any Node.",
    )
    parser.add_argument("group", metavar="GROUP")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when nothing of the group is blocked here any more, and it is not held."""
    before = group_of(client.fetch_view(), args.group)
    if not _asks(before) and before.eligible:
        raise ControlError(f"nothing of group {args.group} is blocked on this Node, and it is not held")
    client.order("clear-block", group=args.group)
    if wait_until(lambda view: not _asks(group_of(view, args.group)), 5.0) is None:
        raise ControlError(f"group {args.group} is still blocked or held after 5 s")
    if _blocked(before):
        print(f"group {args.group} counts as stopped on this Node")
    if not before.eligible:
        print(f"group {args.group}: this Node no longer stands back because it failed here before")
    if before.hold != "none":
        print(f"group {args.group} is no longer held on {before.hold_node}")
    return 0


def _asks(group: GroupView) -> bool:
    return bool(_blocked(group)) or group.hold != "none"


def _blocked(group: GroupView) -> list[str]:
    return [resource.name for resource in group.resources if resource.state == "blocked"]
