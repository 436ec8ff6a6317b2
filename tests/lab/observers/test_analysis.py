"""Outage and double ownership, from records made up so that the right answer is known."""

from ha_monitor.lab.observers.analysis import (
    double_kernel_ns,
    double_observer_ns,
    gap_after,
    longest_gap,
    longest_stall_ns,
)
from ha_monitor.lab.observers.records import Answer

MS = 1_000_000


def answered(host: str, from_ms: int, until_ms: int, every_ms: int = 1) -> list[Answer]:
    """Probes sent and answered at once, one each millisecond."""
    return [Answer(host, at * MS, at * MS) for at in range(from_ms, until_ms, every_ms)]


TAKEOVER = answered("pub2", 0, 1_000) + answered("pub3", 1_900, 5_000)


def test_outage_is_from_the_last_answer_before_to_the_first_after():
    gap = longest_gap(TAKEOVER, [], from_ns=1_000 * MS, until_ns=3_000 * MS, watched_ns=4_999 * MS)
    assert gap.outage_ns == (1_900 - 999) * MS
    assert gap.ended


def test_the_probes_own_stall_is_taken_out():
    stalls = [(1_100 * MS, 1_150 * MS), (1_890 * MS, 1_910 * MS)]
    gap = longest_gap(TAKEOVER, stalls, from_ns=1_000 * MS, until_ns=3_000 * MS, watched_ns=4_999 * MS)
    assert gap.stalled_ns == 60 * MS
    assert gap.outage_ns == (901 - 60) * MS


def test_stalls_of_several_parts_at_once_are_taken_out_once():
    stalls = [(1_100 * MS, 1_150 * MS), (1_110 * MS, 1_140 * MS), (1_120 * MS, 1_160 * MS)]
    gap = longest_gap(TAKEOVER, stalls, from_ns=1_000 * MS, until_ns=3_000 * MS, watched_ns=4_999 * MS)
    assert gap.stalled_ns == 60 * MS


def test_a_long_stall_does_not_hide_a_real_outage_elsewhere():
    answers = answered("pub2", 0, 1_000) + answered("pub2", 1_500, 2_000) + answered("pub2", 2_100, 3_000)
    stalls = [(1_000 * MS, 1_499 * MS)]
    gap = longest_gap(answers, stalls, from_ns=500 * MS, until_ns=2_900 * MS, watched_ns=2_999 * MS)
    assert (gap.from_ns, gap.outage_ns) == (1_999 * MS, 101 * MS)


def test_an_outage_that_nothing_ends_lasts_until_the_end_of_the_watch():
    gap = longest_gap(answered("pub2", 0, 1_000), [], 1_000 * MS, 3_000 * MS, 9_000 * MS)
    assert gap.outage_ns == (9_000 - 999) * MS
    assert not gap.ended


def test_without_any_answer_the_whole_window_is_an_outage():
    assert longest_gap([], [], 1_000 * MS, 3_000 * MS, 4_000 * MS).outage_ns == 3_000 * MS


def test_a_gap_before_the_fault_is_not_its_outage():
    answers = answered("pub2", 0, 100) + answered("pub2", 700, 5_000)
    assert longest_gap(answers, [], 1_000 * MS, 3_000 * MS, 4_999 * MS).outage_ns == MS


def test_a_gap_that_begins_after_the_healing_belongs_to_the_healing():
    answers = answered("pub2", 0, 3_000) + answered("pub2", 9_000, 13_000)
    assert longest_gap(answers, [], 1_000 * MS, 2_500 * MS, 12_999 * MS).outage_ns == MS
    assert gap_after(answers, [], 2_500 * MS, 12_999 * MS).outage_ns == 6_001 * MS


def test_of_a_gap_that_spans_the_healing_only_the_rest_counts_after_it():
    gap = gap_after(TAKEOVER, [], heal_ns=1_800 * MS, watched_ns=4_999 * MS)
    assert gap.outage_ns == 100 * MS


def test_one_after_the_other_is_no_double_ownership():
    assert double_observer_ns(TAKEOVER, 0, 5_000 * MS) == 0
    assert double_kernel_ns(TAKEOVER, [], 0, 5_000 * MS) == 0


def test_planted_double_ownership_is_seen_by_the_observer():
    answers = answered("pub2", 0, 1_000) + answered("pub3", 990, 2_000)
    assert double_observer_ns(answers, 0, 2_000 * MS) == 9 * MS


def test_the_observer_judges_by_the_time_of_sending():
    # Sent to the old host while the new one answered already, though the answer came at once.
    answers = [Answer("pub2", 10, 11), Answer("pub3", 20, 50), Answer("pub2", 30, 31)]
    assert double_observer_ns(answers, 0, 100) == 10


def test_planted_double_ownership_is_seen_by_the_kernels():
    answers = answered("pub2", 0, 1_000, every_ms=4) + answered("pub3", 900, 2_000, every_ms=4)
    assert double_kernel_ns(answers, [], 0, 2_000 * MS) == 96 * MS


def test_a_handover_inside_one_round_is_no_double_ownership():
    answers = [Answer("pub2", 0, 4), Answer("pub2", 8, 9), Answer("pub3", 11, 12), Answer("pub3", 15, 16)]
    assert double_kernel_ns(answers, [], 0, 100) == 0


def test_a_stall_of_the_asker_does_not_cut_a_span_in_two():
    answers = [Answer("pub2", 0, 1 * MS), Answer("pub2", 50 * MS, 51 * MS), Answer("pub3", 30 * MS, 31 * MS)]
    assert double_kernel_ns(answers, [], 0, 100 * MS) == 0
    assert double_kernel_ns(answers, [(2 * MS, 49 * MS)], 0, 100 * MS) == 1 * MS


def test_a_node_that_returns_much_later_was_not_there_in_between():
    answers = [
        Answer("pub2", 0, 1 * MS),
        Answer("pub3", 500 * MS, 501 * MS),
        Answer("pub2", 900 * MS, 901 * MS),
    ]
    assert double_kernel_ns(answers, [], 0, 1_000 * MS) == 0


def test_the_longest_stall_of_the_window_is_told():
    assert longest_stall_ns([(0, 5), (10, 12), (50, 90)], from_ns=8, until_ns=40) == 2
