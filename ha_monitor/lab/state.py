"""What a lab remembers between processes: one JSON file, changed under a lock.

Process ids are kept with the time at which the process started, so that a number which the
kernel gave to somebody else since is never signalled.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ha_monitor.lab.problems import LabError

_PF_EXITING = 0x4  # in the flags of /proc/PID/stat


@dataclass(frozen=True)
class ProcessId:
    """One process for certain: its number and its start, in clock ticks since boot."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The process that has this number now, or None."""
        fields = _stat(pid)
        return cls(pid, int(fields[19])) if fields else None

    def is_alive(self) -> bool:
        """Whether this very process still runs; one that is ending or waits to be reaped does not.

        Process 1 of a host ends for as long as anybody has not reaped a child inside it.
        """
        fields = _stat(self.pid)
        if fields is None or int(fields[19]) != self.started:
            return False
        return fields[0] not in "ZX" and not int(fields[6]) & _PF_EXITING


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


@dataclass
class Daemon:
    """A program that starts with its host, and the process that it was last."""

    argv: list[str]
    log: str
    process: ProcessId | None = None

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Daemon:
        """Read back what ``asdict`` gave."""
        process = ProcessId(**raw["process"]) if raw["process"] else None
        return cls(raw["argv"], raw["log"], process)


@dataclass
class LabState:
    """Everything that another process must know to go on with a lab."""

    inits: dict[str, ProcessId] = field(default_factory=dict)
    binds: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)
    daemons: dict[str, dict[str, Daemon]] = field(default_factory=dict)  # by host and name
    complete: bool = False
    program: str = ""  # name and timing of the program that stands in ha-monitor's place


class StateFile:
    """The state of one lab on disk; every change is atomic and made under the lock."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "state.json"
        self._lock = directory / "state.lock"

    def read(self) -> LabState:
        """The state now; an empty one when there is none."""
        try:
            raw = json.loads(self.path.read_text())
        except FileNotFoundError:
            return LabState()
        except ValueError as error:
            raise LabError(f"{self.path}: not readable as JSON ({error}); run: ha-monitor lab down") from None
        raw["inits"] = {name: ProcessId(**value) for name, value in raw["inits"].items()}
        raw["binds"] = {name: [(a, b) for a, b in value] for name, value in raw["binds"].items()}
        raw["daemons"] = {
            host: {name: Daemon.from_json(value) for name, value in known.items()}
            for host, known in raw["daemons"].items()
        }
        return LabState(**raw)

    @contextlib.contextmanager
    def change(self) -> Iterator[LabState]:
        """Change the state inside the block; it is written when the block ends well."""
        with open(self._lock, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.read()
            yield state
            new = self.path.with_suffix(".new")
            new.write_text(json.dumps(asdict(state)))
            os.replace(new, self.path)
