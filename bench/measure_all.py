"""Plays every fault in the lab several times and writes the table of docs/measurements.md.

    .venv/bin/python bench/measure_all.py --runs 5

Each finished case is a file below --results, so a run that was cut short goes on where it stopped;
--fresh begins anew. Needs root; takes about half an hour for five runs of everything.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "measurements.md"


@dataclass(frozen=True)
class Case:
    """One row: what is played, and the median outage that the promise allows in ms."""

    title: str
    fault: tuple[str, ...]  # as on the command line after --fault
    timing: str = "lan"
    outage_max_ms: float | None = None


CASES = (
    Case("power-off of the Owner", ("power-off",), outage_max_ms=1150),
    Case("power-off of the Owner", ("power-off",), "fast", 650),
    Case("kill, every process", ("kill",)),
    Case("kill, guard alone", ("kill", "guard")),
    Case("kill, core alone", ("kill", "core")),
    Case("kill, worker alone", ("kill", "worker")),
    Case("kill, publisher alone", ("kill", "publisher")),
    Case("freeze 10 s, every process", ("freeze",)),
    Case("freeze 10 s, guard alone", ("freeze", "guard")),
    Case("freeze 10 s, core alone", ("freeze", "core")),
    Case("freeze 10 s, worker alone", ("freeze", "worker")),
    Case("freeze 10 s, publisher alone", ("freeze", "publisher")),
    Case("unplug the lan Link", ("unplug",)),
    Case("unplug the direct Link", ("unplug", "direct")),
    Case("black hole on the lan Link", ("blackhole",)),
    Case("black hole on the direct Link", ("blackhole", "direct")),
    Case("partition, the Witness hears both", ("partition",)),
    Case("partition, Owner cut from both", ("partition", "--witness", "far")),
    Case("20 % loss", ("lose",)),
    Case("one-way Link", ("one-way",)),
    Case("crash of the web server", ("service-crash",)),
    Case("monitoring server down", ("monitoring-down",), outage_max_ms=20),
    Case("Witness down", ("witness-down",), outage_max_ms=20),
    Case("planned Switchover", ("switch",), outage_max_ms=60),
    Case("clean stop of the Owner's daemon", ("stop",), outage_max_ms=150),
)
HEAD = (
    "| fault | timing | runs | outage, median [min..max] | double, observer (max) | double, kernel (max)"
    " | after healing, max | probe stalled, max |\n|---|---|---|---|---|---|---|---|"
)

PAGE = """\
# Measurements

Outage and double ownership as seen from outside, in milliseconds: the *observer* is a client that sends
one small packet per millisecond to the service address; the *kernel* column comes from a host that asks
both Nodes' kernels for the address, by ARP and ICMP, every 5 ms on every Link. Neither trusts the daemon.
A gap below 20 ms means that none was seen: the probe itself stalls that long now and then (last column),
and its own stalls are taken out of the gaps. *After healing* is the longest gap in the 10 s and more after
the fault was over.

Machine: Linux {kernel}, 2 cores, virtual. The command that repeats it, with root on a quiet machine:

    .venv/bin/python bench/measure_all.py --runs {runs} --fresh

{head}
{rows}
"""


def play(case: Case, runs: int, results: Path) -> dict[str, Any]:
    """Return the case's measurement, from its file or by playing it."""
    file = results / f"{case.timing}-{'-'.join(case.fault).replace('---', '-')}.json"
    if file.exists():
        measured: dict[str, Any] = json.loads(file.read_text())
        if measured["runs"] >= runs:
            return measured
    program = Path(sys.executable).parent / "ha-monitor"
    argv = [str(program), "lab", "measure", "--fault", *case.fault]
    argv += ["--timing", case.timing, "--runs", str(runs), "--json"]
    print(f"{case.timing}: {' '.join(case.fault)} x {runs}", flush=True)
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with exit {done.returncode}")
    measured = json.loads(done.stdout.splitlines()[-1])
    file.write_text(json.dumps(measured))
    return measured


def row(case: Case, measured: dict[str, Any]) -> str:
    """The case's line of the table, all lengths in ms."""
    outage = measured["outage_ms"]
    middle = f"{statistics.median(outage):.0f} [{min(outage):.0f}..{max(outage):.0f}]"
    after = measured["after_heal_outage_ms"]
    cells = (
        case.title,
        case.timing,
        measured["runs"],
        middle,
        f"{max(measured['double_ms_observer']):.0f}",
        f"{max(measured['double_ms_kernel']):.0f}",
        f"{max(after):.0f}" if after else "-",
        f"{max(measured['probe_stalled_ms']):.0f}",
    )
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def broken(case: Case, measured: dict[str, Any]) -> list[str]:
    """What of the promise this measurement does not keep."""
    found = []
    name = f"{case.title} ({case.timing})"
    if max(measured["double_ms_observer"] + measured["double_ms_kernel"]) > 0:
        found.append(f"{name}: two Owners")
    if case.outage_max_ms is not None and statistics.median(measured["outage_ms"]) > case.outage_max_ms:
        found.append(f"{name}: median outage above {case.outage_max_ms:.0f} ms")
    if max(measured["after_heal_outage_ms"], default=0) > 100:
        found.append(f"{name}: outage after healing above 100 ms")
    return found


def document(rows: Sequence[str], runs: int) -> str:
    """The whole page."""
    kernel = platform.release().split("-")[0]
    return PAGE.format(kernel=kernel, runs=runs, head=HEAD, rows="\n".join(rows))


def main() -> int:
    """Play what is missing, write the table, and end with 1 if the promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--results", type=Path, default=Path("/var/cache/ha-monitor-lab/measurements"))
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--only", help="cases whose title holds this text")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        for file in options.results.glob("*.json"):
            file.unlink()
    chosen = [case for case in CASES if not options.only or options.only in case.title]
    played = [(case, play(case, options.runs, options.results)) for case in chosen]
    table = [row(case, measured) for case, measured in played]
    if not options.only:
        DOCUMENT.write_text(document(table, options.runs))
    print(HEAD, *table, sep="\n")
    problems = [problem for case, measured in played for problem in broken(case, measured)]
    print(*problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
