"""The candidate's and Owner's side of the Lease, rule by rule."""

import pytest

from ha_monitor.core.leases import (
    Arm,
    Denied,
    Ended,
    Phase,
    Prepared,
    Renewed,
    Say,
    SendingNumbers,
    Won,
)
from ha_monitor.messages import (
    Accept,
    Answer,
    Ask,
    Asked,
    Prepare,
    Promise,
    Propose,
    Refuse,
    Release,
)
from ha_monitor.model import NO_BALLOT, Ballot, Cause
from ha_monitor.timebase import MS, SECOND
from tests.core.lease_table import BEAT, OWNER_T, T, Table, seats, seeker

AT = 50 * SECOND


def said(outputs, kind):
    return [o for o in outputs if isinstance(o, Say) and isinstance(o.message, kind)]


def opened(candidate, at_ns=AT):
    """Two voters say OPEN: on to PREPARE."""
    candidate.seek(at_ns)
    candidate.receive(0, Asked("www", Answer.OPEN), at_ns)
    return candidate.receive(2, Asked("www", Answer.OPEN), at_ns)


def proposing(candidate, at_ns=AT):
    """Promised OPEN by voters 0 and 2, armed and sent at ``at_ns``; returns ballot and sending."""
    ballot = opened(candidate, at_ns)[0].message.ballot
    candidate.receive(0, Promise("www", ballot, 100, True), at_ns)
    assert candidate.receive(2, Promise("www", ballot, 102, True), at_ns) == [Prepared(ballot)]
    (arm,) = candidate.resume(at_ns)
    candidate.armed(arm.sending, True, at_ns)
    return ballot, arm.sending


def accept(candidate, voter, ballot, sending, at_ns, life=None):
    return candidate.receive(voter, Accept("www", ballot, sending, life or 100 + voter), at_ns)


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


# -- rule 3: renew ------------------------------------------------------------------------------------------


def owner(table=None, at_ns=AT):
    table, holder = table or Table(), seeker()
    assert table.win(holder, at_ns)
    return table, holder


def test_each_beat_renews_under_the_same_ballot_with_a_new_sending():
    table, holder = owner()
    (renewed,) = table.play(holder, holder.beat(AT + BEAT), AT + BEAT)
    assert renewed == Renewed(Ballot(1, 0, 1), AT + BEAT, AT + BEAT + OWNER_T, OWNER_T - BEAT)
    assert {say.message.ballot for say in said(table.said, Propose)} == {Ballot(1, 0, 1)}


def test_accepts_of_different_sendings_are_never_added_up():
    _, holder = owner()
    sent = []
    for number in (1, 2):
        (arm,) = (o for o in holder.beat(AT + number * BEAT) if isinstance(o, Arm))
        holder.armed(arm.sending, True, AT + number * BEAT)
        sent.append(arm.sending)
    at_ns = AT + 3 * BEAT
    assert accept(holder, 0, holder.ballot, sent[0], at_ns) == []
    assert accept(holder, 1, holder.ballot, sent[1], at_ns) == []
    assert holder.end_ns == AT + OWNER_T


def test_late_accept_extends_only_to_the_end_of_its_own_sending():
    _, holder = owner()
    sent = []
    for number in (1, 2):
        (arm,) = (o for o in holder.beat(AT + number * BEAT) if isinstance(o, Arm))
        holder.armed(arm.sending, True, AT + number * BEAT)
        sent.append(arm.sending)
    at_ns = AT + 5 * BEAT
    for voter in (0, 1):
        newest = accept(holder, voter, holder.ballot, sent[1], at_ns)
    assert newest[0].end_ns == AT + 2 * BEAT + OWNER_T
    for voter in (0, 1):
        assert accept(holder, voter, holder.ballot, sent[0], at_ns) == []
    assert holder.end_ns == AT + 2 * BEAT + OWNER_T


def test_renewals_that_stay_unanswered_let_the_lease_end_on_time():
    table, holder = owner()
    table.hears = {0}
    for number in range(1, 10):
        assert table.play(holder, holder.beat(AT + number * BEAT), AT + number * BEAT) == []
    assert holder.expire(AT + OWNER_T - 1) == []
    assert holder.expire(AT + OWNER_T) == [Ended(Cause.LEASE_LOST)]
    assert holder.phase is Phase.IDLE


def test_voter_that_lost_its_memory_is_won_back_by_one_higher_ballot():
    table, holder = owner()
    table.voters[2] = seats(abstain_until_ns=AT + T, floor_counter=500)[2]
    table.voters[2].incarnation = 555
    at_ns, epochs = AT, []
    while at_ns < AT + 4 * T:
        at_ns += BEAT
        table.play(holder, holder.beat(at_ns), at_ns)
        epochs.append(holder.ballot.counter)
    assert sorted(set(epochs)) == [1, 501]
    assert all(voter.held("www", at_ns) == (0, holder.ballot, T) for voter in table.voters)


