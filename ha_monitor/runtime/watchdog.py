"""A watchdog device, by the rules of the kernel's documentation (Documentation/watchdog/watchdog-api.rst).

- Opening it starts it; from then on it resets the host unless it is fed within its timeout.
- Closing it stops it only after the character ``V`` was written (magic close). A driver that does not know
  the magic close stops whenever it is closed, also by the death of its feeder: useless here, unless
- ``nowayout`` is set: then nothing stops it any more, and a clean stop of ha-monitor ends in a reset too.
- Any other write, and the ioctl KEEPALIVE, feed it.
- Its timeout counts whole seconds; what was asked for may be rounded or refused, so it is read back.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ha_monitor.errors import PrerequisiteError
from ha_monitor.model import Watchdog
from ha_monitor.timebase import MS, SECOND

INFO = struct.Struct("=II32s")  # struct watchdog_info: options, firmware_version, identity
NUMBER = struct.Struct("=i")
SETTIMEOUT_OPTION, MAGICCLOSE_OPTION = 0x0080, 0x0100
MAGIC, FOOD = b"V", b"\0"
OLD_NAME = (10, 130)  # misc device, WATCHDOG_MINOR of <linux/miscdevice.h>
_READ, _BOTH = 2, 3


def ioctl_number(direction: int, number: int, size: int) -> int:
    """_IOR and _IOWR of <linux/watchdog.h>, type 'W', where the kernel uses the common encoding."""
    return direction << 30 | size << 16 | ord("W") << 8 | number


GETSUPPORT = ioctl_number(_READ, 0, INFO.size)
KEEPALIVE = ioctl_number(_READ, 5, NUMBER.size)
SETTIMEOUT = ioctl_number(_BOTH, 6, NUMBER.size)
GETTIMEOUT = ioctl_number(_READ, 7, NUMBER.size)


FEED_EVERY_NS = 100 * MS
OPEN_AGAIN_NS = SECOND


@dataclass(frozen=True)
class FeederState:
    """``word``: as in view.View.watchdog. ``detail``: for people."""

    word: str
    detail: str


@dataclass(frozen=True)
class Support:
    """What a driver can do. ``timeout_ns``: as it stands after it was set."""

    identity: str
    has_magic_close: bool
    is_nowayout: bool
    timeout_ns: int


class WatchdogDevice:
    """An open device: it counts. Only the guard has one.

    ``unfit``: why it protects nothing although it counts; "" for one that does.
    """

    def __init__(self, path: str, timeout_ns: int) -> None:
        """Open and set it. Raises PrerequisiteError for a device that would not protect, which is stopped.

        One that is unfit and cannot be stopped stays open: let go, it would reset the host for nothing.
        """
        self.unfit = ""
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise PrerequisiteError(f"watchdog {path}: {error.strerror}") from error
        self.support = Support("", False, self._is_nowayout(), 0)
        try:
            self.support = self._ask(timeout_ns)
            refuse_unfit(path, self.support, timeout_ns)
        except (OSError, PrerequisiteError) as error:
            self.unfit = f"watchdog {path}: {error.strerror}" if isinstance(error, OSError) else str(error)
            if not self.support.is_nowayout:
                self.close(is_clean=True)
                raise PrerequisiteError(self.unfit) from error

    def _ask(self, timeout_ns: int) -> Support:
        options, _, identity = INFO.unpack(fcntl.ioctl(self._fd, GETSUPPORT, bytes(INFO.size)))
        if options & SETTIMEOUT_OPTION:
            fcntl.ioctl(self._fd, SETTIMEOUT, NUMBER.pack(timeout_ns // SECOND))
        (seconds,) = NUMBER.unpack(fcntl.ioctl(self._fd, GETTIMEOUT, bytes(NUMBER.size)))
        name = identity.split(b"\0", 1)[0].decode(errors="replace")
        has_magic_close = bool(options & MAGICCLOSE_OPTION)
        return replace(
            self.support, identity=name, has_magic_close=has_magic_close, timeout_ns=seconds * SECOND
        )

    def _is_nowayout(self) -> bool:
        with contextlib.suppress(OSError):
            place = nowayout_file(os.fstat(self._fd).st_rdev)
            return place.read_text(encoding="ascii").strip() == "1"
        return False

    def feed(self) -> bool:
        """It counts anew; False if the device refused."""
        try:
            os.write(self._fd, FOOD)
        except OSError:
            return False
        return True

    def close(self, is_clean: bool) -> None:
        """Stop it where nothing is left to protect; otherwise leave it counting."""
        with contextlib.suppress(OSError):
            if is_clean:
                os.write(self._fd, MAGIC)
        os.close(self._fd)


def nowayout_file(number: int) -> Path:
    """Where the kernel says it of the device with that number; /dev/watchdog is the first one's old name."""
    major, minor = os.major(number), os.minor(number)
    if (major, minor) == OLD_NAME:
        return Path("/sys/class/watchdog/watchdog0/nowayout")
    return Path(f"/sys/dev/char/{major}:{minor}/nowayout")


