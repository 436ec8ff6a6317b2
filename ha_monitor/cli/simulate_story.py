"""``ha-monitor simulate --story FILE...``: plays stories, and says where they do not go as they are told."""

from __future__ import annotations

import argparse
from pathlib import Path

from ha_monitor.sim.story_run import play_file


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of stories."""
    parser.add_argument("--story", nargs="+", type=Path, metavar="FILE", help="play these stories")
    parser.add_argument(
        "--rewrite", action="store_true", help="put what happened in the place of the stories' traces"
    )


def is_wanted(args: argparse.Namespace) -> bool:
    """Whether a story was named."""
    return bool(args.story)


def run(args: argparse.Namespace) -> int:
    """Play each; 0 when all went as told, 1 when one did not, 2 when one cannot be read as a story."""
    return max(play_file(path, args.rewrite, print).value for path in args.story)
