"""Runs Spin on lease.pml: an exhaustive search, the trail to a violation, or a random simulation."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

MODEL = Path(__file__).with_name("lease.pml")
MEMORY_MB = 5500
DEPTH_MAX = 100_000
_LIMIT_S = 1200  # a bound for a busy machine; a quiet one needs about a minute for the longest


@dataclass(frozen=True)
class Search:
    """What a search found. ``is_complete``: every state within the bounds was visited."""

    states: int
    errors: int
    is_complete: bool
    where: Path


def search(where: Path, *defines: str, compiler: tuple[str, ...] = ("-O2",)) -> Search:
    """Search every state; ends at the first violation, whose trail lies in ``where``."""
    # The trail is written and read where the model lies.
    (where / MODEL.name).write_bytes(MODEL.read_bytes())
    flags = [f"-D{define}" for define in defines]
    _run(where, "spin", "-a", *flags, MODEL.name)
    options = ["-DSAFETY", "-DNOREDUCE", "-DNOBOUNDCHECK", f"-DMEMLIM={MEMORY_MB}", *compiler]
    _run(where, "gcc", "-w", *options, "-o", "pan", "pan.c")
    told = _run(where, "./pan", "-E", f"-m{DEPTH_MAX}", "-w25")
    states = re.search(r"^\s*([\d.e+]+) states, stored", told, re.MULTILINE)
    errors = re.search(r"errors: (\d+)", told)
    assert states is not None, told
    assert errors is not None, told
    is_complete = "not completed" not in told and "max search depth too small" not in told
    return Search(int(float(states[1])), int(errors[1]), is_complete, where)


def trail(found: Search, *defines: str) -> list[str]:
    """What the model says on the way to the violation."""
    flags = [f"-D{define}" for define in defines]
    return _lines(_run(found.where, "spin", "-t", *flags, MODEL.name))


def simulation(where: Path, seed: int, steps: int, *defines: str) -> list[str]:
    """What the model says on a random way."""
    flags = [f"-D{define}" for define in defines]
    return _lines(_run(where, "spin", f"-n{seed}", f"-u{steps}", *flags, str(MODEL)))


def _lines(told: str) -> list[str]:
    """Everything that the model prints begins with a word in capitals and says who."""
    lines = [line.strip() for line in told.splitlines()]
    return [line for line in lines if re.match(r"[A-Z_]+ (voter|node) \d", line)]


def _run(where: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    assert done.returncode == 0 or "assertion violated" in done.stdout, done.stdout + done.stderr
    return done.stdout
