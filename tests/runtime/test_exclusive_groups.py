"""The guard's care for exclusive groups, with a clock of the test's own and no process."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest

from ha_monitor.model import Watchdog
from ha_monitor.runtime import exclusive
from ha_monitor.runtime.exclusive import ExclusiveGroups
from ha_monitor.runtime.watchdog import Feeder
from ha_monitor.timebase import MS, SECOND
from tests.core.world import command, pair, www

AT = 1_000 * SECOND
STOP_WITHIN, TIMEOUT = 5 * SECOND, 2 * SECOND


class FakeEnding:
    """Ends when the test says so."""

    can_end = True

    def __init__(self, *_):
        self.trouble, self.watched, self.due_ns = "busy", [], None

    def advance(self, _at_ns):
        return FakeEnding.can_end


def exclusive_group():
    return www(command("db"), exclusive=True, stop_within_ns=STOP_WITHIN)


def no_memory(*_):
    raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


class Groups:
    def __init__(self, monkeypatch, *configured):
        self.told, self.lines, self.looks = [], [], []
        FakeEnding.can_end = True
        monkeypatch.setattr(exclusive, "Ending", FakeEnding)
        monkeypatch.setattr(exclusive, "ending_steps", lambda m, c, looks: self.looks.append(looks))
        monkeypatch.setattr(exclusive.Cgroup, "make", lambda _: None)
        monkeypatch.setattr(exclusive, "Feeder", self._feeder)
        watchdog = Watchdog("/dev/watchdog", TIMEOUT)
        self.config = pair(*(configured or (exclusive_group(),)), watchdog=watchdog)
        self.care = ExclusiveGroups(self.config, "pub2", self.told.append, self._log)

    def _feeder(self, configured, log, is_needed):
        return Feeder(configured, log, lambda *_: None, is_needed)

    def _log(self, level, line):
        self.lines.append((level, line))

    def started(self):
        """As after a start of the daemon."""
        self.care.feeder.tick = lambda *_: None
        self.care.end_all(lambda: AT)
        self.told.clear()
        self.looks.clear()
        return self.care

    def tick(self, at_ns):
        """With a clock that stands still meanwhile."""
        self.care.tick(at_ns, lambda: at_ns)

    def kinds(self):
        return [m["kind"] for m in self.told]


@pytest.fixture
def groups(monkeypatch):
    return Groups(monkeypatch)


def test_a_guard_that_has_just_started_proves_before_it_believes(groups):
    groups.care.feeder.tick = lambda *_: None
    assert not groups.care.is_clean
    assert not groups.care.may_feed(AT)
    groups.care.end_all(lambda: AT)
    assert groups.looks == [True]
    assert groups.care.is_clean


def test_a_lease_that_is_renewed_is_left_alone(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    assert groups.kinds() == ["group-guarded"]
    for at in range(10):
        care.take_lease("www", AT + (at + 2) * SECOND, False, AT + at * SECOND)
        groups.tick(AT + at * SECOND)
    assert groups.looks == []


def test_a_lease_that_is_not_renewed_is_ended_without_a_look_first(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    groups.tick(AT + SECOND)
    assert groups.looks == []
    groups.tick(AT + SECOND + 1)
    assert groups.looks == [False]
    assert groups.told[-1] == {"kind": "group-ended", "group": "www", "is_ended": True, "detail": ""}
    assert care.is_clean


def test_the_core_may_ask_for_the_proof_of_a_stop_that_it_carried_out(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    care.take_end("www", AT + 1)
    groups.tick(AT + 2)
    assert groups.looks == [True]
    assert groups.told[-1]["is_ended"]


def test_the_watchdog_is_fed_for_as_long_as_a_reset_would_still_be_in_time(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    FakeEnding.can_end = False
    end_by_ns = AT + SECOND + int(STOP_WITHIN * 0.999)
    assert care.may_feed(end_by_ns - TIMEOUT)
    assert not care.may_feed(end_by_ns - TIMEOUT + 1)
    groups.tick(AT + 2 * SECOND)
    FakeEnding.can_end = True
    groups.tick(AT + 3 * SECOND)
    assert care.may_feed(AT + 100 * SECOND), "proved ended: nothing is left to protect"


def is_fed_for_lease_until(care, until_ns):
    last_ns = until_ns + int(STOP_WITHIN * 0.999) - TIMEOUT
    return care.may_feed(last_ns) and not care.may_feed(last_ns + 1)


def test_the_watchdog_is_fed_for_a_lease_that_is_renewed_while_an_ordered_end_takes_long(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    FakeEnding.can_end = False
    care.take_end("www", AT)
    for at in range(10):
        care.take_lease("www", AT + (at + 1) * SECOND, False, AT + at * SECOND)
        groups.tick(AT + at * SECOND)
    assert is_fed_for_lease_until(care, AT + 10 * SECOND)
    failures = [m for m in groups.told if m["kind"] == "group-ended"]
    assert [m["is_ended"] for m in failures] == [False], "people hear of it in time all the same"
    FakeEnding.can_end = True
    groups.tick(AT + 10 * SECOND)
    care.take_lease("www", AT + 11 * SECOND, True, AT + 10 * SECOND)
    assert is_fed_for_lease_until(care, AT + 11 * SECOND), "nothing is left of the Lease before"


def test_a_lease_that_was_over_before_it_was_renewed_is_not_fed_for_any_longer(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    FakeEnding.can_end = False
    care.take_end("www", AT)
    care.take_lease("www", AT + 9 * SECOND, False, AT + SECOND + 1)
    assert is_fed_for_lease_until(care, AT + SECOND)


def test_a_lease_whose_renewal_was_missed_is_not_fed_for_any_longer(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    FakeEnding.can_end = False
    groups.tick(AT + SECOND + 1)
    care.take_lease("www", AT + 9 * SECOND, False, AT + SECOND + 2)
    assert is_fed_for_lease_until(care, AT + SECOND)


def test_a_lease_that_waits_for_the_end_of_the_one_before_is_not_fed_for(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    FakeEnding.can_end = False
    care.take_end("www", AT)
    care.take_lease("www", AT + 2 * SECOND, True, AT + 1)
    care.take_lease("www", AT + 3 * SECOND, False, AT + 2)
    assert is_fed_for_lease_until(care, AT + SECOND)


class SlowForks:
    """A clock that goes on whenever a group's end is begun or taken further."""

    def __init__(self, monkeypatch, at_ns, cost_ns):
        self.at_ns, self.cost_ns = at_ns, cost_ns
        monkeypatch.setattr(FakeEnding, "advance", self._advance)

    def __call__(self):
        return self.at_ns

    def _advance(self, _at_ns):
        self.at_ns += self.cost_ns
        return False


