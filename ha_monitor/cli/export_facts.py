"""``ha-monitor export facts``: the reference page of all facts."""

from __future__ import annotations

import argparse
from pathlib import Path

from ha_monitor.cli.export_files import deliver


def add_parser(programs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``facts``."""
    parser = programs.add_parser("facts", help="the reference page of all facts")
    parser.add_argument("--dir", type=Path, required=True, help="write facts.md here")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, compare; exit code 1 on differences"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the page stands there; with ``--check`` 1 when it differs."""
    from ha_monitor.provision.facts_page import facts_page

    return deliver(args.dir, {"facts.md": facts_page()}, is_check=args.check)
