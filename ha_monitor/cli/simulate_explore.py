"""``ha-monitor simulate --explore``: every state of a small world within so many choices, or one path."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace

from ha_monitor.errors import UsageError
from ha_monitor.sim.explore import Exploration, explore, plant_named, replay


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of exploring."""
    parser.add_argument("--explore", action="store_true", help="visit every state of a small world")
    parser.add_argument("--depth", type=int, metavar="D", help="with --explore: how many choices (default 4)")
    parser.add_argument("--path", metavar="ROOT:N.N...", help="with --explore: play this path only")


def is_wanted(args: argparse.Namespace) -> bool:
    """Whether exploring was asked for."""
    return bool(args.explore)


def run(args: argparse.Namespace) -> int:
    """Explore; 0 when all held, 1 when something broke."""
    plant = plant_named(args.plant)
    if args.path:
        root, _, numbers = args.path.partition(":")
        lines = list(replay(root, _numbers(numbers), plant))
        print("\n".join(lines))
        return 1 if lines[-1].startswith("BROKEN") else 0
    if args.depth is not None and args.depth < 1:
        raise UsageError(f"--depth: {args.depth} where a number from 1 upwards should stand")
    bounds = plant.bounds if args.depth is None else replace(plant.bounds, depth=args.depth)
    found = explore(plant, bounds, args.jobs or len(os.sched_getaffinity(0)))
    _tell(found, args.json)
    return 1 if found.violations else 0


def _numbers(text: str) -> list[int]:
    parts = text.split(".") if text else []
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--path: {text!r} where numbers with dots between them should stand")
    return [int(part) for part in parts]


def _tell(found: Exploration, is_json: bool) -> None:
    explained = sys.stderr if is_json else sys.stdout
    for violation in found.kept:
        print(f"{violation.what}\n  replay: {violation.command}", file=explained)
    if found.kept:
        first = found.kept[0]
        print("\n".join(replay(first.root, first.path, plant_named(first.plant))), file=explained)
    if is_json:
        print(json.dumps(found.counts))
    else:
        told = ", ".join(f"{number} {name}" for name, number in found.counts.items())
        print(f"{told}; {found.steps} steps of the core")
