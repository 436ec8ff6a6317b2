"""The records of the shared file system: numbered, checksummed, and what became of those acknowledged."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

_RECORD = struct.Struct("<4sQ16s96sI")
_MAGIC = b"rec1"
REQUEST = struct.Struct("<QQ")  # run, number
ANSWER = struct.Struct("<QQ16s")  # run, number, who wrote it
PER_FILE = 64
PORT = 7000


def record(number: int, node: str) -> bytes:
    """One record, the same bytes for the same number and writer."""
    filler = zlib.crc32(str(number).encode()).to_bytes(4, "little") * 24
    body = _RECORD.pack(_MAGIC, number, node.encode(), filler, 0)[:-4]
    return body + zlib.crc32(body).to_bytes(4, "little")


def numbers_in(data: bytes) -> list[int]:
    """The numbers of the whole records in a file, as far as their checksums hold."""
    found = []
    for at in range(0, len(data) - _RECORD.size + 1, _RECORD.size):
        piece = data[at : at + _RECORD.size]
        if piece[:4] == _MAGIC and zlib.crc32(piece[:-4]) == int.from_bytes(piece[-4:], "little"):
            found.append(_RECORD.unpack(piece)[1])
    return found


def run_of(directory: Path) -> int:
    """Whose records are there."""
    return int(directory.name.removeprefix("run-"))


def directory_of(place: Path, run: int) -> Path:
    """Where the records of one run are."""
    return place / f"run-{run}"


def file_of(place: Path, run: int, number: int) -> Path:
    """Where that record is."""
    return directory_of(place, run) / f"records-{number // PER_FILE:06d}"


def numbers_on(place: Path, run: int) -> set[int]:
    """Every record of a run that can be read back whole."""
    found: set[int] = set()
    for path in sorted(directory_of(place, run).glob("records-*")):
        found.update(numbers_in(path.read_bytes()))
    return found