def test_the_watchdog_is_fed_by_the_clock_as_it_is_after_the_forks(groups, monkeypatch):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    last_ns = AT + SECOND + int(STOP_WITHIN * 0.999) - TIMEOUT
    now, fed = SlowForks(monkeypatch, last_ns - MS, cost_ns=MS), []
    care.feeder.tick = lambda _at_ns, may_feed, _is_clean: fed.append(may_feed)
    care.tick(now(), now)
    assert fed == [False]


def test_a_renewal_that_waits_to_be_read_while_another_group_is_ended_is_not_missed(monkeypatch):
    www_group = exclusive_group()
    groups = Groups(monkeypatch, www_group, replace(www_group, name="data"))
    care = groups.started()
    care.take_lease("www", AT + 2 * MS, True, AT)
    care.take_lease("data", AT + 200 * MS, True, AT)
    now = SlowForks(monkeypatch, AT + 3 * MS, cost_ns=SECOND)
    care.tick(now(), now)
    assert [line for _, line in groups.lines] == ["group www: its Lease was not renewed; the guard ends it"]


def test_a_cgroup_that_cannot_be_made_is_told_once_and_tried_again_when_the_core_asks_again(
    groups, monkeypatch
):
    care = groups.started()
    monkeypatch.setattr(exclusive.Cgroup, "make", no_memory)
    care.take_lease("www", AT + SECOND, True, AT)
    care.take_lease("www", AT + 2 * SECOND, True, AT + SECOND)
    assert groups.told == []
    assert care.is_clean
    expected = "group www: its cgroup cannot be made, so nothing starts: Cannot allocate memory"
    assert groups.lines == [("error", expected)]
    monkeypatch.setattr(exclusive.Cgroup, "make", lambda _: None)
    care.take_lease("www", AT + 3 * SECOND, True, AT + 2 * SECOND)
    assert groups.kinds() == ["group-guarded"]
    assert not care.is_clean