def refuse_unfit(path: str, support: Support, timeout_ns: int) -> None:
    """Raise PrerequisiteError for a device whose reset would come too late, or never."""
    what = f"watchdog {path} ({support.identity or 'unnamed'})"
    if not support.has_magic_close and not support.is_nowayout:
        raise PrerequisiteError(
            f"{what}: stops when its feeder dies, as it knows no magic close; load its module with nowayout=1"
        )
    if support.timeout_ns > timeout_ns:
        seconds, wanted = support.timeout_ns // SECOND, timeout_ns // SECOND
        raise PrerequisiteError(
            f'{what}: counts {seconds} s, not {wanted} s; write [watchdog] timeout = "{seconds}s"'
        )


class Feeder:
    """Opens the device when nothing stands against it, and feeds it for as long as the guard may.

    It is opened only while every exclusive group is proved ended: opening feeds, and a device that a former
    guard left counting must not be fed by one that knows nothing yet.
    """

    def __init__(
        self,
        configured: Watchdog | None,
        log: Callable[[str, str], None],
        opener: Callable[[str, int], WatchdogDevice] = WatchdogDevice,
        is_needed: bool = True,
    ) -> None:
        self._configured, self._log, self._opener = configured if is_needed else None, log, opener
        self._device: WatchdogDevice | None = None
        self._open_from_ns = self._feed_from_ns = 0
        word = "" if not is_needed else "closed" if configured else "none"
        self.state = FeederState(word, "")

    @property
    def timeout_ns(self) -> int:
        """For how long the device waits after a feed; 0 where there is none."""
        return self._configured.timeout_ns if self._configured else 0

    def tick(self, at_ns: int, may_feed: bool, is_clean: bool) -> None:
        """Open it, feed it, or leave it hungry."""
        if self._configured is None:
            return
        if self._device is None:
            if is_clean and at_ns >= self._open_from_ns:
                self._open(self._configured, at_ns)
        elif self._device.unfit:
            self._device.feed()  # it guards nothing, so nothing may come of it
        elif not may_feed:
            self._become("withheld", "a group whose Lease is over could not be ended in time")
        elif at_ns >= self._feed_from_ns:
            self._feed_from_ns = at_ns + FEED_EVERY_NS
            is_fed = self._device.feed()
            self._become(
                *(("fed", self._device.support.identity) if is_fed else ("failing", "it took no food"))
            )

    def _open(self, configured: Watchdog, at_ns: int) -> None:
        self._open_from_ns = at_ns + OPEN_AGAIN_NS
        try:
            self._device = self._opener(configured.device, configured.timeout_ns)
        except PrerequisiteError as error:
            self._become("missing", str(error))
            return
        unfit = self._device.unfit
        self._become(*(("missing", unfit) if unfit else ("fed", self._device.support.identity)))
        if self._device.support.is_nowayout:
            self._log(
                "warning", f"watchdog {configured.device}: nowayout, so a stop of ha-monitor resets this host"
            )

    def _become(self, word: str, detail: str) -> None:
        if self.state != FeederState(word, detail):
            if word != self.state.word:
                self._log("info" if word == "fed" else "error", f"watchdog: {word} ({detail})")
            self.state = FeederState(word, detail)

    def close(self, is_clean: bool) -> None:
        """The guard ends. Not clean: the device goes on counting, and resets the host."""
        if self._device is not None:
            self._device.close(is_clean)
            self._device = None
