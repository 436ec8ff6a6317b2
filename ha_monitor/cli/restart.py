"""``ha-monitor restart``: new processes and the changed files, and no service is touched."""

from __future__ import annotations

import argparse
import contextlib
import time

from ha_monitor import client
from ha_monitor.cli.verify import is_settled_on, wait_until
from ha_monitor.errors import ControlError
from ha_monitor.model import TransitionKind
from ha_monitor.view import View

WANTED = (TransitionKind.FAILBACK.value, TransitionKind.OPERATOR.value)  # moves that may come meanwhile


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
    """0 when a new core serves what the old one served; an error as soon as another Node does."""
    before = client.fetch_view()
    kept = {g.name for g in before.groups if g.owner == before.self_name and g.state == "running"}
    began = time.monotonic()
    with contextlib.suppress(client.DaemonEndedError):  # the old core ends in the middle of our question
        client.order("restart", args.timeout)

    def is_over(view: View) -> bool:
        still = [group for group in view.groups if group.name in kept]  # or no longer configured
        return view.incarnation != before.incarnation and all(is_settled_on(g, g.owner) for g in still)

    view = wait_until(is_over, args.timeout)
    if view is None:
        raise ControlError(
            f"no new core serves {', '.join(sorted(kept)) or 'here'} after {args.timeout:.0f} s"
        )
    gone = [g for g in view.groups if g.name in kept and g.owner != view.self_name]
    # A host that stalls at the wrong moment loses its Lease: said at once, not waited for.
    lost = [f"{g.name} is on {g.owner}" for g in gone if g.last.kind not in WANTED]
    if lost:
        raise ControlError(f"restarted, but now {', '.join(lost)}; see `ha-monitor status` for the cause")
    change = "" if view.config_digest == before.config_digest else ", with the changed configuration"
    print(f"restarted after {(time.monotonic() - began) * 1000:.0f} ms{change}")
    for group in gone:
        print(f"meanwhile: {group.last.sentence}")
    return 0
