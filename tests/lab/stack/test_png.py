"""Pixels are read as the browser meant them, and an even sheet is told from a picture."""

import struct
import zlib

import pytest

from ha_monitor.lab.stack.hosts import StackError
from ha_monitor.lab.stack.png import SIGNATURE, _unfiltered, variety
from ha_monitor.lab.stack.screenshots import PictureRefused, judge_picture

WHITE = b"\xff\xff\xff"


def png(width: int, rows: list[bytes], colour: int = 2) -> bytes:
    """Rows with their filter byte in front, as a PNG file."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack("!I", len(body)) + kind + body + struct.pack("!I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack("!IIBBBBB", width, len(rows), 8, colour, 0, 0, 0))
    return SIGNATURE + head + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", range(5))
def test_every_row_filter_is_undone_as_the_specification_says(kind):
    above, row, step = bytes([10, 20, 200, 40, 50, 60]), bytes([1, 250, 3, 4, 100, 6]), 3
    done: list[int] = []
    for at, value in enumerate(row):
        left, corner = (done[at - step], above[at - step]) if at >= step else (0, 0)
        guess = left + above[at] - corner
        near = min((left, above[at], corner), key=lambda each, guess=guess: abs(guess - each))
        done.append((value + (0, left, above[at], (left + above[at]) // 2, near)[kind]) % 256)
    assert list(_unfiltered(kind, row, above, step)) == done


def test_colours_are_counted_pixel_by_pixel():
    seen = variety(png(3, [b"\0" + WHITE * 2 + b"\0\0\0", b"\x02" + b"\0\0\0" * 2 + b"\1\0\0"]))
    assert (seen.width, seen.height, seen.colours, seen.commonest_share) == (3, 2, 3, 4 / 6)


def test_even_picture_is_blank_and_a_many_coloured_one_is_not():
    with pytest.raises(PictureRefused, match="1 colours"):
        judge_picture(png(100, [b"\0" + WHITE * 100] * 100), "page")
    rows = [b"\0" + b"".join(bytes([x, y, 0]) for x in range(100)) for y in range(100)]
    judge_picture(png(100, rows), "page")


def test_speck_on_an_even_sheet_is_still_blank():
    speck = b"\0" + b"".join(bytes([value, 0, 0]) for value in range(30)) + WHITE * 70
    with pytest.raises(PictureRefused, match="of it is one"):
        judge_picture(png(100, [speck] + [b"\0" + WHITE * 100] * 99), "page")


@pytest.mark.parametrize(
    "damaged", [b"", b"GIF89a", SIGNATURE, png(2, [b"\0" * 7])[:40], png(3, [b"\0" * 7])]
)
def test_damaged_picture_is_an_error_and_no_traceback(damaged):
    with pytest.raises(StackError, match="cannot be read as PNG"):
        variety(damaged)
