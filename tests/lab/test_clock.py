"""A wall clock of one host that can be stepped, while the machine's own goes on."""

import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

from ha_monitor.lab import clock

S = 1_000_000_000
TELL = "import time; print(time.time_ns(), time.clock_gettime_ns(time.CLOCK_MONOTONIC), int(time.time()))"
STAMPED = """
import socket, struct, time
sock = socket.socket(fileno=0)
_, extra, _, _ = sock.recvmsg(64, 64)
seconds, nanoseconds = struct.unpack("qq", extra[0][2])
print(time.time_ns() - seconds * 10**9 - nanoseconds)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    if shutil.which("gcc") is None:
        pytest.skip("needs a C compiler")
    path = tmp_path_factory.mktemp("clock") / "clock.so"
    clock.build(path)
    return path


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "own" / "offset"
    clock.prepare(path)
    return path


def told(library, file, code=TELL, **options):
    env = {**os.environ, "LD_PRELOAD": str(library), "HA_LAB_CLOCK": str(file)}
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True, **options)
    return [int(word) for word in done.stdout.split()]


def test_a_step_moves_the_wall_clock_and_nothing_else(library, file):
    before_s, before_ns = time.time(), time.monotonic_ns()
    clock.step(file, -3600 * S)
    wall_ns, monotonic_ns, seconds = told(library, file)
    late_s = time.time() - before_s
    assert -3600 <= wall_ns / S - before_s <= -3600 + late_s + 0.1
    assert abs(seconds - wall_ns // S) <= 1
    assert before_ns <= monotonic_ns <= time.monotonic_ns()


def test_without_a_step_it_is_the_machine_s_clock(library, file):
    assert 0 <= told(library, file)[0] / S <= time.time()
    assert abs(told(library, file)[0] / S - time.time()) < 60


def test_the_kernel_s_stamps_on_packets_are_moved_as_well(library, file):
    clock.step(file, 60 * S)
    receiver, sender = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with receiver, sender:
        receiver.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        receiver.bind(("127.0.0.1", 0))
        sender.sendto(b"x", receiver.getsockname())
        (age_ns,) = told(library, file, STAMPED, stdin=receiver)
    assert 0 <= age_ns < 50 * S


def test_a_time_of_the_stepped_clock_is_found_on_the_monotonic_one(file):
    to_wall_ns = time.time_ns() - time.monotonic_ns()
    steps = [(0, 0), (100 * S, -3600 * S), (200 * S, 0)]
    for true_ns, offset_ns in ((50 * S, 0), (150 * S, -3600 * S), (250 * S, 0)):
        found = clock.monotonic_ns(true_ns + to_wall_ns + offset_ns, steps, 300 * S)
        assert abs(found - true_ns) < S


def test_steps_are_remembered(file):
    clock.step(file, 5 * S)
    clock.step(file, 0)
    assert [offset_ns for _, offset_ns in clock.history(file)] == [0, 5 * S, 0]
    assert clock.offset(file) == 0
