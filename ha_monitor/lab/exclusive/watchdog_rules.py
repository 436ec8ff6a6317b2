"""What a watchdog device does, as the kernel's documentation says it. Pure, for the double and for tests.

Opening starts it, and only one may have it open. Any write feeds it. ``V`` in the latest write lets the next
close stop it (magic close); any other close leaves it counting. With ``nowayout`` nothing stops it.
SETTIMEOUT sets whole seconds within the device's bounds and feeds, GETTIMEOUT reads them.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass

SECOND_NS = 1_000_000_000
# <linux/watchdog.h> as numbers, so that a mistake in the guard's arithmetic shows here.
GETSUPPORT, KEEPALIVE, SETTIMEOUT, GETTIMEOUT = 0x80285700, 0x80045705, 0xC0045706, 0x80045707
KEEPALIVEPING, SETTIMEOUT_OPTION, MAGICCLOSE = 0x8000, 0x0080, 0x0100
IDENTITY = b"ha-monitor lab double"


@dataclass
class WatchdogRules:
    """One device. Methods take the moment in ns and raise OSError as the driver would."""

    timeout_s: int = 10
    has_magic_close: bool = True
    is_nowayout: bool = False
    timeout_max_s: int = 60
    is_open: bool = False
    fires_ns: int | None = None  # None: it does not count
    _expects_close: bool = False

    def open(self, at_ns: int) -> None:
        """It counts from here."""
        if self.is_open:
            raise OSError(errno.EBUSY, "opened already")
        self.is_open, self._expects_close = True, False
        self._feed(at_ns)

    def write(self, data: bytes, at_ns: int) -> int:
        """Feed it; every write says anew whether a close is expected."""
        if data:
            self._expects_close = b"V" in data and self.has_magic_close and not self.is_nowayout
            self._feed(at_ns)
        return len(data)

    def close(self) -> None:
        """The descriptor is gone, whoever closed it."""
        self.is_open = False
        if self._expects_close or not (self.has_magic_close or self.is_nowayout):
            self.fires_ns = None

    def ioctl(self, number: int, argument: bytes, at_ns: int) -> bytes:
        """What the caller gets back."""
        if number == GETSUPPORT:
            options = KEEPALIVEPING | SETTIMEOUT_OPTION | (MAGICCLOSE if self.has_magic_close else 0)
            return struct.pack("=II32s", options, 1, IDENTITY)
        if number == KEEPALIVE:
            self._feed(at_ns)
            return struct.pack("=i", 0)
        if number == SETTIMEOUT:
            (wanted,) = struct.unpack("=i", argument[:4])
            if not 0 < wanted <= self.timeout_max_s:
                raise OSError(errno.EINVAL, "timeout out of bounds")
            self.timeout_s = wanted
            self._feed(at_ns)
            return struct.pack("=i", wanted)
        if number == GETTIMEOUT:
            return struct.pack("=i", self.timeout_s)
        raise OSError(errno.ENOTTY, "no such ioctl")

    def has_fired(self, at_ns: int) -> bool:
        """Whether the host is reset now."""
        return self.fires_ns is not None and at_ns >= self.fires_ns

    def lose_power(self) -> None:
        """The host was switched off, and the device with it."""
        self.fires_ns, self.is_open = None, False

    def _feed(self, at_ns: int) -> None:
        self.fires_ns = at_ns + self.timeout_s * SECOND_NS
