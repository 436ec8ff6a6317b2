"""Lines that hang, flood or leave a daemon: real processes."""

import asyncio
import os
import signal
import time

import pytest

from ha_monitor.agents.command import shell
from ha_monitor.agents.programs import OUTPUT_MAX, FileOutput, PipeOutput, exit_of, run_line
from ha_monitor.timebase import MS, SECOND
from tests.agents.processes import is_alive, pid_in, wait_gone


def run(line, timeout_ns=10 * SECOND, output=None, environment=()):
    return asyncio.run(run_line(shell(line), dict(environment), timeout_ns, output or PipeOutput()))


def test_exit_code_and_output_of_both_streams_come_back():
    ended = run("echo out; echo err >&2; exit 7")
    assert (ended.code, ended.output) == (7, "out\nerr\n")


def test_environment_is_added_to_our_own():
    ended = run('echo "$HA_MONITOR_GROUP $PATH"', environment={"HA_MONITOR_GROUP": "www"})
    assert ended.output == f"www {os.environ['PATH']}\n"


def test_line_that_takes_too_long_is_ended_together_with_its_children(tmp_path):
    began = time.monotonic()
    ended = run(f"sleep 60 & echo $! > {tmp_path}/pid; wait", timeout_ns=100 * MS)
    assert ended.code is None
    assert time.monotonic() - began < 20
    assert wait_gone(pid_in(tmp_path / "pid"))


def test_line_that_ignores_sigterm_is_killed(tmp_path):
    ended = run(f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done", timeout_ns=100 * MS)
    assert ended.code is None
    assert not is_alive(pid_in(tmp_path / "pid"))


def test_endless_output_neither_blocks_nor_fills_memory():
    ended = run("yes | head -c 20000000; exit 5")
    assert ended.code == 5
    assert len(ended.output) == 4096


def test_child_that_keeps_the_pipe_open_does_not_keep_us_waiting(tmp_path):
    began = time.monotonic()
    ended = run(f"sleep 60 & echo $! > {tmp_path}/pid; echo done")
    assert (ended.code, ended.output) == (0, "done\n")
    assert time.monotonic() - began < 20
    os.kill(pid_in(tmp_path / "pid"), signal.SIGKILL)


def test_started_daemon_can_go_on_writing_and_its_file_stays_small(tmp_path):
    output = FileOutput(tmp_path / "web.start")
    line = f"(while :; do echo line; done) & echo $! > {tmp_path}/pid; sleep 1; echo up"
    ended = run(line, output=output)
    daemon = pid_in(tmp_path / "pid")
    try:
        assert ended.code == 0
        time.sleep(0.2)
        written = output.path.stat().st_size
        output.trim()
        assert written > OUTPUT_MAX > output.path.stat().st_size
        assert is_alive(daemon)
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_cancelled_run_leaves_no_process(tmp_path):
    async def cancel_soon():
        line = shell(f"echo $$ > {tmp_path}/pid; sleep 60")
        task = asyncio.create_task(run_line(line, {}, 60 * SECOND, PipeOutput()))
        while not (tmp_path / "pid").exists():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_soon())
    assert wait_gone(pid_in(tmp_path / "pid"))


def test_exit_of_a_missing_process_is_told_at_once():
    with pytest.raises(ProcessLookupError):
        asyncio.run(exit_of(2**22 - 1))
