"""The cgroup of an exclusive group, on this machine's own kernel."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from ha_monitor.agents.command import inside
from ha_monitor.runtime.cgroup import Cgroup, Hierarchy, directory_of, find_hierarchy, hierarchy

V2 = "34 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate"
V1 = "44 24 0:33 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids"
OTHER = "43 24 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"
DISK = r"22 1 254:0 / /mnt/a\040b rw - ext4 /dev/vda rw"


def v1_place():
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        found = find_hierarchy(line)
        if found and found.version == 1:
            return found
    return None


@pytest.fixture(params=[1, 2])
def cgroup(request):
    place = v1_place() if request.param == 1 else hierarchy()
    if os.geteuid() or place is None or place.version != request.param:
        pytest.skip(f"needs root and cgroups of version {request.param}")
    made = Cgroup(directory_of(place, f"test{os.getpid()}", "san"))
    yield made
    made.kill()
    wait_for(made.remove)
    if made.directory.parent.exists():
        made.directory.parent.rmdir()


def wait_for(what):
    bound = time.monotonic() + 20
    while not what():
        assert time.monotonic() < bound
        time.sleep(0.01)


def test_version_2_is_preferred_and_version_1_needs_the_controller_that_stops_forks():
    assert find_hierarchy("\n".join((DISK, OTHER, V1, V2))) == Hierarchy(Path("/sys/fs/cgroup"), 2)
    assert find_hierarchy("\n".join((DISK, OTHER, V1))) == Hierarchy(Path("/sys/fs/cgroup/pids"), 1)
    assert find_hierarchy("\n".join((DISK, OTHER))) is None


def test_everything_that_a_line_began_is_killed_also_what_left_its_session(cgroup):
    cgroup.make()
    line = "setsid sleep 600 & (setsid sleep 600 &) ; sleep 600"
    process = subprocess.Popen(inside(str(cgroup.directory), ["/bin/sh", "-c", line]))
    wait_for(lambda: len(cgroup.pids()) >= 4)
    assert not cgroup.remove()
    cgroup.kill()
    process.wait(20)
    wait_for(cgroup.remove)
    assert cgroup.pids() == []


def test_one_that_was_killed_and_not_removed_lets_its_processes_fork_again_once_it_is_made(cgroup):
    cgroup.make()
    cgroup.kill()
    cgroup.make()
    subprocess.run(inside(str(cgroup.directory), ["/bin/sh", "-c", "(true); true"]), check=True)


def test_a_line_that_comes_too_late_does_not_begin(cgroup, tmp_path):
    cgroup.make()
    assert cgroup.remove()
    argv = inside(str(cgroup.directory), ["/bin/touch", str(tmp_path / "ran")])
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert str(cgroup.directory) in done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_line_held_up_with_the_file_already_open_cannot_enter_either(cgroup):
    cgroup.make()
    held = os.open(cgroup.directory / "cgroup.procs", os.O_WRONLY)
    try:
        assert cgroup.remove()
        with pytest.raises(OSError, match="No such device"):
            os.write(held, b"0")
    finally:
        os.close(held)


def test_a_removed_cgroup_is_removed_and_has_nobody_to_kill(cgroup):
    cgroup.kill()
    assert cgroup.remove()
    assert cgroup.pids() == []


def test_cgroups_that_were_made_inside_go_too(cgroup):
    cgroup.make()
    (cgroup.directory / "inner" / "most").mkdir(parents=True)
    process = subprocess.Popen(inside(str(cgroup.directory / "inner" / "most"), ["/bin/sleep", "600"]))
    wait_for(cgroup.pids)
    cgroup.kill()
    process.wait(20)
    wait_for(cgroup.remove)
