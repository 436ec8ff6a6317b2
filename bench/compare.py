"""Plays ha-monitor beside keepalived, Heartbeat, Pacemaker and ucarp, and writes docs/comparison.md.

    sudo .venv/bin/python bench/compare.py --for 60m

Each run is a file below --results, so that a comparison that was cut short goes on where it stopped;
--page only writes the page again. Installs Debian's packages of the four programs. Needs root.
A second process with another HA_MONITOR_LAB plays other runs meanwhile, at the price of some noise.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from ha_monitor import __version__
from ha_monitor.errors import HaMonitorError
from ha_monitor.lab import prerequisites
from ha_monitor.lab.compare.cells import OURS, PROGRAMS, ROWS, TIMING_ORDER, Cell, cells
from ha_monitor.lab.compare.page import page
from ha_monitor.lab.compare.plan import Block, Wanted, blocks, guessed_s, remaining_s
from ha_monitor.lab.compare.play import Context, play_block
from ha_monitor.lab.compare.results import Results
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.peers.peer import PEERS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "comparison.md"
RESULTS = Path("/var/cache/ha-monitor-lab/comparison")
# What decides and carries out a takeover: a commit that changes nothing here changes no figure.
_DAEMON = ("agents", "core", "messages.py", "model.py", "net", "runtime", "timebase.py", "wire")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_START_S = 30.0
NOT_INSTALLED = "not installed"


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what is missing within the time, write the page; 1 when ours had two Owners."""
    options = _parser().parse_args(arguments)
    wanted = Wanted(options.runs, options.runs_default)
    chosen = [cell for cell in cells() if _is_chosen(cell, options)]
    try:
        if not options.page and _lacks_programs(chosen) and prerequisites.main(["--bench"]):
            return 1
        versions = {OURS: daemon_commit(), **{name: debian_version(name) for name in PEERS}}
        results = Results(options.results, versions, tuple(options.also), options.idle)
        if not options.page:
            _play_for(options, wanted, chosen, results, versions)
        else:
            _tell(_left(results, wanted, chosen))
    except HaMonitorError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    if not options.no_page:
        DOCUMENT.write_text(page(results, versions, _commits(results) or [versions[OURS]]))
        _tell(f"wrote {DOCUMENT}")
    doubles = [r for r in results if r.program == OURS and max(r.double_ms_observer, r.double_ms_kernel) > 0]
    for result in doubles:
        print(f"TWO OWNERS: {result.name}")
    return 1 if doubles else 0


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--for", dest="seconds", type=seconds, default=3600.0, metavar="60m", help="how long to play"
    )
    parser.add_argument("--runs", type=int, default=5, help="of each cell at matched timing (%(default)s)")
    parser.add_argument("--runs-default", type=int, default=3, help="at the program's default (%(default)s)")
    parser.add_argument("--program", action="append", choices=PROGRAMS, help="only this one; may be repeated")
    parser.add_argument(
        "--timing", action="append", choices=TIMING_ORDER, help="only this one; may be repeated"
    )
    parser.add_argument("--fault", action="append", choices=list(ROWS), help="only this one; may be repeated")
    parser.add_argument(
        "--also", action="append", default=[], metavar="COMMIT", help="count ours of this commit too"
    )
    parser.add_argument(
        "--idle", type=float, default=30, metavar="PERCENT",
        help="runs on a machine that was less idle do not count and are played again (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--retry", action="store_true", help="play again what could not be played before")
    parser.add_argument("--page", action="store_true", help="play nothing, only write the page")
    parser.add_argument("--no-page", action="store_true", help="do not write the page")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the runs are kept (%(default)s)")
    return parser


def seconds(text: str) -> float:
    """``90s``, ``60m``, ``2h`` in seconds."""
    found = re.fullmatch(r"(\d+)([smh])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90s, 60m or 2h")
    return float(found[1]) * _SECONDS[found[2]]


def _is_chosen(cell: Cell, options: argparse.Namespace) -> bool:
    only = ((options.program, cell.program), (options.timing, cell.timing), (options.fault, cell.row))
    return all(wanted is None or value in wanted for wanted, value in only)


def _lacks_programs(chosen: Sequence[Cell]) -> bool:
    programs = {cell.program for cell in chosen} - {OURS}
    return any(debian_version(program) == NOT_INSTALLED for program in programs)


def _play_for(
    options: argparse.Namespace,
    wanted: Wanted,
    chosen: list[Cell],
    results: Results,
    versions: dict[str, str],
) -> None:
    """One block after the other; another process with another lab plays other blocks meanwhile."""
    # Ended from outside, the lab is still taken down, also where a shell made us deaf to Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    if options.retry:
        _forget_failures(results)
    if Lab().is_up():
        raise HaMonitorError(
            f"lab {Lab().name} is up: take it down (ha-monitor lab down), or name another one"
        )
    deadline = time.monotonic() + options.seconds
    took = {cell: [run.took_s for run in runs] for cell, runs in results.by_cell().items()}

    def has_time_for(cell: Cell) -> bool:
        return time.monotonic() + guessed_s(cell, took.get(cell, ())) < deadline

    context = Context(versions, versions[OURS], _tell, has_time_for)
    _tell(_left(results, wanted, chosen))
    tried: set[Block] = set()
    while time.monotonic() + _START_S < deadline:
        missing = [block for block in blocks(wanted, chosen, results.numbers()) if block not in tried]
        with _first_free(missing, options.results) as block:
            if block is None:
                break
            tried.add(block)
            for result in play_block(Lab().name, block, context):
                results.write(result)
    _tell(_left(results, wanted, chosen))


@contextlib.contextmanager
def _first_free(missing: Sequence[Block], directory: Path) -> Iterator[Block | None]:
    """The first block that no other process plays at this moment."""
    directory.mkdir(parents=True, exist_ok=True)
    for block in missing:
        path = directory / f"{block.program}-{block.timing}.lock"
        lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        try:
            yield block
        finally:
            os.close(lock)
        return
    yield None


def _left(results: Results, wanted: Wanted, chosen: list[Cell]) -> str:
    took = {cell: [run.took_s for run in runs] for cell, runs in results.by_cell().items()}
    numbers = results.numbers()
    missing = sum(wanted.of(cell) - len(numbers.get(cell, ())) for cell in chosen)
    left_s = remaining_s(wanted, chosen, numbers, took)
    return f"{missing} runs are missing, about {left_s / 60:.0f} minutes of play without the starts"


def _forget_failures(results: Results) -> None:
    for result in list(results):
        if result.error:
            (results.directory / result.name).unlink()


def _commits(results: Results) -> list[str]:
    return sorted({result.version for result in results if result.program == OURS})


def daemon_commit() -> str:
    """The last commit that changed the daemon, with a mark when files of it are not committed.

    Our version where this is no checkout of git.
    """
    paths = [f"ha_monitor/{part}" for part in _DAEMON]
    commit = _git("log", "-1", "--format=%h", "--", *paths)
    if not commit:
        return __version__
    return commit + ("-changed" if _git("status", "--porcelain", "--", *paths) else "")


def debian_version(program: str) -> str:
    """The version of the installed package of this name."""
    query = ["dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", program]
    told = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
    return told[0] if told[1:] == ["installed"] else NOT_INSTALLED


def _git(*words: str) -> str:
    with contextlib.suppress(FileNotFoundError):
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()
    return ""


def _tell(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
