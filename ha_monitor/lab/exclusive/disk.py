"""A block device that two hosts share: one file, and a loop device for each Node that writes to it directly.

Two loop devices have two caches, as two machines on one SAN have. Mounted on both at the same time, the file
system is damaged as it would be there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ha_monitor.lab.cast import NODES
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.processes import signal_all
from ha_monitor.lab.switch import run

IMAGE_DIRECTORY = Path("/var/tmp")
MOUNT_POINT = "/run/san"  # as a host sees it
FILE_SYSTEMS = ("ext4", "xfs")
_SIZE_MIB = {"ext4": 96, "xfs": 320}  # mkfs.xfs refuses less than 300
_MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
}
# A second mount of one xfs on one machine is refused by its UUID, which two machines never see.
MOUNT_OPTIONS = {"ext4": "noatime,errors=remount-ro", "xfs": "noatime,nouuid"}
_CHECK = {"ext4": ["e2fsck", "-fn"], "xfs": ["xfs_repair", "-n", "-f"]}
# A host that starts meanwhile takes copies of all mounts with it, and such a copy is not unmounted with ours.
ALONE = ("unshare", "--mount", "--propagation", "private")
_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2  # FS_IOC_SHUTDOWN: from here on nothing reaches the disk
_FREEZE, _THAW = 0xC0045877, 0xC0045878


class SharedDisk:
    """The disk of one lab. What it made is found again by another process, and after a crash."""

    def __init__(self, lab: Lab, kind: str) -> None:
        if kind not in FILE_SYSTEMS:
            raise LabError(f"{kind!r} is not a file system of the lab: {', '.join(FILE_SYSTEMS)}")
        self.kind = kind
        self._lab = lab
        self.image = image_of(lab)
        self.devices: dict[str, str] = {}  # Node to loop device

    def make(self) -> None:
        """A new file system, and a device of it for each Node."""
        remove_disk(self._lab)
        with open(self.image, "wb") as file:
            file.truncate(_SIZE_MIB[self.kind] << 20)
        run([*_MAKE[self.kind], str(self.image)])
        for node in NODES:
            attach = ["losetup", "--find", "--show", "--direct-io=on", str(self.image)]
            self.devices[node] = run(attach).strip()

    def mount_line(self, node: str) -> str:
        """What mounts it there."""
        options, device = MOUNT_OPTIONS[self.kind], self.devices[node]
        return f"mount -t {self.kind} -o {options} {device} {MOUNT_POINT}"

    def cut_off(self, node: str) -> None:
        """Nothing that this Node has not written yet reaches the disk any more: as when its power goes.

        Its processes stand still first. An fsync under way when a file system is shut down may return 0
        although its record is lost (seen on ext4 and xfs); a machine without power tells nobody of it.
        """
        signal_all(self._lab.host(node).processes(), signal.SIGSTOP)
        with contextlib.suppress(OSError, LabError):
            fd = os.open(self.path(node), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.ioctl(fd, _SHUTDOWN, struct.pack("=I", _NO_LOG_FLUSH))
            finally:
                os.close(fd)

    def is_mounted(self, node: str) -> bool:
        """Whether that Node has it mounted now."""
        init = self._lab.host(node).init()
        return init is not None and is_mounted_in(init.pid)

    def path(self, node: str) -> Path:
        """The mount point as the machine outside can open it. Raises LabError where it is not mounted."""
        init = self._lab.host(node).init()
        if init is None or not is_mounted_in(init.pid):
            raise LabError(f"{node}: the shared disk is not mounted there")
        return Path(f"/proc/{init.pid}/root{MOUNT_POINT}")

    def check(self, node: str) -> str:
        """Check a copy made at one instant while the Node goes on; what is wrong with it, "" for nothing."""
        with tempfile.TemporaryDirectory(dir=IMAGE_DIRECTORY, prefix=_prefix(self._lab)) as place:
            copy = Path(place) / "copy.img"
            with self._frozen(node):
                run(["cp", "--sparse=always", str(self.image), str(copy)])
            self._replay_log(copy)
            return self._complaint(copy)

    def check_unmounted(self) -> str:
        """Check the disk itself; no Node may have it mounted."""
        return self._complaint(self.image)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Path]:
        """The disk mounted outside of every host; no Node may have it mounted. Raises LabError."""
        script = (
            f"mount -t {self.kind} -o {self._loop_options} {self.image} /mnt && echo ready && exec sleep 600"
        )
        holder = subprocess.Popen([*ALONE, "/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True)
        assert holder.stdout is not None
        try:
            if holder.stdout.readline() != "ready\n":
                raise LabError(f"{self.image}: cannot be mounted any more")
            yield Path(f"/proc/{holder.pid}/root/mnt")
        finally:
            holder.kill()
            holder.wait()
            holder.stdout.close()

    @property
    def _loop_options(self) -> str:
        return f"loop,{MOUNT_OPTIONS[self.kind]}"

    @contextlib.contextmanager
    def _frozen(self, node: str) -> Iterator[None]:
        fd = os.open(self.path(node), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(fd, _FREEZE, struct.pack("=i", 0))
            try:
                yield
            finally:
                fcntl.ioctl(fd, _THAW, struct.pack("=i", 0))
        finally:
            os.close(fd)

    def _replay_log(self, copy: Path) -> None:
        """As the next mount would; a checker leaves a log alone and calls what it holds missing."""
        script = f"mount -t {self.kind} -o {self._loop_options} {copy} /mnt && umount /mnt"
        run([*ALONE, "/bin/sh", "-c", script])

    def _complaint(self, image: Path) -> str:
        done = subprocess.run(
            [*_CHECK[self.kind], str(image)], capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode == 0:
            return ""
        return f"exit {done.returncode}: " + " / ".join((done.stdout + done.stderr).split("\n")[:12])


def is_mounted_in(pid: int) -> bool:
    """Whether the mount namespace of that process shows the shared disk."""
    try:
        mounts = Path(f"/proc/{pid}/mounts").read_text()
    except OSError:
        return False
    return any(line.split(" ")[1] == MOUNT_POINT for line in mounts.splitlines())


def image_of(lab: Lab) -> Path:
    """The file behind the disk: on a real disk, since direct writes are asked for."""
    return IMAGE_DIRECTORY / f"{_prefix(lab)}disk.img"


def _prefix(lab: Lab) -> str:
    return f"ha-monitor-lab-{lab.name}-"


def remove_disk(lab: Lab) -> None:
    """Detach and delete whatever of this lab's disk is left, also of one that crashed."""
    for device in json.loads(run(["losetup", "--list", "--json"]) or '{"loopdevices": []}')["loopdevices"]:
        if str(device["back-file"] or "").removesuffix(" (deleted)") == str(image_of(lab)):
            run(["losetup", "--detach", device["name"]], check=False)
    for path in IMAGE_DIRECTORY.glob(f"{_prefix(lab)}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
