"""A short instance of `ha-monitor lab exclusive`: real takeovers of a real file system, under real faults."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ha_monitor.lab.exclusive.cluster import ExclusiveCluster, cgroup_root, remove_exclusive
from ha_monitor.lab.exclusive.control import control
from ha_monitor.lab.exclusive.disk import IMAGE_DIRECTORY
from ha_monitor.lab.exclusive.series import Results, Series, totals
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.switch import run

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

EXT4 = ("switch", "kill", "partition-far", "stop", "busy-and-cut-off", "freeze")
XFS = ("switch", "freeze-guard", "partition-far", "power-off")
TRIES = 3  # a run that could not be played to its end is played again, as the command does


def play(lab, kind, names, directory):
    results, lines = Results(directory), []
    for _ in range(TRIES):
        if results.missing(len(names)):
            Series(kind, len(names), results, lines.append, names=names).play([lab])
    assert results.missing(len(names)) == [], "\n".join(lines)
    return results.all()


@pytest.fixture(scope="module")
def labs():
    if os.geteuid() != 0 or any(
        shutil.which(p, path="/usr/sbin:/sbin") is None for p in ("nft", "xfs_repair")
    ):
        pytest.skip("needs root, nftables and xfsprogs")
    made = [Lab(f"x{os.getpid() % 100_000}{letter}") for letter in "abc"]
    yield made
    for lab in made:
        remove_exclusive(lab)
        lab.down()


@pytest.fixture(scope="module")
def played(labs, tmp_path_factory):
    """All three at once: most of the time is spent waiting."""
    place = tmp_path_factory.mktemp("runs")
    with ThreadPoolExecutor(3) as pool:
        ext4 = pool.submit(play, labs[0], "ext4", EXT4, place / "ext4")
        xfs = pool.submit(play, labs[1], "xfs", XFS, place / "xfs")
        damage = pool.submit(
            lambda: {k: control(ExclusiveCluster(labs[2], k, is_exclusive=False)) for k in ("ext4", "xfs")}
        )
        return {"ext4": ext4.result(), "xfs": xfs.result(), "control": damage.result(), "place": place}


@pytest.mark.parametrize(("kind", "runs"), [("ext4", len(EXT4)), ("xfs", len(XFS))])
def test_every_takeover_finds_a_whole_file_system_with_every_acknowledged_record(played, kind, runs):
    sums = totals(played[kind])
    assert sums == {
        "takeovers": sums["takeovers"],
        "double_mounts": 0,
        "lost_writes": 0,
        "dirty_checks": 0,
    }, [r for r in played[kind] if r.detail]
    assert sums["takeovers"] >= runs
    assert all(r.acknowledged > 0 for r in played[kind] if not r.error)


def test_what_no_stop_line_can_end_is_ended_by_the_watchdog(played):
    by_fault = {r.fault: r for r in (*played["ext4"], *played["xfs"]) if not r.error}
    for fault in ("kill", "freeze", "busy-and-cut-off", "freeze-guard"):
        assert by_fault[fault].resets >= 1, fault


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_without_the_guard_two_mounts_damage_the_disk_and_the_checks_see_it(played, kind):
    damage = played["control"][kind]
    assert damage.double_mounts >= 1
    assert damage.lost_writes > 0
    assert damage.dirty_checks == 1, damage.detail


def test_each_result_is_a_file_and_what_is_there_is_not_played_again(played, labs):
    results = Results(played["place"] / "ext4")
    series = Series("ext4", len(EXT4), results, pytest.fail, names=EXT4)
    series.play([labs[0]])  # it would bring a lab up for anything that is missing
    (first,) = (played["place"] / "ext4").glob("run-0001.json")
    assert json.loads(first.read_text())["fault"] == "switch"


def test_nothing_is_left_on_the_machine(played, labs):
    for lab in labs:
        assert list(IMAGE_DIRECTORY.glob(f"ha-monitor-lab-{lab.name}*")) == []
        assert not (cgroup_root() / f"ha-monitor-lab-{lab.name}").exists()
        assert f"ha-monitor-lab-{lab.name}-" not in run(["losetup", "--list"])
        assert f"/{lab.name}/" not in Path("/proc/self/mounts").read_text()
