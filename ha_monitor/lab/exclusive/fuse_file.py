"""One file served by this process: opens, writes and ioctls as a device would see them. Linux FUSE, raw.

The kernel of a build machine may have neither a watchdog nor CUSE; a file whose every operation is answered
by a program is the nearest thing that the guard's real driver can open, write to and ask by ioctl.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ha_monitor.lab import kernel

MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
REQUEST_MAX = 1 << 17
MINOR = 31
_IN, _OUT = struct.Struct("=IIQQIIIHH"), struct.Struct("=IiQ")
_ATTR = struct.Struct("=QII QQQQQQ IIIIIIIIII")
_DIRECT_IO_NONSEEKABLE = 1 | 4
GETATTR, SETATTR, OPEN, WRITE, STATFS, RELEASE, FLUSH, INIT, IOCTL = 3, 4, 14, 16, 17, 18, 25, 26, 39
FORGET, BATCH_FORGET, INTERRUPT = 2, 42, 36
_UNANSWERED = (FORGET, BATCH_FORGET, INTERRUPT)


class Device(Protocol):
    """What stands behind the file. Raises OSError as a driver would."""

    def open(self, at_ns: int) -> None:
        """Somebody opened it."""
        ...

    def write(self, data: bytes, at_ns: int) -> int:
        """Somebody wrote."""
        ...

    def close(self) -> None:
        """The last descriptor is gone."""
        ...

    def ioctl(self, number: int, argument: bytes, at_ns: int) -> bytes:
        """Somebody asked."""
        ...


class FuseFile:
    """A file at ``path`` (made if it is not there) that ``device`` answers for."""

    def __init__(self, path: Path, device: Device, clock: Callable[[], int]) -> None:
        """Mounts it over the path. Raises OSError."""
        self._device, self._clock = device, clock
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.fd},rootmode={stat.S_IFREG | 0o600:o},user_id=0,group_id=0,allow_other"
        kernel.mount("fuse", str(path), MS_NOSUID | MS_NODEV | MS_NOEXEC, options)

    def serve_one(self) -> bool:
        """Take one request and answer it; False when the file was unmounted. Blocks until there is one."""
        try:
            request = os.read(self.fd, REQUEST_MAX)
        except OSError as error:
            return error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN)  # else: ENODEV
        _, opcode, unique, *_ = _IN.unpack_from(request)
        if opcode in _UNANSWERED:
            return True
        try:
            body, number = self._answer(opcode, request[_IN.size :]), 0
        except OSError as error:
            body, number = b"", error.errno or errno.EIO
        try:
            os.write(self.fd, _OUT.pack(_OUT.size + len(body), -number, unique) + body)
        except OSError as error:  # whoever asked was killed meanwhile
            return error.errno == errno.ENOENT
        return True

    def _answer(self, opcode: int, body: bytes) -> bytes:
        now = self._clock()
        if opcode == INIT:
            return struct.pack("=IIIIHHIIHHI28x", 7, MINOR, 4096, 0, 8, 8, 4096, 1, 1, 0, 0)
        if opcode in (GETATTR, SETATTR):
            mode = stat.S_IFREG | 0o600
            return _ATTR.pack(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
        if opcode == OPEN:
            self._device.open(now)
            return struct.pack("=QII", 1, _DIRECT_IO_NONSEEKABLE, 0)
        if opcode == WRITE:
            (size,) = struct.unpack_from("=I", body, 16)
            return struct.pack("=II", self._device.write(body[40 : 40 + size], now), 0)
        if opcode == IOCTL:
            return self._ioctl(body, now)
        if opcode == RELEASE:
            self._device.close()
            return b""
        if opcode == FLUSH:
            return b""
        if opcode == STATFS:
            return struct.pack("=QQQQQIIII24x", 0, 0, 0, 1, 0, 4096, 255, 4096, 0)
        raise OSError(errno.ENOSYS, "not served")

    def _ioctl(self, body: bytes, at_ns: int) -> bytes:
        _, _, number, _, in_size, out_size = struct.unpack_from("=QIIQII", body)
        answer = self._device.ioctl(number, body[32 : 32 + in_size], at_ns)[:out_size]
        return struct.pack("=iIII", 0, 0, 0, 0) + answer
