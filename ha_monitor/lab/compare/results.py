"""Each run in a file of its own, so that a comparison goes on where it was cut short."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ha_monitor.lab.compare.cells import OURS, Cell
from ha_monitor.lab.problems import LabError


@dataclass(frozen=True)
class Result:
    """One run: what was played, when, and what the observers saw. Lengths in milliseconds."""

    program: str
    version: str  # Debian's version, or the commit of our daemon
    timing: str
    row: str
    number: int
    commit: str  # of our daemon, also beside the others: the lab and the observers are ours
    at: str = ""  # when it was played, UTC
    took_s: float = 0.0
    idle_percent: float = 0.0  # of the machine during the run
    outage_ms: float = 0.0
    missed_ms: float = 0.0  # all gaps of the run together
    double_ms_observer: float = 0.0
    double_ms_kernel: float = 0.0
    after_heal_outage_ms: float = 0.0
    moves: int = 0
    recovered: bool = True  # answered again by the end of the watch
    rested: bool = True  # by itself, after the watch
    rest_reason: str = ""
    probe_stalled_ms: float = 0.0
    held_s: float = 0.0
    error: str = ""  # why the run could not be played

    @property
    def cell(self) -> Cell:
        """Where it belongs."""
        return Cell(self.program, self.timing, self.row)

    @property
    def name(self) -> str:
        """The file's name: what makes this run this one."""
        version = self.version.replace("/", "_").replace(":", "_")
        return f"{self.program}-{version}-{self.timing}-{self.row}-{self.number}.json"


class Results:
    """The files of one directory; only those of the versions that are compared now count.

    Nor do runs on a machine that was busy with something else (``idle_min`` percent): they are played
    again, and the new one takes the old one's file.
    """

    def __init__(
        self, directory: Path, versions: Mapping[str, str],
        also_ours: tuple[str, ...] = (), idle_min: float = 0.0,
    ) -> None:  # fmt: skip
        self.directory = directory
        self._idle_min = idle_min
        self._versions = {program: {version} for program, version in versions.items()}
        self._versions.setdefault(OURS, set()).update(also_ours)

    def write(self, result: Result) -> Path:
        """Keep one run; a file is there whole or not at all."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / result.name
        new = path.with_suffix(f".{os.getpid()}.new")
        new.write_text(json.dumps(asdict(result), indent=1) + "\n")
        os.replace(new, path)
        return path

    def __iter__(self) -> Iterator[Result]:
        """All runs that count, in the order of their file names."""
        for path in sorted(self.directory.glob("*.json")):
            result = _read(path)
            is_of_now = result.version in self._versions.get(result.program, set())
            if is_of_now and (result.error or result.idle_percent >= self._idle_min):
                yield result

    def by_cell(self) -> dict[Cell, list[Result]]:
        """The runs of each cell."""
        found: dict[Cell, list[Result]] = {}
        for result in self:
            found.setdefault(result.cell, []).append(result)
        return found

    def numbers(self) -> dict[Cell, set[int]]:
        """The numbers of the runs of each cell that are there."""
        return {cell: {result.number for result in runs} for cell, runs in self.by_cell().items()}


def _read(path: Path) -> Result:
    try:
        return Result(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise LabError(f"{path}: is not a result of this comparison ({error}); delete it") from None
