"""The guard's care for worker and publisher, when one of them cannot even be started."""

from types import SimpleNamespace

from ha_monitor.runtime.children import BackOff
from ha_monitor.runtime.helpers import Helpers
from ha_monitor.timebase import SECOND


class Unstartable:
    """A generation whose publisher the kernel refuses to start."""

    def __init__(self):
        self.roles = ("publisher",)
        self.children = {}
        self.back_off = {"publisher": BackOff()}
        self.attempts = 0

    def start(self, role, _now):
        self.attempts += 1
        raise PermissionError(13, "Permission denied", "/root/python3")


def test_a_process_that_cannot_be_started_is_told_and_tried_again_later_and_ends_nothing():
    told, logged, clock = [], [], SimpleNamespace(now=1000 * SECOND)
    helpers = Helpers(told.append, lambda *line: logged.append(line), lambda: clock.now)
    generation = Unstartable()
    for _ in range(100):
        helpers.keep(generation)
        clock.now += SECOND // 10
    assert 2 < generation.attempts < 12  # within ten seconds: later and later
    assert told == []
    assert logged[0][0] == "error"
    assert "publisher cannot be started: [Errno 13] Permission denied: '/root/python3'" in logged[0][1]
