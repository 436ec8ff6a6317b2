"""Replay window, and which life of a peer is believed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ha_monitor.errors import PacketRejected
from ha_monitor.wire.replay import RETIRED_MAX, WINDOW, Lives, ReplayWindow, Standing

OLD, NEW, OTHER = 11, 22, 33
SILENCE, PATIENCE = 1000, 300


class Peer:
    """Feeds one peer's packets to its Lives with sequences that rise by themselves."""

    def __init__(self):
        self.lives = Lives(SILENCE, PATIENCE)
        self.sequence = 0

    def says(self, life, at, *, names_us=True, echo=0):
        self.sequence += 1
        return self.lives.admit(life, "lan", self.sequence, names_us=names_us, echo_ns=echo, at_ns=at)


@pytest.fixture
def peer():
    return Peer()


@given(st.lists(st.integers(0, 3000), max_size=200))
def test_no_number_is_admitted_twice_and_none_in_the_window_is_lost(numbers):
    window, admitted = ReplayWindow(), set()
    for number in numbers:
        is_expected = number > 0 and number not in admitted and number > max(admitted, default=0) - WINDOW
        assert window.is_new(number) is is_expected
        if is_expected:
            window.admit(number)
            admitted.add(number)
    assert window.seen < 1 << WINDOW


def test_a_reserved_number_is_admitted_once_and_no_longer_than_the_window():
    window = ReplayWindow()
    window.admit(1 + WINDOW - 1)
    window.admit(1)
    with pytest.raises(PacketRejected, match="replay"):
        window.admit(1)
    late = ReplayWindow()
    late.admit(1 + WINDOW)
    with pytest.raises(PacketRejected, match="replay"):
        late.admit(1)


def test_the_first_life_that_names_us_is_believed(peer):
    assert peer.says(NEW, 1) is Standing.BELIEVED


def test_a_life_that_does_not_name_us_is_a_greeting_and_gets_named(peer):
    assert peer.says(NEW, 1, names_us=False) is Standing.GREETING
    assert peer.lives.candidate == NEW
    assert peer.says(NEW, 2) is Standing.BELIEVED
    assert peer.lives.candidate == 0


def test_a_restarted_peer_is_believed_once_it_repeats_what_we_said_after_its_greeting(peer):
    peer.says(OLD, 1, echo=0)
    assert peer.says(NEW, 10, names_us=False) is Standing.CANDIDATE
    assert peer.says(NEW, 11, echo=10) is Standing.CANDIDATE
    assert peer.says(NEW, 12, echo=11) is Standing.BELIEVED
    with pytest.raises(PacketRejected, match="retired"):
        peer.says(OLD, 13, echo=13)


def test_a_replayed_old_life_does_not_unseat_the_living_one(peer):
    peer.says(NEW, 100)
    assert peer.says(OLD, 110, echo=90) is Standing.CANDIDATE
    assert peer.says(NEW, 120, echo=111) is Standing.BELIEVED
    assert peer.lives.candidate == 0
    with pytest.raises(PacketRejected, match="retired"):
        peer.says(OLD, 130, echo=90)


def test_a_packet_under_way_of_the_ended_life_does_not_refute_the_new_one(peer):
    peer.says(OLD, 100)
    peer.says(NEW, 110, names_us=False)
    assert peer.says(OLD, 111, echo=109) is Standing.BELIEVED
    assert peer.lives.candidate == NEW
    assert peer.says(NEW, 120, echo=112) is Standing.BELIEVED


def test_a_greeting_that_names_an_older_life_of_ours_proves_nothing(peer):
    peer.says(OLD, 100)
    # From before our reboot: the clock that it repeats ran further than ours does now.
    assert peer.says(NEW, 110, names_us=False, echo=10**15) is Standing.CANDIDATE
    assert peer.says(OLD, 111, echo=10**15, names_us=False) is Standing.GREETING
    assert peer.lives.candidate == NEW


def test_a_second_unknown_life_waits_until_the_first_had_time_to_answer(peer):
    peer.says(NEW, 0)
    peer.says(OLD, 100, names_us=False)
    with pytest.raises(PacketRejected, match="retired"):
        peer.says(OTHER, 100 + PATIENCE, names_us=False)
    assert peer.says(OTHER, 101 + PATIENCE, names_us=False) is Standing.CANDIDATE
    assert peer.says(OTHER, 110 + PATIENCE, echo=102 + PATIENCE) is Standing.BELIEVED


def test_a_displaced_candidate_may_come_back(peer):
    peer.says(NEW, 0)
    peer.says(OTHER, 100, names_us=False)
    peer.says(OLD, 101 + PATIENCE, names_us=False)
    at = 102 + 2 * PATIENCE
    assert peer.says(OTHER, at, names_us=False) is Standing.CANDIDATE
    assert peer.says(OTHER, at + 9, echo=at + 1) is Standing.BELIEVED


def test_greetings_are_passed_on_while_the_known_life_is_silent(peer):
    peer.says(OLD, 0)
    assert peer.says(NEW, SILENCE, names_us=False) is Standing.CANDIDATE
    assert peer.says(NEW, SILENCE + 1, names_us=False) is Standing.GREETING
    assert peer.says(OLD, SILENCE + 2) is Standing.BELIEVED


def test_a_candidate_is_counted_from_the_latest_that_was_heard_of_the_living(peer):
    # Two sockets, read in another order than they were filled.
    peer.says(NEW, 105)
    peer.says(OLD, 100, names_us=False)
    assert peer.says(OLD, 107, echo=103) is Standing.CANDIDATE


def test_links_count_on_their_own(peer):
    for link in ("lan", "direct"):
        peer.lives.admit(NEW, link, 1, names_us=True, echo_ns=0, at_ns=1)
    with pytest.raises(PacketRejected, match="replay"):
        peer.lives.admit(NEW, "direct", 1, names_us=True, echo_ns=0, at_ns=1)


def test_memory_of_ended_lives_is_bounded(peer):
    for number in range(1, RETIRED_MAX + 10):
        at = number * 10
        peer.says(number, at)
        peer.says(number, at + 2, echo=at + 1)
    assert len(peer.lives._retired) == RETIRED_MAX


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 2000), st.booleans()), max_size=60))
def test_replays_never_make_an_old_life_the_present_one(replays):
    """Life 100 lives and answers; anything recorded from before it was heard may be played at any time."""
    peer = Peer()
    peer.says(100, 2001)
    for step, (life, echo, names_us) in enumerate(replays):
        at = 2010 + 10 * step
        with contextlib.suppress(PacketRejected):
            assert peer.says(life, at, names_us=names_us, echo=echo) is not Standing.BELIEVED
        assert peer.says(100, at + 5, echo=at + 2) is Standing.BELIEVED
