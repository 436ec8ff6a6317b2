"""``ha-monitor switch GROUP [--to NODE]``: a planned Switchover, ended when it is seen to be done."""

from __future__ import annotations

import argparse
import time

from ha_monitor import client
from ha_monitor.cli.verify import group_of, is_settled_on, wait_until
from ha_monitor.errors import ControlError
from ha_monitor.view import GroupView, View


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``switch``."""
    parser = subparsers.add_parser(
        "switch",
        help="move a group to another Node",
        description="Ends when the new Owner runs the group and the old one has closed its addresses.",
    )
    parser.add_argument("group", metavar="GROUP")
    parser.add_argument("--to", metavar="NODE", default="", help="default: the best Node that can take it")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=60.0, help="default: 60")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when the group runs on the other Node and only there."""
    before = group_of(client.fetch_view(), args.group)
    began = time.monotonic()
    client.order("switch", args.timeout, group=args.group, target=args.to)

    def is_moved(view: View) -> bool:
        group = group_of(view, args.group)
        is_other = group.owner == args.to if args.to else group.owner != before.owner
        return bool(group.owner) and is_other and is_settled_on(group, group.owner)

    def is_over(view: View) -> bool:
        return is_moved(view) or is_back(group_of(view, args.group), before)

    view = wait_until(is_over, args.timeout)
    if view is not None and not is_moved(view):
        raise ControlError(
            f"group {args.group} is on {before.owner} again: nobody took it over;"
            f" see `ha-monitor explain {args.group}`"
        )
    if view is None:
        group = group_of(client.fetch_view(), args.group)
        raise ControlError(
            f"group {args.group} did not settle within {args.timeout:.0f} s: it is {group.state}"
            f" on {group.owner or 'no Node'}; see `ha-monitor explain {args.group}`"
        )
    owner = group_of(view, args.group).owner
    took = f"{(time.monotonic() - began) * 1000:.0f} ms"
    print(f"{args.group}: {before.owner or 'nobody'} -> {owner}, verified after {took}")
    return 0


def is_back(group: GroupView, before: GroupView) -> bool:
    """Whether the Owner let go as ordered and had to start again: a transition to where it was before."""
    return group.last.ident != before.last.ident and is_settled_on(group, before.owner)
