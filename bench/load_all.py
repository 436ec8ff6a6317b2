"""Puts ha-monitor and the other programs under load, each in a pass of its own, and writes docs/load.md.

    sudo .venv/bin/python bench/load_all.py --for 30m

A pass holds all timings of one program, side by side in labs of their own. Each finished pass is a file below
--results, so that a run that was cut short goes on where it stopped; --fresh begins anew, --page only writes
the page again. Needs root and a machine that does nothing else; five passes of 30 minutes take 2 h 40 min.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ha_monitor.lab import prerequisites
from ha_monitor.lab.load.contenders import OURS
from ha_monitor.lab.load.page import page
from ha_monitor.lab.peers.peer import PEERS
from ha_monitor.timebase import SECOND, parse_duration_ns

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "load.md"
RESULTS = Path("/var/cache/ha-monitor-lab/load")
PROGRAMS = (OURS, *PEERS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what is missing, write the page; 1 when a takeover of ours is left unexplained."""
    options = _parser().parse_args(arguments)
    options.results.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        for file in options.results.glob("*.json"):
            file.unlink()
    seconds = parse_duration_ns(options.length) / SECOND
    if not options.page and set(options.only) & set(PEERS) and prerequisites.main(["--bench"]):
        return 1
    played = [told for name in PROGRAMS if (told := _pass_of(name, seconds, options)) is not None]
    DOCUMENT.write_text(page(played, options.length))
    print(f"wrote {DOCUMENT.relative_to(ROOT)}")
    return 1 if any(told["program"] == OURS and told["unexplained"] for told in played) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--for", dest="length", default="30m", help="length of each pass (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=PROGRAMS, default=PROGRAMS, help="programs to play")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--page", action="store_true", help="write the page, play nothing")
    return parser


def _pass_of(name: str, seconds: float, options: argparse.Namespace) -> dict[str, Any] | None:
    """The program's pass, from its file if it was long enough, else played now; None if there is none."""
    file = options.results / f"{name}.json"
    told: dict[str, Any] | None = json.loads(file.read_text()) if file.exists() else None
    is_wanted = name in options.only and not options.page
    if not is_wanted or (told is not None and told["seconds"] >= round(seconds)):
        return told
    told = _play(name, options.length)
    file.write_text(json.dumps(told))
    return told


def _play(name: str, length: str) -> dict[str, Any]:
    program = Path(sys.executable).parent / "ha-monitor"
    argv = [str(program), "lab", "load", "--program", name, "--for", length, "--json"]
    print(" ".join(argv), flush=True)
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    try:
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise SystemExit(f"{' '.join(argv)} ended with exit {done.returncode} and told nothing") from None
    played = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "kernel": platform.release().split("-")[0]}
    return {**told, **played}


if __name__ == "__main__":
    sys.exit(main())
