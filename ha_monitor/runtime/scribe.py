"""The guard's thread that waits for slow things: log lines to standard error, memory to disk.

Both can block for seconds (a full pipe, a dying disk), and neither guard nor core may. The queue of lines is
bounded; what does not fit is counted, and the count is told with the next line that gets through. Memory has
a place of its own, for the newest alone: it is never dropped.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from pathlib import Path

from ha_monitor.runtime.memory import Memory, store_memory

LINES_MAX = 1000
STACK_BYTES = 256 * 1024
_PRIORITIES = {"error": 3, "warning": 4, "info": 6}  # syslog.h; systemd reads `<N>` at a line's start


def log_text(level: str, line: str, is_journal: bool) -> str:
    """One line for standard error. Control characters are replaced, so that a line stays a line."""
    clean = "".join(c if c.isprintable() else " " for c in line)
    if is_journal:
        return f"<{_PRIORITIES.get(level, 6)}>{clean}\n"
    return f"ha-monitor: {clean}\n" if level == "info" else f"ha-monitor: {level}: {clean}\n"


def goes_to_journal() -> bool:
    """Whether systemd says that our standard error is the journal."""
    return "JOURNAL_STREAM" in os.environ


class Scribe:
    """Takes lines and memory at once, writes them when it can: the memory first, the lines in order."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._news = threading.Condition()
        self._lines: deque[tuple[str, str]] = deque()
        self._memory: Memory | None = None
        self._is_ending = False
        self._is_journal = goes_to_journal()
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)
        before = threading.stack_size(STACK_BYTES)  # the guard's memory is locked, this stack too
        self._thread.start()
        threading.stack_size(before)

    def log(self, level: str, line: str) -> None:
        """Have a line written."""
        with self._news:
            if len(self._lines) < LINES_MAX:
                self._lines.append((level, line))
                self._news.notify()
            else:
                self.dropped += 1

    def remember(self, memory: Memory) -> None:
        """Have the memory written; a later one replaces it."""
        with self._news:
            self._memory = memory
            self._news.notify()

    def close(self, timeout_s: float) -> None:
        """Write what waits, for at most ``timeout_s``."""
        with self._news:
            self._is_ending = True
            self._news.notify()
        self._thread.join(timeout_s)

    def _next(self) -> tuple[str, str] | Memory | None:
        """What to write now; None at the end, when nothing waits any more."""
        with self._news:
            self._news.wait_for(lambda: self._memory or self._lines or self._is_ending)
            if self._memory is not None:
                memory, self._memory = self._memory, None
                return memory
            return self._lines.popleft() if self._lines else None

    def _run(self) -> None:
        while (thing := self._next()) is not None:
            if isinstance(thing, Memory):
                self._store(thing)
            else:
                self._write(*thing)

    def _write(self, level: str, line: str) -> None:
        lost, self.dropped = self.dropped, 0
        note = f" ({lost} lines before this one were lost)" if lost else ""
        with contextlib.suppress(OSError):
            os.write(2, log_text(level, line + note, self._is_journal).encode(errors="replace"))

    def _store(self, memory: Memory) -> None:
        try:
            store_memory(self._directory, memory)
        except OSError as error:
            self._write("error", f"{self._directory}: cannot remember epochs and maintenance: {error}")
