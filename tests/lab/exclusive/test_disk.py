"""The shared disk of the lab: what a power cut leaves of it."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from ha_monitor.lab.exclusive.disk import MOUNT_POINT, SharedDisk, remove_disk
from ha_monitor.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

CUTS = 6
NOTES = "/run/acknowledged"  # in memory: survives the cut of the disk
APPEND_FOR_EVER = f"""
import os, sys
records = os.open("{MOUNT_POINT}/" + sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.fsync(os.open("{MOUNT_POINT}", os.O_RDONLY))
notes = os.open("{NOTES}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
while True:
    os.write(records, b"x")
    os.fsync(records)
    os.write(notes, b"x")
"""


@pytest.fixture(scope="module")
def disk():
    if os.geteuid() != 0 or any(
        shutil.which(p, path="/usr/sbin:/sbin") is None for p in ("nft", "mkfs.ext4")
    ):
        pytest.skip("needs root, nftables and e2fsprogs")
    lab = Lab(f"d{os.getpid() % 100_000}")
    with lab.session():
        made = SharedDisk(lab, "ext4")
        made.make()
        yield lab, made
        lab.down()
        remove_disk(lab)


def wait_until(is_so, what):
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def is_still(process):
    """Stopped; one that waits for the disk stops as soon as its call returns."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_no_record_is_acknowledged_that_a_power_cut_loses(disk):
    lab, shared = disk
    host = lab.host("pub2")
    for cut in range(CUTS):
        host.exec(["/bin/sh", "-c", f"mkdir -p {MOUNT_POINT} && {shared.mount_line('pub2')}"])
        host.spawn([sys.executable, "-S", "-c", APPEND_FOR_EVER, f"records-{cut}"])
        notes = host.path(NOTES)
        wait_until(lambda notes=notes: notes.exists() and notes.stat().st_size > 10, "nothing is written")
        shared.cut_off("pub2")
        wait_until(lambda: all(map(is_still, host.processes())), "a process without power goes on")
        acknowledged = notes.stat().st_size
        host.power_off()
        with shared.opened() as place:
            kept = (place / f"records-{cut}").stat().st_size
        assert kept >= acknowledged
        host.power_on()
