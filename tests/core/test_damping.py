"""The record of a group's moves and the hold-down of a Node, moment by moment."""

from ha_monitor.core.damping import FORGIVEN_AFTER_NS, History, HoldDown, long_ns
from ha_monitor.model import Ballot, Cause, Timing
from ha_monitor.timebase import MS, SECOND

T0 = 1_000 * SECOND
LONG = long_ns(Timing())


def failed(times, at_ns=T0):
    down = HoldDown()
    for _ in range(times):
        down.note("start failed", at_ns)
    return down


def epoch(number):
    return Ballot(number, 0, 7)


def passed(*nodes, each_ns=SECOND, cause=Cause.START_FAILED, served_ns=0):
    """The group goes from Node to Node, each having it for a while."""
    history, at_ns = History(), T0
    for number, node in enumerate(nodes, 1):
        history.see(node, epoch(number), served_ns > 0, cause, at_ns)
        history.see(node, epoch(number), served_ns > 0, cause, at_ns + served_ns)
        at_ns += each_ns + served_ns
        history.see_end(node, epoch(number), cause, at_ns)
    return history


def test_a_hold_down_doubles_with_each_failure_up_to_an_hour():
    lengths = [(failed(n).until_ns(is_alone=False) - T0) // SECOND for n in range(1, 9)]
    assert lengths == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_a_node_that_is_alone_is_held_down_for_seconds_and_a_minute_at_most():
    lengths = [(failed(n).until_ns(is_alone=True) - T0) // SECOND for n in (1, 2, 3, 4, 5, 1000)]
    assert lengths == [5, 10, 20, 40, 60, 60]


def test_a_hold_down_ends_at_its_end_and_not_before():
    down = failed(1)
    assert down.reason_at(T0 + 60 * SECOND - 1, is_alone=False) == "start failed"
    assert down.reason_at(T0 + 60 * SECOND, is_alone=False) == ""


def test_having_the_group_again_ends_a_hold_down_but_forgives_nothing():
    down = failed(2)
    down.end()
    assert down.reason_at(T0, is_alone=False) == ""
    down.note("again", T0)
    assert down.until_ns(is_alone=False) == T0 + 240 * SECOND


def test_running_long_enough_forgives_and_a_break_in_it_does_not():
    down = failed(3)
    down.end()
    down.see(True, T0)
    down.see(False, T0 + FORGIVEN_AFTER_NS - 1)
    down.see(True, T0 + FORGIVEN_AFTER_NS)
    assert down.failures == 3
    down.see(True, T0 + 2 * FORGIVEN_AFTER_NS)
    assert down.failures == 0


def test_the_first_owner_that_is_seen_is_no_move():
    assert passed("pub2").count(3600 * SECOND, T0 + SECOND) == 0
    assert passed("pub2", "pub3").count(3600 * SECOND, T0 + SECOND) == 1


def test_moves_older_than_the_window_do_not_count():
    history = passed("pub2", "pub3")
    assert history.count(10 * SECOND, T0 + SECOND + 10 * SECOND - 1) == 1
    assert history.count(10 * SECOND, T0 + SECOND + 10 * SECOND) == 0


def test_what_an_operator_ordered_is_counted_but_not_held_against_the_group():
    for cause in (Cause.SWITCHOVER_ORDERED, Cause.STANDBY_ORDERED, Cause.DAEMON_STOPPED):
        history = passed("pub2", "pub3", "pub2", cause=cause)
        assert history.count(3600 * SECOND, T0 + 9 * SECOND) == 2
        assert history.unasked(3600 * SECOND, T0 + 9 * SECOND) == []


def test_a_failback_is_a_move_that_nobody_ordered():
    assert len(passed("pub2", "pub3", cause=Cause.FAILBACK).unasked(3600 * SECOND, T0 + 9 * SECOND)) == 1


def test_nodes_that_pass_a_group_round_without_serving_it_are_a_livelock():
    history = passed("pub2", "pub3", "pub2", "pub3")
    assert [s.node for s in history.passed_round(4, LONG, T0 + 5 * SECOND)] == ["pub2", "pub3"] * 2
    assert history.passed_round(5, LONG, T0 + 5 * SECOND) == []


def test_one_that_served_it_for_long_breaks_the_round():
    assert passed("a", "b", "a", "b", served_ns=LONG - 1).passed_round(4, LONG, T0 + 60 * SECOND)
    assert not passed("a", "b", "a", "b", served_ns=LONG).passed_round(4, LONG, T0 + 60 * SECOND)


def test_a_round_is_judged_when_its_last_stint_is_over():
    history = passed("a", "b", "a", "b")
    history.see("b", epoch(5), False, Cause.START_FAILED, T0 + 6 * SECOND)  # tries once more
    assert history.passed_round(4, LONG, T0 + 6 * SECOND) == []


def test_one_node_that_tries_again_and_again_passes_nothing_round():
    assert len(passed("a", "a", "a", "a").stints) == 1


def test_a_round_that_took_long_is_no_livelock():
    assert passed("a", "b", "a", "b", each_ns=200 * SECOND).passed_round(4, LONG, T0 + 800 * SECOND) == []


def test_an_order_of_an_operator_ends_a_series():
    history = passed("a", "b", "a")
    history.see("b", epoch(5), True, Cause.START_FAILED, T0 + 4 * SECOND)
    history.see_end("b", epoch(5), Cause.SWITCHOVER_ORDERED, T0 + 5 * SECOND)
    assert history.passed_round(4, LONG, T0 + 5 * SECOND) == []


def test_what_an_operator_has_answered_counts_no_more():
    history = passed("a", "b", "a", "b")
    history.forget(T0 + 5 * SECOND)
    assert history.unasked(3600 * SECOND, T0 + 6 * SECOND) == []
    assert history.passed_round(4, LONG, T0 + 6 * SECOND) == []
    assert history.count(3600 * SECOND, T0 + 6 * SECOND) == 3  # it did happen


def test_the_longest_service_in_a_row_counts_not_the_sum():
    history = passed("a")
    for at_ns in range(T0, T0 + 10 * SECOND, SECOND):
        history.see("a", epoch(5), True, Cause.LEASE_LOST, at_ns)
        history.see("a", epoch(5), False, Cause.LEASE_LOST, at_ns + 500 * MS)
    assert history.stints[-1].served_ns == 0
    assert history.last_good(LONG) == ""


def test_the_last_good_owner_is_the_last_that_served_it_for_long():
    history = passed("pub2", "pub3", served_ns=LONG)
    history.see("pub2", epoch(5), False, Cause.NODE_SILENT, T0 + 100 * SECOND)
    assert history.last_good(LONG) == "pub3"


def test_a_stint_of_which_only_the_end_was_heard_counts():
    history = passed("a")
    history.see_end("b", epoch(2), Cause.START_FAILED, T0 + 2 * SECOND)
    assert [stint.node for stint in history.stints] == ["a", "b"]


def test_what_is_said_again_or_comes_late_is_no_further_stint():
    history = passed("a", "b")
    history.see_end("a", epoch(1), Cause.START_FAILED, T0 + 3 * SECOND)
    history.see("a", epoch(1), True, Cause.START_FAILED, T0 + 3 * SECOND)
    history.see("b", epoch(2), True, Cause.START_FAILED, T0 + 3 * SECOND)
    assert [(stint.node, stint.end) for stint in history.stints] == [
        ("a", Cause.START_FAILED),
        ("b", Cause.START_FAILED),
    ]


def test_the_record_is_bounded():
    history = passed(*(["a", "b"] * 2000))
    assert (len(history.moves), len(history.stints)) == (1000, 32)
