"""``ha-monitor standby`` and ``ha-monitor online``: whether this Node may own groups."""

from __future__ import annotations

import argparse

from ha_monitor import client
from ha_monitor.cli.verify import is_settled_on, owned_by, self_node, wait_until
from ha_monitor.errors import ControlError
from ha_monitor.view import View


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``standby`` and ``online``."""
    standby = subparsers.add_parser("standby", help="let this Node own nothing: its groups move away")
    standby.set_defaults(run=run, wanted="standby")
    online = subparsers.add_parser("online", help="let this Node own groups again")
    online.set_defaults(run=run, wanted="online")
    for parser in (standby, online):
        parser.add_argument(
            "node",
            nargs="?",
            metavar="NODE",
            default="",
            help="this Node; the order is given on the Node itself",
        )
        parser.add_argument("--timeout", metavar="SECONDS", type=float, default=60.0, help="default: 60")


def run(args: argparse.Namespace) -> int:
    """0 when the Node is in that state, and for standby when nothing is left on it."""
    before = client.fetch_view()
    if args.node not in ("", before.self_name):
        raise ControlError(f"this Node is {before.self_name}: give the order on {args.node} itself")
    left = owned_by(before, before.self_name)
    client.order(args.wanted, args.timeout)

    def is_done(view: View) -> bool:
        moved = all(
            is_settled_on(group, group.owner) for group in view.groups if group.name in left and group.owner
        )
        is_free = args.wanted == "online" or (not owned_by(view, view.self_name) and moved)
        return self_node(view).state == args.wanted and is_free

    if wait_until(is_done, args.timeout) is None:
        return _tell_unfinished(args.wanted, args.timeout)
    print(
        f"{before.self_name} is {args.wanted}"
        + (f"; {', '.join(left)} moved away" if left and args.wanted == "standby" else "")
    )
    return 0


def _tell_unfinished(wanted: str, bound_s: float) -> int:
    view = client.fetch_view()
    stays = ", ".join(owned_by(view, view.self_name))
    if wanted == "standby" and stays:
        raise ControlError(
            f"standby is noted, but {stays} stays on {view.self_name}: no other Node could take it within"
            f" {bound_s:.0f} s; see `ha-monitor explain`"
        )
    raise ControlError(f"{view.self_name} is still {self_node(view).state} after {bound_s:.0f} s")
