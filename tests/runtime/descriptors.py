"""A process that runs out of descriptors, for the tests of what it does then."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator

NUMBERS = 4096


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def open_descriptors() -> list[int]:
    return [fd for fd in range(NUMBERS) if is_open(fd)]


@contextlib.contextmanager
def room_for(count: int) -> Iterator[None]:
    """So many descriptors can be opened, and not one more."""
    free = [fd for fd in range(NUMBERS) if not is_open(fd)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[count], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
