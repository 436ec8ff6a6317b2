"""The voter's state on tmpfs: the same life of a voter over a restart of its process, a new one over a boot.

Missing, damaged, of another boot or another voter: a new Incarnation, which abstains for the longest hold.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from ha_monitor.core.voter import VoterSeat

FILE_NAME = "voter.state"


def boot_id() -> str:
    """This boot's identity as the kernel draws it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def is_volatile(directory: Path) -> bool:
    """Whether the directory lies in memory: writing there waits for no disk, and a boot empties it."""
    for line in reversed(Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()):
        _, mounted, kind, *_ = line.split(" ")
        if directory.resolve().is_relative_to(mounted.replace("\\040", " ")):
            return kind in ("tmpfs", "ramfs")
    return False


class VoterFile:
    """Writes the state; each write is whole or not at all.

    A descriptor is held in reserve for it: a process that can open no file any more, whoever used
    them up, still remembers what it votes. Without that its Lease would end.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._new = directory / f".{FILE_NAME}.new"
        self._reserve = -1
        self._hold_reserve()

    def read(self) -> bytes | None:
        """What was written last, None if nothing."""
        try:
            return self._path.read_bytes()
        except OSError:
            return None

    def write(self, state: bytes) -> bool:
        """Replace it. If that fails the old state goes too: who cannot remember must not be resumed."""
        with contextlib.suppress(OSError):
            fd = self._open()
            try:
                is_whole = os.write(fd, state) == len(state)
            finally:
                os.close(fd)
                self._hold_reserve()
            if is_whole:
                self._new.replace(self._path)
                return True
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        return False

    def _open(self) -> int:
        try:
            return self._make()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or self._reserve < 0:
                raise
        os.close(self._reserve)
        self._reserve = -1
        return self._make()

    def _make(self) -> int:
        """A file of our own: the publisher may write to this directory, and could lay a link there."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return os.open(self._new, flags, 0o600)
        except FileExistsError:
            self._new.unlink()
        return os.open(self._new, flags, 0o600)

    def _hold_reserve(self) -> None:
        if self._reserve < 0:
            with contextlib.suppress(OSError):
                self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def take_seat(
    file: VoterFile, index: int, abstain_ns: int, longest_hold_ns: int, counter_floor: int, at_ns: int
) -> VoterSeat:
    """The voter of this boot again, or a new life that abstains until ``at_ns + abstain_ns``.

    ``longest_hold_ns``: what is configured now; a longer one is not granted.
    """
    boot = boot_id()
    state = file.read()
    if state is not None:
        with contextlib.suppress(ValueError):
            return VoterSeat.load(state, index, longest_hold_ns, boot)
    return VoterSeat(
        index=index,
        incarnation=new_incarnation(),
        abstain_until_ns=at_ns + abstain_ns,
        floor_counter=counter_floor,
        longest_hold_ns=longest_hold_ns,
        boot_id=boot,
    )


def new_incarnation() -> int:
    """A random number of 63 bits, never 0."""
    return int.from_bytes(os.urandom(8), "big") >> 1 | 1
