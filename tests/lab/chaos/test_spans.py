"""Who answered when, from records made up so that the right answer is known."""

from ha_monitor.lab.chaos.spans import Change, KernelTrack, ProbeTrack
from ha_monitor.lab.observers.records import Answer

MS = 1_000_000
ALWAYS = (0, 10_000 * MS)


def answered(host, from_ms, until_ms, every_ms=4):
    return [Answer(host, at * MS, at * MS) for at in range(from_ms, until_ms, every_ms)]


def kernel(*answers, stalls=()):
    track = KernelTrack()
    track.take([a for part in answers for a in part], stalls)
    return track


def probe(*parts):
    track = ProbeTrack()
    for part in parts:
        track.take(part)
    return track


def test_one_kernel_after_the_other_is_no_double_ownership():
    track = kernel(answered("pub2", 0, 1000), answered("pub3", 1020, 2000))
    assert track.double_ns(*ALWAYS) == 0
    assert [len(spans) for spans in track.spans.values()] == [1, 1]


def test_planted_double_ownership_is_seen_by_the_kernels():
    track = kernel(answered("pub2", 0, 1000), answered("pub3", 900, 2000))
    assert track.double_ns(*ALWAYS) == 96 * MS
    assert track.double_ns(950 * MS, 10_000 * MS) == 46 * MS


def test_records_taken_in_pieces_make_the_same_spans():
    track = KernelTrack()
    for at in range(0, 1000, 100):
        track.take(answered("pub2", at, at + 100), ())
    assert len(track.spans["pub2"]) == 1


def test_a_kernel_that_was_silent_for_longer_than_three_rounds_begins_anew():
    assert len(kernel(answered("pub2", 0, 100), answered("pub2", 120, 200)).spans["pub2"]) == 2


def test_a_stall_of_the_asker_is_no_silence():
    track = kernel(answered("pub2", 0, 100), answered("pub2", 150, 200), stalls=[(99 * MS, 149 * MS)])
    assert len(track.spans["pub2"]) == 1


def test_a_return_that_a_transition_tells_of_is_no_double_ownership():
    track = probe(answered("pub2", 0, 100), answered("pub3", 200, 300), answered("pub2", 400, 500))
    back = Change("pub3", "pub2", 296 * MS, 400 * MS)
    assert track.changes(*ALWAYS)[1] == back
    assert track.double_ns(*ALWAYS, [back]) == 0


def test_a_return_that_nobody_tells_of_is_double_ownership():
    track = probe(answered("pub2", 0, 100), answered("pub3", 100, 150), answered("pub2", 150, 200))
    assert track.double_ns(*ALWAYS, []) == 50 * MS


def test_gaps_without_an_answer_are_kept():
    track = probe(answered("pub2", 0, 1000), answered("pub3", 1900, 2500))
    assert track.longest_gap_ns(900 * MS, 3000 * MS) == 904 * MS
    assert track.longest_gap_ns(2000 * MS, 3000 * MS) == 0


def test_who_answered_long_ago_answers_no_more():
    track = probe(answered("pub2", 0, 1000))
    assert track.owner(900 * MS) == "pub2"
    assert track.owner(1100 * MS) is None
