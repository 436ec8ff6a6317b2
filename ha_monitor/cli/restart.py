"""``ha-monitor restart``: new processes and the changed files, and no service is touched."""

from __future__ import annotations

import argparse
import contextlib
import time

from ha_monitor import client
from ha_monitor.cli.verify import owned_by, wait_until
from ha_monitor.errors import ControlError
from ha_monitor.view import View


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``restart``."""
    parser = subparsers.add_parser(
        "restart",
        help="start the daemon anew, with the changed files, and touch no service",
        description="A configuration that cannot be used is refused, and the old one stays.",
    )
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=60.0, help="default: 60")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when a new core serves what the old one served."""
    before = client.fetch_view()
    kept = set(owned_by(before, before.self_name))
    began = time.monotonic()
    with contextlib.suppress(client.DaemonEndedError):  # the old core ends in the middle of our question
        client.order("restart", args.timeout)

    def is_new(view: View) -> bool:
        names = {group.name for group in view.groups}
        serves = {g.name for g in view.groups if g.owner == view.self_name and g.state == "running"}
        return view.incarnation != before.incarnation and kept & names <= serves

    view = wait_until(is_new, args.timeout)
    if view is None:
        raise ControlError(f"no new core serves {', '.join(kept) or 'here'} after {args.timeout:.0f} s")
    change = "" if view.config_digest == before.config_digest else ", with the changed configuration"
    print(f"restarted after {(time.monotonic() - began) * 1000:.0f} ms{change}")
    return 0