def test_lost_majority_is_bid_for_with_a_higher_ballot_while_the_old_lease_runs_on():
    table, holder = owner()
    rival = Ballot(30, 1, 2)
    for voter in (1, 2):
        table.voters[voter].answer(1, Prepare("www", rival), AT)
    first, second = AT + BEAT, AT + 2 * BEAT
    assert table.play(holder, holder.beat(first), first) == []
    (renewed,) = table.play(holder, holder.beat(second), second)
    assert renewed == Renewed(Ballot(31, 0, 1), second, second + OWNER_T, OWNER_T - 2 * BEAT)


def test_higher_ballot_is_tried_at_most_once_a_beat():
    _, holder = owner()
    ballots = []
    for number in range(1, 6):
        at_ns = AT + number * BEAT
        outputs = holder.beat(at_ns)
        for arm in (o for o in outputs if isinstance(o, Arm)):
            outputs += holder.armed(arm.sending, True, at_ns)
        asked = [o.message.ballot for o in outputs if isinstance(o, Say)]
        ballots += set(asked)
        for _ in range(3):
            for voter in (1, 2):
                outputs = holder.receive(voter, Refuse("www", asked[0], Ballot(number * 100, 1, 2)), at_ns)
                assert outputs == []
    assert [ballot.counter for ballot in ballots] == [1, 101, 201, 301, 401]


def test_late_accept_of_the_old_ballot_still_extends_the_old_lease_during_a_raise():
    table, holder = owner()
    (arm,) = holder.beat(AT + BEAT)
    holder.armed(arm.sending, True, AT + BEAT)
    for voter in (1, 2):
        holder.receive(voter, Refuse("www", holder.ballot, Ballot(30, 1, 2)), AT + BEAT)
    assert said(holder.beat(AT + 2 * BEAT), Prepare)
    for voter in (0, 1):
        outputs = accept(holder, voter, Ballot(1, 0, 1), arm.sending, AT + 2 * BEAT)
    assert outputs == [Renewed(Ballot(1, 0, 1), arm.sending, AT + BEAT + OWNER_T, OWNER_T - 2 * BEAT)]
    assert table.voters[0].held("www", AT) == (0, Ballot(1, 0, 1), T)


def test_sendings_are_forgotten_when_they_can_extend_nothing():
    table, holder = owner()
    for number in range(1, 200):
        table.play(holder, holder.beat(AT + number * BEAT), AT + number * BEAT)
    assert len(holder._sendings) <= T // BEAT + 1


# -- rules 5 and 6: the end ---------------------------------------------------------------------------------


def test_ballot_dies_with_its_lease():
    _, holder = owner()
    (arm,) = holder.beat(AT + BEAT)
    holder.armed(arm.sending, True, AT + BEAT)
    ballot = holder.ballot
    late = AT + OWNER_T
    assert accept(holder, 0, ballot, arm.sending, late) == [Ended(Cause.LEASE_LOST)]
    assert accept(holder, 1, ballot, arm.sending, late) == []
    assert holder.beat(late) == []
    assert opened(holder, late)[0].message.ballot.counter > ballot.counter


def test_what_is_due_comes_before_the_packet():
    for call in (
        lambda holder, at: holder.beat(at),
        lambda holder, at: holder.armed(1, True, at),
        lambda holder, at: holder.seek(at),
        lambda holder, at: holder.receive(1, Accept("www", holder.ballot, AT, 101), at),
    ):
        _, holder = owner()
        assert call(holder, AT + OWNER_T)[0] == Ended(Cause.LEASE_LOST)


def test_higher_epoch_of_another_node_ends_everything_at_once():
    _, holder = owner()
    assert holder.hear_higher(Ballot(1, 1, 2), 1) == [Ended(Cause.HIGHER_EPOCH)]
    assert holder.phase is Phase.IDLE


@pytest.mark.parametrize(("epoch", "node"), [(Ballot(0, 1, 2), 1), (Ballot(9, 0, 7), 0)])
def test_lower_epoch_and_its_own_newer_one_end_nothing(epoch, node):
    _, holder = owner()
    assert holder.hear_higher(epoch, node) == []
    assert holder.phase is Phase.HELD


