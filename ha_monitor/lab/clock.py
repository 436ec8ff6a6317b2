"""A wall clock of its own for the daemon's processes of one lab host, which can be stepped.

Linux has no namespace for CLOCK_REALTIME, and the machine's clock is never touched: see clock.c for
what is moved and what is not. Needs a C compiler, once for each lab.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

from ha_monitor.errors import PrerequisiteError
from ha_monitor.lab.problems import LabError

# A directory of the host that it keeps without power, and that can be opened then.
FILE = "/etc/ha-monitor/lab-clock/offset"
LIBRARY = "/etc/ha-monitor/lab-clock/clock.so"
_SHARED = struct.Struct("=qqq")
_RACE_NS = 50_000_000  # between the step and the note of it, and between reading a clock and telling


def environment() -> list[str]:
    """What ``env`` has to set for a program to live by the host's own wall clock."""
    return [f"LD_PRELOAD={LIBRARY}", f"HA_LAB_CLOCK={FILE}"]


def build(library: Path) -> None:
    """Compile the library. Raises PrerequisiteError without a compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise PrerequisiteError(
            "gcc is not installed: apt-get install gcc libc6-dev (for faults of the clock)"
        )
    source = Path(__file__).with_name("clock.c")
    argv = [compiler, "-O2", "-fPIC", "-shared", "-o", str(library), str(source), "-ldl"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise LabError(f"{source}: cannot be compiled: {done.stderr.strip()}")


def prepare(file: Path) -> None:
    """Make the host's offset: none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_SHARED.pack(0, 0, 0))
    file.chmod(0o644)
    _history(file).write_text("0 0\n")


def step(file: Path, offset_ns: int) -> None:
    """From now on the host's wall clock differs from the true one by so much."""
    before_ns = offset(file)
    with open(file, "r+b") as shared, open(_history(file), "a") as history:
        os.pwrite(shared.fileno(), _SHARED.pack(before_ns, offset_ns, time.time_ns()), 0)
        history.write(f"{time.monotonic_ns()} {offset_ns}\n")


def offset(file: Path) -> int:
    """By how much the host's wall clock differs now, in ns."""
    return int(_SHARED.unpack(file.read_bytes())[1])


def history(file: Path) -> list[tuple[int, int]]:
    """Since when (monotonic ns) the host's clock had which offset (ns), oldest first."""
    rows = [line.split() for line in _history(file).read_text().splitlines()]
    return [(int(since), int(offset_ns)) for since, offset_ns in rows]


def monotonic_ns(wall_ns: int, steps: list[tuple[int, int]], not_after_ns: int) -> int:
    """When the host's wall clock showed this, on the machine's monotonic clock.

    A clock that was set back shows some times twice: the later one that can be meant is taken.
    """
    to_monotonic_ns = time.monotonic_ns() - time.time_ns()
    ends = [*(since for since, _ in steps[1:]), not_after_ns]
    shown = [
        (wall_ns - offset_ns + to_monotonic_ns, since, end)
        for (since, offset_ns), end in zip(steps, ends, strict=True)
    ]
    fitting = [at for at, since, end in shown if since - _RACE_NS <= at <= end + _RACE_NS]
    return max(fitting, default=not_after_ns)


def _history(file: Path) -> Path:
    return file.with_name("history")
