"""``ha-monitor stop``: hand over what this Node owns, then end its daemon."""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import time

from ha_monitor import client, paths
from ha_monitor.errors import ControlError
from ha_monitor.runtime.instance import GUARD_LOCK, ProcessLock


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``stop``."""
    parser = subparsers.add_parser("stop", help="hand over and end this host's daemon")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=120.0, help="default: 120")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when every process of the daemon has ended; its guard ends last."""
    pid = guard_pid()
    began = time.monotonic()
    pidfd = _open(pid)
    try:
        with contextlib.suppress(client.DaemonEndedError):  # the core ends in the middle of our question
            client.order("stop", args.timeout)
        left_s = args.timeout - (time.monotonic() - began)
        if not select.select([pidfd], [], [], max(0.0, left_s))[0]:
            raise ControlError(
                f"the daemon (pid {pid}) has not ended after {args.timeout:.0f} s; see its log"
            )
    finally:
        os.close(pidfd)
    print(f"stopped after {(time.monotonic() - began) * 1000:.0f} ms")
    return 0


def guard_pid() -> int:
    """The daemon's first process, by the lock that it holds. Raises ControlError when there is none."""
    try:
        pid = ProcessLock(paths.run_dir() / GUARD_LOCK).holder_pid()
    except FileNotFoundError:
        pid = 0
    except PermissionError:
        raise ControlError("only root may do this") from None
    if not pid:
        raise ControlError("no ha-monitor daemon runs on this host")
    return pid


def _open(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise ControlError("the daemon has just ended") from None
