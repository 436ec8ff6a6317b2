"""The guard's driver against a double of the device that keeps the kernel's documented rules.

No watchdog device exists on the machine where this was built: the double is a file served over FUSE, so that
the driver's own opens, writes and ioctls pass through the kernel.
"""

from __future__ import annotations

import errno
import os
import threading
import time

import pytest

from ha_monitor.errors import PrerequisiteError
from ha_monitor.lab import kernel
from ha_monitor.lab.exclusive.fuse_file import FuseFile
from ha_monitor.lab.exclusive.watchdog_rules import MAGICCLOSE, SECOND_NS, WatchdogRules
from ha_monitor.model import Watchdog
from ha_monitor.runtime import watchdog
from ha_monitor.runtime.watchdog import Feeder, FeederState, Support, WatchdogDevice, refuse_unfit

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not os.path.exists("/dev/fuse"), reason="needs root, FUSE"
)


class Served:
    """The double behind a file, served by a thread."""

    def __init__(self, path, **rules):
        self.path, self.rules = str(path), WatchdogRules(**rules)
        self._file = FuseFile(path, self.rules, time.monotonic_ns)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while self._file.serve_one():
            pass
        os.close(self._file.fd)

    def end(self):
        kernel.unmount_lazily(self.path)
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def serve(tmp_path):
    served = []

    def begin(**rules):
        served.append(Served(tmp_path / f"watchdog{len(served)}", **rules))
        return served[-1]

    yield begin
    for one in served:
        one.end()


def wait_for(what):
    bound = time.monotonic() + 20
    while not what():
        assert time.monotonic() < bound
        time.sleep(0.01)


def test_opening_starts_it_with_the_configured_timeout(serve):
    double = serve(timeout_s=60)
    device = WatchdogDevice(double.path, 2 * SECOND_NS)
    assert device.support == Support("ha-monitor lab double", True, False, 2 * SECOND_NS)
    assert double.rules.timeout_s == 2
    assert double.rules.fires_ns is not None
    device.close(is_clean=True)


def test_a_feed_puts_its_moment_off(serve):
    double = serve()
    device = WatchdogDevice(double.path, 5 * SECOND_NS)
    before = double.rules.fires_ns
    time.sleep(0.01)
    assert device.feed()
    assert double.rules.fires_ns > before
    device.close(is_clean=True)


def test_a_clean_close_stops_it(serve):
    double = serve()
    WatchdogDevice(double.path, 5 * SECOND_NS).close(is_clean=True)
    wait_for(lambda: not double.rules.is_open)
    assert double.rules.fires_ns is None


def test_any_other_close_leaves_it_counting(serve):
    double = serve()
    WatchdogDevice(double.path, 5 * SECOND_NS).close(is_clean=False)
    wait_for(lambda: not double.rules.is_open)
    assert double.rules.fires_ns is not None


def test_food_after_the_magic_takes_the_magic_back(serve):
    double = serve()
    device = WatchdogDevice(double.path, 5 * SECOND_NS)
    os.write(device._fd, watchdog.MAGIC)
    device.feed()
    device.close(is_clean=False)
    wait_for(lambda: not double.rules.is_open)
    assert double.rules.fires_ns is not None


def test_with_nowayout_nothing_stops_it(serve, monkeypatch):
    double = serve(is_nowayout=True)
    monkeypatch.setattr(WatchdogDevice, "_is_nowayout", lambda _: True)
    WatchdogDevice(double.path, 5 * SECOND_NS).close(is_clean=True)
    wait_for(lambda: not double.rules.is_open)
    assert double.rules.fires_ns is not None


def test_a_second_opener_is_told_that_it_is_busy(serve):
    double = serve()
    device = WatchdogDevice(double.path, 5 * SECOND_NS)
    with pytest.raises(PrerequisiteError, match="busy"):
        WatchdogDevice(double.path, 5 * SECOND_NS)
    device.close(is_clean=True)


def test_a_device_that_stops_with_its_feeder_is_refused_and_not_left_counting(serve):
    double = serve(has_magic_close=False)
    with pytest.raises(PrerequisiteError, match=r"stops when its feeder dies.*nowayout=1"):
        WatchdogDevice(double.path, 5 * SECOND_NS)
    wait_for(lambda: not double.rules.is_open)
    assert double.rules.fires_ns is None


def test_a_timeout_that_the_device_cannot_have_is_refused(serve):
    double = serve(timeout_max_s=5)
    with pytest.raises(PrerequisiteError, match="Invalid argument"):
        WatchdogDevice(double.path, 9 * SECOND_NS)
    wait_for(lambda: double.rules.fires_ns is None)


def test_one_that_refuses_its_timeout_and_cannot_be_stopped_is_kept_and_fed_in_any_case(serve, monkeypatch):
    double = serve(is_nowayout=True, timeout_max_s=5)
    monkeypatch.setattr(WatchdogDevice, "_is_nowayout", lambda _: True)
    feeder = Feeder(Watchdog(double.path, 9 * SECOND_NS), lambda *_: None)
    feeder.tick(0, may_feed=True, is_clean=True)
    assert feeder.state == FeederState("missing", f"watchdog {double.path}: Invalid argument")
    before = double.rules.fires_ns
    time.sleep(0.01)
    feeder.tick(1, may_feed=False, is_clean=False)
    assert double.rules.is_open
    assert double.rules.fires_ns > before, "it guards nothing, so it resets nothing"
    feeder.close(is_clean=True)


@pytest.mark.parametrize("number", [watchdog.GETSUPPORT, watchdog.GETTIMEOUT])
def test_one_that_answers_no_question_and_cannot_be_stopped_is_kept_too(serve, monkeypatch, number):
    double = serve(is_nowayout=True)
    answer = double.rules.ioctl

    def refuse(asked, argument, at_ns):
        if asked == number:
            raise OSError(errno.EIO, "broken")
        return answer(asked, argument, at_ns)

    monkeypatch.setattr(double.rules, "ioctl", refuse)
    monkeypatch.setattr(WatchdogDevice, "_is_nowayout", lambda _: True)
    device = WatchdogDevice(double.path, 5 * SECOND_NS)
    assert "Input/output error" in device.unfit
    assert device.support.is_nowayout
    device.close(is_clean=True)


def test_a_device_that_counts_longer_than_configured_is_refused():
    slow = Support("slow", has_magic_close=True, is_nowayout=False, timeout_ns=60 * SECOND_NS)
    with pytest.raises(PrerequisiteError, match=r'counts 60 s, not 10 s; write .*"60s"'):
        refuse_unfit("/dev/watchdog", slow, 10 * SECOND_NS)
    refuse_unfit("/dev/watchdog", slow, 60 * SECOND_NS)


def test_a_device_that_is_not_there_says_so(tmp_path):
    with pytest.raises(PrerequisiteError, match="No such file"):
        WatchdogDevice(str(tmp_path / "none"), SECOND_NS)


def test_driver_and_double_read_the_same_abi_in_two_ways():
    from ha_monitor.lab.exclusive import watchdog_rules as rules

    for name in ("GETSUPPORT", "KEEPALIVE", "SETTIMEOUT", "GETTIMEOUT"):
        assert getattr(watchdog, name) == getattr(rules, name), name
    assert watchdog.MAGICCLOSE_OPTION == MAGICCLOSE
