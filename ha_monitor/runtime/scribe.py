"""The guard's thread that waits for slow things: log lines to standard error, memory to disk.

Both can block for seconds (a full pipe, a dying disk), and neither guard nor core may. The queue is bounded;
what does not fit is counted, and the count is told with the next line that gets through.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
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
    """Takes lines and memory at once, writes them in order when it can."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._queue: queue.Queue[tuple[str, str] | Memory | None] = queue.Queue(LINES_MAX)
        self._is_journal = goes_to_journal()
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)
        before = threading.stack_size(STACK_BYTES)  # the guard's memory is locked, this stack too
        self._thread.start()
        threading.stack_size(before)

    def log(self, level: str, line: str) -> None:
        """Have a line written."""
        self._put((level, line))

    def remember(self, memory: Memory) -> None:
        """Have the memory written; a later one replaces it."""
        self._put(memory)

    def close(self, timeout_s: float) -> None:
        """Write what is queued, for at most ``timeout_s``."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=timeout_s)
        self._thread.join(timeout_s)

    def _put(self, thing: tuple[str, str] | Memory) -> None:
        try:
            self._queue.put_nowait(thing)
        except queue.Full:
            self.dropped += 1

    def _run(self) -> None:
        while (thing := self._queue.get()) is not None:
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
