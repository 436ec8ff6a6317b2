"""``ha-monitor simulate``: the real core in a simulated world, under every fault that a seed draws.

Each way to use the simulator is a module with ``add_options(parser)``, ``is_wanted(args)`` and
``run(args) -> exit code``; the first that is wanted runs, the swarm of seeds if none is.
"""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType

# The last one is what the verb does by itself.
WAYS = ("simulate_story", "simulate_explore", "simulate_swarm")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb with the options of every way."""
    parser = subparsers.add_parser(
        "simulate",
        help="play faults on the real core in a simulated world",
        description="Plays many seeds, one (--seed), stories (--story), or every state of a small world"
        " (--explore). Exit code 0 when all held, 1 when something broke.",
    )
    for way in _ways():
        way.add_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the way that the options ask for; 0 when all held, 1 when something broke."""
    ways = _ways()
    chosen = next((way for way in ways if way.is_wanted(args)), ways[-1])
    code: int = chosen.run(args)
    return code


def _ways() -> list[ModuleType]:
    return [importlib.import_module(f"ha_monitor.cli.{name}") for name in WAYS]
