"""When the watchdog is opened, fed, left hungry and let go."""

from __future__ import annotations

import os
from pathlib import Path

from ha_monitor.errors import PrerequisiteError
from ha_monitor.model import Watchdog
from ha_monitor.runtime.watchdog import FEED_EVERY_NS, OPEN_AGAIN_NS, Feeder, Support, nowayout_file
from ha_monitor.timebase import SECOND

CONFIGURED = Watchdog("/dev/watchdog", 5 * SECOND)
AT = 1_000 * SECOND


class Device:
    def __init__(self, is_nowayout=False):
        self.support = Support("double", True, is_nowayout, 5 * SECOND)
        self.unfit = ""
        self.fed = 0
        self.closed = None
        self.takes_food = True

    def feed(self):
        self.fed += self.takes_food
        return self.takes_food

    def close(self, is_clean):
        self.closed = is_clean


def feeder(device=None, configured=CONFIGURED, is_needed=True):
    lines = []

    def opener(path, timeout_ns):
        if device is None:
            raise PrerequisiteError(f"watchdog {path}: No such file or directory")
        return device

    made = Feeder(configured, lambda level, line: lines.append((level, line)), opener, is_needed)
    return made, lines


def test_it_is_opened_only_when_every_group_is_proved_ended():
    device = Device()
    made, _ = feeder(device)
    made.tick(AT, may_feed=True, is_clean=False)
    assert made.state.word == "closed"
    made.tick(AT, may_feed=True, is_clean=True)
    assert made.state.word == "fed"


def test_it_is_fed_no_oftener_than_it_needs():
    device = Device()
    made, _ = feeder(device)
    made.tick(AT, True, True)
    for at in range(10):
        made.tick(AT + at * FEED_EVERY_NS // 10, True, False)
    assert device.fed == 1
    made.tick(AT + FEED_EVERY_NS, True, False)
    assert device.fed == 2


def test_it_starves_while_a_group_could_not_be_ended_in_time_and_says_so_once():
    device = Device()
    made, lines = feeder(device)
    made.tick(AT, True, True)
    for at in range(1, 5):
        made.tick(AT + at * SECOND, may_feed=False, is_clean=False)
    assert device.fed == 0
    assert made.state.word == "withheld"
    assert [level for level, line in lines if "withheld" in line] == ["error"]


def test_a_missing_device_is_told_and_tried_again_later():
    made, lines = feeder(None)
    made.tick(AT, True, True)
    made.tick(AT + 1, True, True)
    assert made.state.word == "missing"
    assert "No such file" in made.state.detail
    assert len(lines) == 1
    made._opener = lambda *_: Device()
    made.tick(AT + OPEN_AGAIN_NS, True, True)
    assert made.state.word == "fed"


def test_a_device_that_takes_no_food_is_told():
    device = Device()
    made, _ = feeder(device)
    made.tick(AT, True, True)
    device.takes_food = False
    made.tick(AT + SECOND, True, False)
    assert made.state.word == "failing"


def test_with_nowayout_a_stop_of_the_daemon_is_announced_as_a_reset():
    _, lines = made = feeder(Device(is_nowayout=True))
    made[0].tick(AT, True, True)
    assert [line for level, line in lines if level == "warning" and "nowayout" in line]


def test_one_that_is_unfit_and_cannot_be_stopped_never_resets_the_host_and_is_told_as_missing():
    device = Device(is_nowayout=True)
    device.unfit = "watchdog /dev/watchdog (double): counts 60 s, not 5 s"
    made, _ = feeder(device)
    for at in range(5):
        made.tick(AT + at * SECOND, may_feed=False, is_clean=at == 0)
    assert device.fed == 4
    assert (made.state.word, made.state.detail) == ("missing", device.unfit)


def test_nowayout_of_the_old_name_is_read_from_the_first_device():
    # /dev/watchdog is a device of its own (10:130) whose directory in sysfs does not say nowayout
    assert nowayout_file(os.makedev(10, 130)) == Path("/sys/class/watchdog/watchdog0/nowayout")
    assert nowayout_file(os.makedev(247, 1)) == Path("/sys/dev/char/247:1/nowayout")


def test_it_is_let_go_as_the_groups_are():
    for is_clean in (True, False):
        device = Device()
        made, _ = feeder(device)
        made.tick(AT, True, True)
        made.close(is_clean)
        assert device.closed is is_clean


def test_without_one_configured_or_without_need_there_is_nothing_to_do():
    for made, word in ((feeder(configured=None)[0], "none"), (feeder(is_needed=False)[0], "")):
        made.tick(AT, True, True)
        made.close(True)
        assert (made.state.word, made.timeout_ns) == (word, 0)
