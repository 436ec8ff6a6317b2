from __future__ import annotations

import pytest

from ha_monitor.runtime.pulse import UNANSWERED_AT_START_MAX, UNANSWERED_MAX, Pulse


class Sent(list):
    def send(self, message):
        self.append(message)


@pytest.fixture
def guard():
    return Sent()


@pytest.fixture
def pulse(guard):
    return Pulse("worker", Sent(), guard)


def ask(pulse, times):
    for _ in range(times):
        pulse.beat(0)


def test_one_that_stops_answering_is_told_to_hang(pulse, guard):
    pulse.started()
    pulse.answered({})
    ask(pulse, UNANSWERED_MAX)
    assert guard == []
    ask(pulse, 1)
    assert guard == [{"kind": "hangs", "role": "worker"}]


def test_one_that_starts_slowly_is_not_killed_and_started_again_and_again(pulse, guard):
    pulse.started()
    ask(pulse, UNANSWERED_AT_START_MAX)
    assert guard == []
    pulse.answered({})
    ask(pulse, UNANSWERED_MAX)
    assert guard == []


def test_one_that_never_answers_after_its_start_is_told_to_hang_at_last(pulse, guard):
    pulse.started()
    ask(pulse, UNANSWERED_AT_START_MAX + 1)
    assert guard == [{"kind": "hangs", "role": "worker"}]


def test_each_new_one_has_time_for_its_start(pulse, guard):
    for _ in range(3):
        pulse.started()
        pulse.answered({})
        pulse.ended()
        pulse.started()
        ask(pulse, UNANSWERED_AT_START_MAX)
    assert guard == []


def test_nobody_is_asked_where_nobody_is(pulse, guard):
    ask(pulse, UNANSWERED_AT_START_MAX + 1)
    assert guard == []
