"""The guard's thread for what can block: which of the things that it was given are lost, and which never."""

import os
import threading

import pytest

from ha_monitor.runtime.memory import Memory, load_memory
from ha_monitor.runtime.scribe import LINES_MAX, Scribe

WAIT_S = 30.0


class Pipe:
    """Standard error, which takes nothing until it is ``opened``."""

    def __init__(self):
        self.opened, self.is_waited_for, self.lines = threading.Event(), threading.Event(), []
        self._write = os.write

    def write(self, fd, text):
        if fd != 2:
            return self._write(fd, text)
        self.is_waited_for.set()
        assert self.opened.wait(WAIT_S)
        self.lines.append(text.decode())
        return len(text)


@pytest.fixture
def pipe(monkeypatch):
    pipe = Pipe()
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    monkeypatch.setattr(os, "write", pipe.write)
    yield pipe
    pipe.opened.set()


@pytest.fixture
def full(pipe, tmp_path):
    """A scribe that hangs at its first line and takes no further one."""
    scribe = Scribe(tmp_path)
    scribe.log("info", "line 0")
    assert pipe.is_waited_for.wait(WAIT_S)
    for number in range(1, LINES_MAX + 1):
        scribe.log("info", f"line {number}")
    return scribe


def test_newest_memory_is_written_though_no_line_would_fit_any_more(full, pipe, tmp_path):
    full.remember(Memory(counter=7))
    full.remember(Memory(counter=7, is_standby=True))
    pipe.opened.set()
    full.close(WAIT_S)
    assert load_memory(tmp_path) == (Memory(counter=7, is_standby=True), True)


def test_lines_that_did_not_fit_are_counted_and_told(full, pipe):
    for _ in range(2):
        full.log("error", "one more")
    pipe.opened.set()
    full.close(WAIT_S)
    assert len(pipe.lines) == LINES_MAX + 1
    assert [line for line in pipe.lines if "lost" in line] == [
        "ha-monitor: line 1 (2 lines before this one were lost)\n"
    ]


def test_memory_takes_no_room_from_the_lines(pipe, tmp_path):
    scribe = Scribe(tmp_path)
    for number in range(LINES_MAX):
        scribe.remember(Memory(counter=number))
        scribe.log("info", "a line")
    assert scribe.dropped == 0
    pipe.opened.set()
    scribe.close(WAIT_S)
    assert len(pipe.lines) == LINES_MAX
    assert load_memory(tmp_path) == (Memory(counter=LINES_MAX - 1), True)
