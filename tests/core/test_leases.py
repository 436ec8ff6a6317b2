"""The candidate's side of the Lease: rules 1 and 2."""

import pytest

from ha_monitor.core.leases import (
    Arm,
    Denied,
    Phase,
    Prepared,
    Say,
    Won,
)
from ha_monitor.messages import (
    Answer,
    Ask,
    Asked,
    Prepare,
    Promise,
    Propose,
    Refuse,
)
from ha_monitor.model import Ballot
from ha_monitor.timebase import MS, SECOND
from tests.core.lease_table import (
    AT,
    BEAT,
    OWNER_T,
    T,
    Table,
    accept,
    opened,
    proposing,
    said,
    seeker,
)

# -- rule 1: ask first --------------------------------------------------------------------------------------


def test_seeker_asks_every_voter_its_own_included():
    outputs = seeker().seek(AT)
    assert outputs == [Say(voter, Ask("www")) for voter in (0, 1, 2)]


def test_only_a_majority_of_open_lets_it_prepare():
    candidate = seeker(floor=5)
    candidate.seek(AT)
    assert candidate.receive(0, Asked("www", Answer.OPEN), AT) == []
    outputs = candidate.receive(2, Asked("www", Answer.OPEN), AT)
    assert outputs == [Say(voter, Prepare("www", Ballot(6, 0, 1))) for voter in (0, 1, 2)]


def test_held_by_a_majority_tells_when_to_ask_again_and_who_has_it():
    candidate, epoch = seeker(), Ballot(3, 1, 9)
    candidate.seek(AT)
    candidate.receive(1, Asked("www", Answer.HELD, 1, epoch, 400 * MS), AT)
    denied = candidate.receive(2, Asked("www", Answer.HELD, 1, epoch, 300 * MS), AT)
    assert denied == [Denied(AT + 300 * MS + 300_000, 1)]
    assert candidate.phase is Phase.IDLE
    assert candidate.ask_again_ns == AT + 300 * MS + 300_000
    assert candidate.holder(AT + 399 * MS) == (1, epoch, MS)
    assert candidate.holder(AT + 400 * MS) is None


def test_voter_that_is_about_to_open_is_asked_again_at_that_moment_and_not_a_beat_later():
    candidate = seeker()
    candidate.seek(AT)
    candidate.receive(0, Asked("www", Answer.OPEN), AT)
    held = Asked("www", Answer.HELD, 1, Ballot(3, 1, 9), 10 * MS)
    assert candidate.receive(2, held, AT) == []  # voter 1 has not answered and may be open
    due = AT + 10 * MS + 10_000
    assert candidate.deadline_ns == due
    assert candidate.expire(due - 1) == []
    assert candidate.expire(due) == [Say(voter, Ask("www")) for voter in (0, 1, 2)]
    assert candidate.deadline_ns is None


def test_voter_that_fell_silent_when_it_should_be_open_is_asked_once_and_then_at_beats_only():
    candidate = seeker()
    candidate.seek(AT)
    candidate.receive(2, Asked("www", Answer.HELD, 1, Ballot(3, 1, 9), 10 * MS), AT)
    due = AT + 10 * MS + 10_000
    assert len(candidate.expire(due)) == 3
    candidate.receive(0, Asked("www", Answer.OPEN), due)  # the own voter answers, voter 2 does not
    assert candidate.deadline_ns is None


def test_abstaining_voters_are_waited_for_like_holders():
    candidate = seeker()
    candidate.seek(AT)
    for voter in (1, 2):
        outputs = candidate.receive(voter, Asked("www", Answer.ABSTAIN, remaining_ns=SECOND), AT)
    assert outputs == [Denied(AT + SECOND + MS, -1)]


def test_own_abstaining_voter_does_not_stop_its_node():
    candidate = seeker()
    candidate.seek(AT)
    candidate.receive(0, Asked("www", Answer.ABSTAIN, remaining_ns=T), AT)
    candidate.receive(1, Asked("www", Answer.OPEN), AT)
    assert said(candidate.receive(2, Asked("www", Answer.OPEN), AT), Prepare)


def test_lease_of_its_own_former_life_counts_as_open():
    candidate = seeker()
    candidate.seek(AT)
    candidate.receive(0, Asked("www", Answer.HELD, 0, Ballot(3, 0, 9), T), AT)
    assert said(candidate.receive(1, Asked("www", Answer.OPEN), AT), Prepare)


def test_silent_voters_are_asked_again_at_each_beat():
    candidate = seeker()
    assert candidate.beat(AT) == []
    candidate.seek(AT)
    assert candidate.beat(AT + BEAT) == [Say(voter, Ask("www")) for voter in (0, 1, 2)]


def test_ask_carries_the_highest_release_heard():
    candidate = seeker()
    candidate.hear_release(Ballot(4, 1, 9))
    candidate.receive(1, Asked("www", Answer.OPEN, released=Ballot(8, 1, 9)), AT)
    assert candidate.seek(AT)[0].message == Ask("www", Ballot(8, 1, 9))
    assert candidate.counter == 8


# -- rule 2: win --------------------------------------------------------------------------------------------


def test_three_voters_make_an_owner_in_three_round_trips():
    table, candidate = Table(), seeker()
    (won,) = table.win(candidate, AT)
    assert won == Won(Ballot(1, 0, 1), AT, AT + OWNER_T)
    assert candidate.phase is Phase.HELD
    assert candidate.deadline_ns == AT + OWNER_T
    assert all(voter.held("www", AT) == (0, won.ballot, T) for voter in table.voters)


