"""Double ownership, moves and gaps of programs that may move an address there and back."""

from collections.abc import Iterator

from ha_monitor.lab.compare.judge import missed_ns, mixed_answers_ns, moves
from ha_monitor.lab.observers.records import Answer

MS = 1_000_000
END = 10_000 * MS


def answered(host: str, from_ms: int, until_ms: int, every_ms: int = 1) -> Iterator[Answer]:
    for at_ms in range(from_ms, until_ms, every_ms):
        yield Answer(host, at_ms * MS, at_ms * MS + 100_000)


def test_moving_there_and_back_is_no_double_ownership():
    answers = [*answered("a", 0, 1000), *answered("b", 2000, 3000), *answered("a", 3001, 4000)]
    assert mixed_answers_ns(answers, 0, END) == 0
    assert moves(answers, 0, END) == 2


def test_answers_of_both_in_turn_are_double_ownership():
    mixed = [*answered("a", 0, 1000), *answered("a", 1000, 1500, 20), *answered("b", 1000, 3000)]
    assert mixed_answers_ns(mixed, 0, END) == 480 * MS
    assert mixed_answers_ns(mixed, 1200 * MS, END) == 280 * MS


def test_one_host_alone_never_moves():
    assert moves(answered("a", 0, 5000), 0, END) == 0
    assert mixed_answers_ns(answered("a", 0, 5000), 0, END) == 0
    assert moves([], 0, END) == 0


def test_all_gaps_count_together_without_the_noise_and_the_probes_own_stalls():
    answers = [*answered("a", 0, 1000), *answered("a", 1010, 2000), *answered("a", 2500, 3000)]
    assert missed_ns(answers, [], 0, 2999 * MS) // MS == 501
    assert missed_ns(answers, [(2000 * MS, 2300 * MS), (2100 * MS, 2300 * MS)], 0, 2999 * MS) // MS == 201


def test_silence_until_the_end_counts():
    assert missed_ns(answered("a", 0, 1000), [], 0, 3000 * MS) // MS == 2000
