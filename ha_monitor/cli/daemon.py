"""``ha-monitor run`` and ``ha-monitor witness``: become the guard."""

from __future__ import annotations

import argparse
import os
import sys

from ha_monitor.cli.guard_command import guard_command


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``run`` and ``witness``."""
    node = subparsers.add_parser("run", help="run a Node's daemon in the foreground")
    node.set_defaults(run=run, is_witness=False)
    witness = subparsers.add_parser("witness", help="run the Witness in the foreground")
    witness.set_defaults(run=run, is_witness=True)


def run(args: argparse.Namespace) -> int:
    """Does not return: the guard takes this process's place, so that its parent watches the daemon itself."""
    command, environment = guard_command(args.is_witness)
    sys.stdout.flush()
    os.execve(command[0], command, environment)
