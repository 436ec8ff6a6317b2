"""Takeovers and long gaps are told from answers, and the machine's stall beside each decides about it."""

import pytest

from ha_monitor.lab.load.judge import Answers, Gap, event_of, judge, longest, overlap, total
from ha_monitor.lab.observers.records import Answer

MS, SECOND = 10**6, 10**9
T0 = 100 * SECOND
LEASE = SECOND


def answers(*told):
    """Each as (milliseconds after T0, host)."""
    found = Answers()
    found.add(Answer(host, T0 + int(ms * MS), T0 + int(ms * MS)) for ms, host in told)
    return found


def report(found, stalls=(), own=(), until_ms=60_000):
    return judge("ha-monitor", "lan", LEASE, found, own, stalls, (T0, T0 + until_ms * MS))


def stall(from_ms, length_ms):
    return T0 + from_ms * MS, T0 + (from_ms + length_ms) * MS


def test_another_host_that_answers_is_a_takeover_however_short_the_gap():
    (gap,) = answers((0, "pub2"), (1, "pub2"), (2, "pub3"), (3, "pub3")).gaps
    assert gap == Gap(T0 + MS, T0 + 2 * MS, "pub2", "pub3")
    assert gap.is_takeover


def test_a_gap_of_one_host_counts_from_a_tenth_of_a_second():
    assert answers((0, "pub2"), (100, "pub2")).gaps == []
    (gap,) = answers((0, "pub2"), (100.001, "pub2")).gaps
    assert not gap.is_takeover


def test_answers_that_come_in_portions_make_the_same_gaps():
    found = answers((0, "pub2"))
    found.add([Answer("pub3", T0 + MS, T0 + MS)])
    assert (len(found.gaps), found.count) == (1, 2)


def test_a_takeover_beside_no_stall_is_unexplained():
    seen = report(answers((0, "pub2"), (2000, "pub3")))
    assert (seen.takeovers, seen.explained, seen.unexplained, seen.interruptions) == (1, 0, 1, 0)
    assert seen.events == [
        {
            "after_s": 2.0,
            "host_from": "pub2",
            "host_to": "pub3",
            "outage_ms": 2000.0,
            "stall_ms": 0.0,
            "is_explained": False,
        }
    ]


@pytest.mark.parametrize(
    ("stall_", "is_explained"),
    [
        (stall(100, 501), True),  # during the gap
        (stall(100, 500), False),  # half a Lease and no more
        (stall(-1400, 501), True),  # reaches into the Lease before the last answer
        (stall(-1600, 501), False),  # was over before
        (stall(1500, 900), False),  # came after the new Owner's first answer
    ],
)
def test_only_a_stall_of_more_than_half_the_lease_beside_it_explains_a_takeover(stall_, is_explained):
    gap = Gap(T0, T0 + 1200 * MS, "pub2", "pub3")
    assert event_of(gap, LEASE, [], [stall_], T0).is_explained is is_explained


def test_what_the_observer_itself_missed_is_no_outage():
    seen = report(answers((0, "pub2"), (300, "pub2")), own=[stall(10, 250)])
    assert (seen.interruptions, seen.events) == (0, [])
    seen = report(answers((0, "pub2"), (300, "pub2")), own=[stall(10, 100)])
    assert (seen.interruptions, seen.events[0]["outage_ms"]) == (1, 200.0)


def test_what_happened_outside_the_time_does_not_count():
    seen = report(answers((0, "pub2"), (70_000, "pub2"), (70_001, "pub3")), own=[stall(0, 69_950)])
    assert seen.takeovers == 0


def test_stalls_are_counted_from_half_a_lease():
    seen = report(answers((0, "pub2")), stalls=[stall(10, 600), stall(5000, 40), stall(90_000, 5000)])
    assert (seen.stalls, seen.worst_stall_ms) == (1, 600.0)


def test_the_longest_stall_that_touches_a_window_counts_as_a_whole():
    assert longest([(0, 10), (5, 40), (100, 900)], (8, 30)) == 35
    assert longest([], (8, 30)) == 0


def test_overlaps_are_never_longer_than_the_gap():
    assert overlap([(0, 10), (0, 10)], Gap(0, 10, "a", "b")) == 10


def test_reports_under_one_load_are_summed():
    one = report(answers((0, "pub2"), (2000, "pub3")))
    assert total([one, one]) == {
        "takeovers": 2,
        "explained": 0,
        "unexplained": 2,
        "interruptions": 0,
        "seconds": 60,
    }
