"""How bad a value is: at once, after a time, by a counter's rise."""

from ha_monitor.publish.declare import Above, Alarm, Below, Fact, Level, Rose, Severity
from ha_monitor.publish.facts import CATALOGUE
from ha_monitor.publish.judge import S_NS, Judge

SERVICE = CATALOGUE[0].service


def fact(*alarms):
    return Fact("ha.x", SERVICE, "X", "X.", lambda s: 0, alarms=alarms)


def alarm(test, level=Level.WARNING, hold_s=0):
    return Alarm(test, "bad", level, Severity.WARNING, "Do.", hold_s)


def levels(judge, f, readings, others=None):
    return [judge.judge(("h", ()), f, value, others or {}, at * S_NS).level for at, value in readings]


def test_a_limit_itself_is_not_bad():
    f = fact(alarm(Above(20), Level.CRITICAL), alarm(Above(5)))
    assert levels(Judge(), f, [(0, 5), (1, 5.1), (2, 20), (3, 20.1)]) == [0, 1, 1, 2]


def test_below_another_fact_and_an_unknown_one_accuses_nobody():
    f = fact(alarm(Below("ha.y")))
    assert levels(Judge(), f, [(0, 1)], {"ha.y": 2}) == [1]
    assert levels(Judge(), f, [(0, 2)], {"ha.y": 2}) == [0]
    assert levels(Judge(), f, [(0, 1)]) == [0]


def test_what_must_hold_is_silent_until_it_has_held_and_starts_anew_after_a_good_value():
    f = fact(alarm(Below(1), Level.CRITICAL, hold_s=60))
    assert levels(Judge(), f, [(0, 0), (59, 0), (60, 0), (61, 1), (62, 0), (121, 0), (122, 0)]) == [
        0,
        0,
        2,
        0,
        0,
        0,
        2,
    ]


def test_the_time_it_waits_is_told():
    f = fact(alarm(Below(1), hold_s=60))
    judge = Judge()
    judge.judge(("h", ()), f, 0, {}, 0)
    assert judge.judge(("h", ()), f, 0, {}, 12 * S_NS).waiting_s == 12


def test_a_counter_alarms_for_a_while_after_it_rose():
    f = fact(alarm(Rose(0, 600)))
    readings = [(0, 5), (10, 5), (20, 6), (300, 6), (600, 6), (660, 6)]
    assert levels(Judge(), f, readings) == [0, 0, 1, 1, 1, 0]


def test_a_counter_that_starts_anew_counts_from_zero():
    f = fact(alarm(Rose(2, 600)))
    assert levels(Judge(), f, [(0, 100), (10, 2), (20, 3)]) == [0, 0, 1]


def test_a_slow_counter_stays_quiet():
    f = fact(alarm(Rose(10, 600)))
    assert set(levels(Judge(), f, [(at, at // 100) for at in range(0, 6000, 10)])) == {Level.OK}


def test_subjects_are_judged_apart():
    f = fact(alarm(Below(1), hold_s=60))
    judge = Judge()
    assert judge.judge(("h", ("a",)), f, 0, {}, 0).level is Level.OK
    assert judge.judge(("h", ("b",)), f, 0, {}, 60 * S_NS).level is Level.OK
    assert judge.judge(("h", ("a",)), f, 0, {}, 60 * S_NS).level is Level.WARNING
