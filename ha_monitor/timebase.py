"""The Lease's clock, and durations as people write them.

The only module that reads the Lease's clock: CLOCK_MONOTONIC_RAW plus the time that the
machine spent suspended. NTP may slew the other clocks, nothing slews the raw one; a Node that
slept must see that its Lease ran out.
"""

from __future__ import annotations

import time

MS = 1_000_000
SECOND = 1_000_000_000

_UNITS = {"ms": MS, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}


def lease_clock_ns() -> int:
    """The present moment on this machine's Lease clock, in ns; comparable on one machine within one boot."""
    asleep = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) + asleep


def wall_clock_ns() -> int:
    """The wall clock in ns since 1970, for stamps on what is told to people; never for decisions."""
    return time.time_ns()


def parse_duration_ns(text: str) -> int:
    """Read ``100ms``, ``1s``, ``10m``, ``2h``, ``1d`` as ns. Raises ValueError for anything else."""
    for unit in ("ms", "s", "m", "h", "d"):
        number = text.removesuffix(unit)
        if number != text and number.isascii() and number.isdecimal():
            return int(number) * _UNITS[unit]
    raise ValueError(f"{text!r} is not a whole number followed by ms, s, m, h or d")


def format_duration(length_ns: int) -> str:
    """Write a length for people: ``1.0 s``, ``250 ms``, ``2 h 05 min``."""
    if length_ns < SECOND:
        return f"{length_ns / MS:.0f} ms"
    if length_ns < 120 * SECOND:
        return f"{length_ns / SECOND:.1f} s"
    minutes = length_ns // (60 * SECOND)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
