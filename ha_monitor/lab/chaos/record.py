"""What happened in a chaos run, as a file of JSON lines: for examining a failure, and for counting."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

RECORDS = "*[0-9].jsonl"  # beside them lie the journals of runs that failed


class Record:
    """Appends one line for each happening, with the seconds since the beginning; several threads may."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.Lock()
        self._begun_ns = time.monotonic_ns()

    def note(self, what: str, at_ns: int | None = None, **fields: Any) -> None:
        """Note something that happened now, or at a monotonic time."""
        at_s = round(((at_ns or time.monotonic_ns()) - self._begun_ns) / 1e9, 3)
        line = json.dumps({"at_s": at_s, "what": what, **fields}, ensure_ascii=False)
        with self._lock, open(self.path, "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def since_s(self, at_ns: int) -> float:
        """A monotonic time as the record tells times."""
        return round((at_ns - self._begun_ns) / 1e9, 3)


def rounds(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """The rounds of earlier runs; a line that was cut off by a crash is left out."""
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("what") == "round":
                yield entry


def played(paths: Iterable[Path]) -> Counter[str]:
    """How often each fault was struck alone, in a round that was judged."""
    done: Counter[str] = Counter()
    for entry in rounds(paths):
        if entry["shape"] == "single" and len(entry["struck"]) == 1:
            done[entry["struck"][0]["fault"]] += 1
    return done
