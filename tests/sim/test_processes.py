"""Work in several processes: in order, bounded, and honest about what goes wrong."""

import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from ha_monitor.sim.processes import in_processes
from tests.agents.processes import wait_gone


def squared(number):
    return number * number, os.getpid()


def end_at_three(number):
    if number == 3:
        os._exit(1)
    return number


def raise_at_three(number):
    if number == 3:
        raise ValueError("three")
    return number


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_the_order_of_the_jobs(processes):
    results = list(in_processes(squared, range(23), processes, 4))
    assert [square for square, _ in results] == [number * number for number in range(23)]
    assert (os.getpid() in {pid for _, pid in results}) == (processes == 1)


def test_endless_work_ends_when_nobody_asks_any_more():
    results = in_processes(squared, itertools.count(), 2)
    assert [square for square, _ in itertools.islice(results, 5)] == [0, 1, 4, 9, 16]
    results.close()


def test_a_lock_that_another_thread_holds_keeps_nobody_waiting():
    release, held = threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            release.wait(60)

    lock = threading.Lock()  # libraries take theirs in a forked child like this
    os.register_at_fork(after_in_child=lambda: lock.acquire(timeout=600) and lock.release())
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        assert len(list(in_processes(squared, range(4), 2))) == 4
    finally:
        release.set()
        holder.join()


def test_what_work_raises_is_raised_here():
    with pytest.raises(ValueError, match="three"):
        list(in_processes(raise_at_three, range(8), 2))


def test_a_process_that_dies_is_an_error_and_no_endless_wait():
    with pytest.raises(BrokenProcessPool):
        list(in_processes(end_at_three, range(8), 2))


def work_for_long(directory):
    (directory / str(os.getpid())).touch()
    time.sleep(600)


@pytest.fixture
def short_directory():
    """For sockets, whose path must be short; the killed parent leaves its own behind."""
    with tempfile.TemporaryDirectory() as directory:
        yield directory


def test_who_is_killed_leaves_no_process_behind(tmp_path, short_directory):
    code = (
        "import pathlib, sys\n"
        "from ha_monitor.sim.processes import in_processes\n"
        "from tests.sim.test_processes import work_for_long\n"
        "list(in_processes(work_for_long, [pathlib.Path(sys.argv[1])] * 2, 2))\n"
    )
    environment = {**os.environ, "TMPDIR": short_directory}
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    parent.kill()
    parent.wait()
    assert len(workers) == 2
    assert all(wait_gone(pid) for pid in workers)