def test_nothing_is_proposed_before_the_caller_resumes_and_the_kernel_is_armed():
    candidate = seeker()
    ballot = opened(candidate)[0].message.ballot
    outputs = [candidate.receive(v, Promise("www", ballot, 1, True), AT) for v in (0, 1, 2)]
    assert outputs == [[], [Prepared(ballot)], []]
    assert candidate.beat(AT + BEAT) == []
    (arm,) = candidate.resume(AT + BEAT)
    assert arm == Arm(AT + BEAT, 889_100_000)
    assert len(said(candidate.armed(arm.sending, True, AT + BEAT), Propose)) == 3


def test_kernel_that_refuses_the_window_denies_the_lease():
    candidate = seeker()
    ballot = opened(candidate)[0].message.ballot
    for voter in (0, 2):
        candidate.receive(voter, Promise("www", ballot, 1, True), AT)
    (arm,) = candidate.resume(AT)
    (denied,) = candidate.armed(arm.sending, False, AT)
    assert isinstance(denied, Denied)
    assert candidate.phase is Phase.IDLE


def test_proposal_goes_only_to_voters_that_promised_open_and_names_their_lives():
    candidate = seeker()
    ballot = opened(candidate)[0].message.ballot
    candidate.receive(0, Promise("www", ballot, 11, True), AT)
    candidate.receive(1, Promise("www", ballot, 22, False), AT)
    candidate.receive(2, Promise("www", ballot, 33, True), AT)
    (arm,) = candidate.resume(AT)
    assert candidate.armed(arm.sending, True, AT) == [
        Say(0, Propose("www", ballot, arm.sending, 11, T)),
        Say(2, Propose("www", ballot, arm.sending, 33, T)),
    ]


def test_lease_counts_from_before_the_sending_whenever_the_answer_comes():
    candidate = seeker()
    ballot, sending = proposing(candidate)
    assert accept(candidate, 0, ballot, sending, AT + 100 * MS) == []
    (won,) = accept(candidate, 2, ballot, sending, AT + 600 * MS)
    assert won.end_ns == AT + OWNER_T


def test_answer_after_the_end_of_its_own_sending_wins_nothing():
    candidate = seeker()
    ballot, sending = proposing(candidate)
    accept(candidate, 0, ballot, sending, AT)
    assert accept(candidate, 2, ballot, sending, AT + OWNER_T) == []
    assert candidate.phase is Phase.PROPOSING


@pytest.mark.parametrize("wrong", ["ballot", "sending", "life", "voter"])
def test_accept_that_differs_in_anything_does_not_count(wrong):
    candidate = seeker()
    ballot, sending = proposing(candidate)
    accept(candidate, 0, ballot, sending, AT)
    right = {"voter": 2, "ballot": ballot, "sending": sending, "life": 102}
    other = {"voter": 1, "ballot": Ballot(99, 0, 1), "sending": sending + 1, "life": 101}
    assert accept(candidate, at_ns=AT, **{**right, wrong: other[wrong]}) == []
    assert accept(candidate, at_ns=AT, **right)


def test_same_voter_twice_is_one_vote():
    candidate = seeker()
    ballot, sending = proposing(candidate)
    assert [accept(candidate, 0, ballot, sending, AT) for _ in range(3)] == [[], [], []]


def test_candidate_that_is_refused_waits_a_part_of_a_beat_and_bids_higher():
    candidate = seeker()
    ballot = opened(candidate)[0].message.ballot
    assert candidate.receive(1, Refuse("www", ballot, Ballot(40, 1, 2)), AT) == []
    (denied,) = candidate.receive(2, Refuse("www", ballot, Ballot(40, 1, 2)), AT)
    assert AT < denied.until_ns <= AT + BEAT
    assert opened(candidate)[0].message.ballot == Ballot(41, 0, 1)


def test_outbid_candidate_does_not_wait_for_silent_voters():
    candidate = seeker()
    ballot = opened(candidate)[0].message.ballot
    candidate.receive(0, Promise("www", ballot, 100, True), AT)
    candidate.receive(2, Refuse("www", ballot, Ballot(40, 1, 2)), AT)
    (denied,) = candidate.beat(AT + BEAT)
    assert denied.until_ns <= AT + 2 * BEAT


def test_what_voters_promised_is_outbid_without_a_refusal():
    candidate = seeker()
    candidate.seek(AT)
    candidate.receive(0, Asked("www", Answer.OPEN, epoch=Ballot(70, 1, 2)), AT)
    outputs = candidate.receive(2, Asked("www", Answer.OPEN), AT)
    assert outputs[0].message.ballot == Ballot(71, 0, 1)


def test_two_candidates_wait_different_parts_of_a_beat():
    waits = set()
    for node in (0, 1):
        candidate = seeker(node)
        candidate.give_up(0)
        waits.add(candidate.ask_again_ns)
    assert len(waits) == 2


def test_stale_refusal_of_a_former_ballot_only_raises_the_counter():
    candidate = seeker()
    ballot, _ = proposing(candidate)
    for voter in (0, 1, 2):
        assert candidate.receive(voter, Refuse("www", Ballot(0, 0, 1), Ballot(9, 1, 2)), AT) == []
    assert candidate.phase is Phase.PROPOSING
    assert candidate.counter == 9
    assert ballot.counter == 1


def test_unanswered_candidate_repeats_with_new_sendings_and_in_the_end_asks_anew():
    table, candidate = Table(hears=(0, 2)), seeker()
    proposing(candidate)
    outputs = candidate.beat(AT + BEAT)
    assert said(outputs, Prepare) == [Say(1, Prepare("www", Ballot(1, 0, 1)))]
    assert [o.sending for o in outputs if isinstance(o, Arm)] == [AT + BEAT]
    table.hears.clear()
    at_ns = AT
    while candidate.phase is Phase.PROPOSING:
        at_ns += BEAT
        table.play(candidate, candidate.beat(at_ns), at_ns)
    assert 2 * T < at_ns - AT < 4 * T
