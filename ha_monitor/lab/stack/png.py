"""Reads the pixels of a PNG as browsers write it, to tell a picture from an empty sheet.

Enough of the PNG specification (W3C, second edition) for 8-bit RGB and RGBA without interlacing.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from ha_monitor.lab.stack.hosts import StackError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {2: 3, 6: 4}
PIXELS_MAX = 20_000_000


@dataclass(frozen=True)
class Variety:
    """How much there is to see: distinct colours, and the share (0..1) of the commonest one."""

    width: int
    height: int
    colours: int
    commonest_share: float


def variety(picture: bytes) -> Variety:
    """Count the colours of a PNG. Raises StackError if it is none or is damaged."""
    try:
        width, height, channels, packed = _parse(picture)
        rows = _rows(zlib.decompress(packed), width * channels, height, channels)
        counted: Counter[bytes] = Counter()
        for row in rows:
            counted.update(row[at : at + channels] for at in range(0, len(row), channels))
    except (struct.error, zlib.error, IndexError, ValueError) as error:
        raise StackError(f"the picture cannot be read as PNG: {error}") from error
    commonest = counted.most_common(1)[0][1]
    return Variety(width, height, len(counted), commonest / (width * height))


def _parse(picture: bytes) -> tuple[int, int, int, bytes]:
    if not picture.startswith(SIGNATURE):
        raise ValueError("no PNG signature")
    packed = b""
    width = height = channels = 0
    for kind, body in _chunks(picture):
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack("!IIBBBBB", body)
            if depth != 8 or colour not in CHANNELS or interlaced:
                raise ValueError(f"depth {depth}, colour type {colour}: not 8-bit RGB or RGBA")
            channels = CHANNELS[colour]
        elif kind == b"IDAT":
            packed += body
    if not 0 < width * height <= PIXELS_MAX:
        raise ValueError(f"{width} x {height} pixels")
    return width, height, channels, packed


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(picture):
        length, kind = struct.unpack_from("!I4s", picture, at)
        yield kind, picture[at + 8 : at + 8 + length]
        at += length + 12


def _rows(raw: bytes, width: int, height: int, step: int) -> Iterator[bytes]:
    """Undo the filters row by row; `width` in bytes, `step` bytes a pixel."""
    if len(raw) != height * (width + 1):
        raise ValueError(f"{len(raw)} bytes of pixels, expected {height * (width + 1)}")
    above = bytes(width)
    for at in range(0, len(raw), width + 1):
        above = _unfiltered(raw[at], raw[at + 1 : at + 1 + width], above, step)
        yield above


def _unfiltered(kind: int, row: bytes, above: bytes, step: int) -> bytes:
    if kind == 0:
        return row
    if kind == 1:
        done = bytearray(row)
        for channel in range(step):
            sums = accumulate(row[channel::step])
            done[channel::step] = bytes(value & 255 for value in sums)
        return bytes(done)
    if kind == 2:
        return bytes((a + b) & 255 for a, b in zip(row, above, strict=True))
    if kind == 3:
        return _averaged(row, above, step)
    if kind == 4:
        return _paeth(row, above, step)
    raise ValueError(f"row filter {kind} does not exist")


def _averaged(row: bytes, above: bytes, step: int) -> bytes:
    done = bytearray(step) + bytearray(row)
    for at, (value, up) in enumerate(zip(row, above, strict=True)):
        done[at + step] = (value + ((done[at] + up) >> 1)) & 255
    return bytes(done[step:])


def _paeth(row: bytes, above: bytes, step: int) -> bytes:
    done = bytearray(step) + bytearray(row)
    corners = bytes(step) + above
    for at, (value, up, corner) in enumerate(zip(row, above, corners, strict=False)):
        left = done[at]
        from_left, from_up = abs(up - corner), abs(left - corner)
        from_corner = abs(left + up - 2 * corner)
        if from_left <= from_up and from_left <= from_corner:
            near = left
        else:
            near = up if from_up <= from_corner else corner
        done[at + step] = (value + near) & 255
    return bytes(done[step:])
