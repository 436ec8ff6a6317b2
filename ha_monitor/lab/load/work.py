"""One process of the load: it computes, or writes and calls fsync. Ends with whoever started it.

    python -m ha_monitor.lab.load.work busy
    python -m ha_monitor.lab.load.work fsync FILE

A writer notes how many calls it made and the longest, so that a report can show what the load was.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
import time

CHUNK = os.urandom(64 * 1024)
FILE_BYTES_MAX = 64 << 20
NOTE = struct.Struct("<QQ")  # calls, nanoseconds of the longest
_PR_SET_PDEATHSIG = 1


def busy() -> None:
    """Use a CPU for as long as it lasts."""
    number = 1
    while True:
        number = (number * 1_103_515_245 + 12_345) % 2_147_483_648


def write(path: str) -> None:
    """Write and sync, again and again; the count stands in ``path`` + ``.note``, in memory of the kernel."""
    data = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    note = os.open(f"{path}.note", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    calls = longest_ns = 0
    while True:
        if os.lseek(data, 0, os.SEEK_CUR) >= FILE_BYTES_MAX:
            os.ftruncate(data, 0)
            os.lseek(data, 0, os.SEEK_SET)
        os.write(data, CHUNK)
        began_ns = time.monotonic_ns()
        os.fsync(data)
        longest_ns = max(longest_ns, time.monotonic_ns() - began_ns)
        calls += 1
        os.pwrite(note, NOTE.pack(calls, longest_ns), 0)


def main() -> None:
    """Do what the command line says until killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    kind, *rest = sys.argv[1:]
    if kind == "busy":
        busy()
    write(*rest)


if __name__ == "__main__":
    main()