def test_a_cgroup_that_cannot_be_made_for_the_next_lease_does_not_end_the_guard(groups, monkeypatch):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    FakeEnding.can_end = False
    care.take_end("www", AT)
    care.take_lease("www", AT + 3 * SECOND, True, AT + 1)
    monkeypatch.setattr(exclusive.Cgroup, "make", no_memory)
    FakeEnding.can_end = True
    groups.tick(AT + 2)
    assert groups.kinds() == ["group-guarded", "group-ended"]
    assert care.is_clean


def test_what_is_not_ended_in_time_is_told_once_and_tried_on(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    FakeEnding.can_end = False
    for at in range(1, 20):
        groups.tick(AT + at * SECOND)
    failures = [m for m in groups.told if m["kind"] == "group-ended"]
    assert failures == [{"kind": "group-ended", "group": "www", "is_ended": False, "detail": "busy"}]
    FakeEnding.can_end = True
    groups.tick(AT + 20 * SECOND)
    assert groups.told[-1]["is_ended"]


def test_a_new_lease_waits_for_the_end_of_the_one_before(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    FakeEnding.can_end = False
    groups.tick(AT + 2 * SECOND)
    groups.told.clear()
    care.take_lease("www", AT + 5 * SECOND, True, AT + 2 * SECOND)
    assert groups.told == []
    FakeEnding.can_end = True
    groups.tick(AT + 3 * SECOND)
    assert groups.kinds() == ["group-ended", "group-guarded"]
    assert not care.is_clean


def test_a_lease_that_ended_meanwhile_is_not_guarded(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    FakeEnding.can_end = False
    groups.tick(AT + 2 * SECOND)
    care.take_lease("www", AT + 3 * SECOND, True, AT + 2 * SECOND)
    FakeEnding.can_end = True
    groups.tick(AT + 4 * SECOND)
    assert groups.told[-1]["kind"] == "group-ended"
    assert care.is_clean


def test_a_core_that_takes_its_lease_up_again_interrupts_nothing(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    care.take_lease("www", AT + 2 * SECOND, True, AT + SECOND)
    assert groups.kinds() == ["group-guarded"] * 2
    assert groups.looks == []


def test_a_lease_won_after_the_last_one_ran_out_unseen_begins_with_an_end(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    care.take_lease("www", AT + 9 * SECOND, True, AT + 2 * SECOND)
    assert groups.looks == [False]
    groups.tick(AT + 2 * SECOND)
    assert groups.kinds() == ["group-guarded", "group-ended", "group-guarded"]


def test_renewals_of_a_group_on_its_way_out_do_not_bring_it_back(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    FakeEnding.can_end = False
    care.take_end("www", AT + 1)
    care.take_lease("www", AT + 2 * SECOND, False, AT + 2)
    FakeEnding.can_end = True
    groups.tick(AT + 3)
    care.take_lease("www", AT + 3 * SECOND, False, AT + 4)
    assert care.is_clean
    assert groups.kinds() == ["group-guarded", "group-ended"]


def test_an_end_of_the_daemon_waits_for_stop_within_and_no_longer(groups):
    care = groups.started()
    care.take_lease("www", AT + SECOND, True, AT)
    FakeEnding.can_end = False
    clock = iter(range(AT, AT + 100 * SECOND, SECOND // 10))
    care.end_all(lambda: next(clock))
    assert next(clock) <= AT + STOP_WITHIN + SECOND
    assert not care.is_clean


def test_a_new_core_is_told_of_the_watchdog_again(groups):
    care = groups.started()
    groups.tick(AT + 1)
    assert groups.told == []
    care.tell_again()
    groups.tick(AT + 2)
    assert groups.kinds() == ["watchdog"]


def test_a_group_that_may_not_be_owned_here_is_ended_as_soon_as_it_is_asked(monkeypatch):
    groups = Groups(monkeypatch)
    care = ExclusiveGroups(groups.config, "mon", groups.told.append, groups._log)
    care.take_end("www", AT)
    assert groups.told[-1]["is_ended"]
    assert care.is_clean
    assert care.may_feed(AT)


def test_the_guard_wakes_when_a_lease_ends(groups):
    care = groups.started()
    assert care.due_ns() is None
    care.take_lease("www", AT + 700 * MS, True, AT)
    assert care.due_ns() == AT + 700 * MS