def test_restarted_core_reclaims_its_nodes_lease_under_a_ballot_of_its_own():
    table, _ = owner()
    again = seeker(incarnation=2, floor=1)
    (won,) = table.play(again, again.reclaim(AT + BEAT), AT + BEAT)
    assert won.ballot == Ballot(2, 0, 2)


def test_restarted_core_that_forgot_its_counter_is_refused_and_then_bids_higher():
    table, _ = owner()
    again = seeker(incarnation=0)
    (denied,) = table.play(again, again.reclaim(AT + BEAT), AT + BEAT)
    (won,) = table.win(again, denied.until_ns)
    assert won.ballot == Ballot(2, 0, 0)


def test_held_is_never_adopted():
    again = seeker(incarnation=2)
    again.seek(AT)
    for voter in (1, 2):
        again.receive(voter, Asked("www", Answer.HELD, 0, Ballot(3, 0, 1), T), AT)
    assert again.phase is Phase.PREPARING
    assert again.end_ns == 0


# -- rule 8: release ----------------------------------------------------------------------------------------


def test_release_goes_to_all_names_the_successor_and_opens_the_group_at_once():
    table, holder = owner()
    outputs = holder.release(1, Cause.SWITCHOVER_ORDERED, AT + 1)
    release = Release("www", Ballot(1, 0, 1), 1, Cause.SWITCHOVER_ORDERED)
    assert outputs == [Say(voter, release) for voter in (0, 1, 2)]
    assert table.play(holder, outputs, AT + 1) == []
    successor = seeker(1)
    (won,) = table.win(successor, AT + 2)
    assert won.ballot > Ballot(1, 0, 1)


def test_release_during_a_raise_names_both_ballots():
    table, holder = owner()
    for voter in (1, 2):
        table.voters[voter].answer(1, Prepare("www", Ballot(30, 1, 2)), AT)
    table.play(holder, holder.beat(AT + BEAT), AT + BEAT)
    table.hears = {0}
    at_ns = AT + 2 * BEAT
    queue = holder.beat(at_ns)
    ballot = queue[0].message.ballot
    for voter in (0, 1):
        queue = holder.receive(voter, Promise("www", ballot, 100 + voter, True), at_ns)
    table.play(holder, queue, at_ns)
    assert holder.releasable() == (Ballot(1, 0, 1), ballot)


def test_nothing_is_released_without_a_lease():
    candidate = seeker()
    proposing(candidate)
    assert candidate.releasable() == ()
    assert candidate.release(1, Cause.DAEMON_STOPPED, AT) == []


def test_candidate_gives_up_but_an_owner_does_not():
    candidate = seeker()
    proposing(candidate)
    candidate.give_up(AT)
    assert candidate.phase is Phase.IDLE
    _, holder = owner()
    holder.give_up(AT)
    assert holder.phase is Phase.HELD


# -- numbers ------------------------------------------------------------------------------------------------


def test_sending_numbers_rise_even_when_the_clock_stands_still():
    numbers = SendingNumbers()
    assert [numbers.take(at_ns) for at_ns in (7, 7, 3, 20)] == [7, 8, 9, 20]


def test_counter_starts_above_its_floor_and_above_all_it_hears():
    candidate = seeker(floor=10)
    candidate.hear_ballot(Ballot(20, 1, 2))
    assert opened(candidate)[0].message.ballot.counter == 21


def test_answers_for_another_group_or_from_a_stranger_are_ignored():
    candidate = seeker()
    candidate.seek(AT)
    for voter, group in ((7, "www"), (8, "www"), (1, "db"), (2, "db")):
        assert candidate.receive(voter, Asked(group, Answer.OPEN), AT) == []


# -- the fixed story ----------------------------------------------------------------------------------------


def test_former_life_replayed_after_a_new_win_changes_nothing():
    """The deepest story: a core restarts, wins anew, and its former PROPOSE, then its RELEASE come again."""
    table, former = owner()
    old = next(say.message for say in said(table.said, Propose))
    farewell = Release("www", former.ballot, -1, Cause.DAEMON_DIED)
    later = seeker(incarnation=2, floor=former.counter)
    at_ns = AT + BEAT
    (won,) = table.play(later, later.reclaim(at_ns), at_ns)
    for voter in table.voters:
        assert isinstance(voter.answer(0, old, at_ns), Refuse)
        assert voter.answer(0, farewell, at_ns) is None
        assert voter.held("www", at_ns) == (0, won.ballot, T)
    rival = seeker(1)
    (denied,) = table.win(rival, at_ns)
    assert isinstance(denied, Denied)
    assert denied.owner == 0


def test_no_ballot_is_lower_than_every_ballot():
    assert NO_BALLOT < Ballot(0, 0, 1) < Ballot(1, 0, 0)
