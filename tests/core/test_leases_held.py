"""The Owner's side of the Lease: renewed, lost, released; and what is old changes nothing."""

import pytest

from ha_monitor.core.leases import (
    Arm,
    Denied,
    Ended,
    Phase,
    Renewed,
    Say,
    SendingNumbers,
)
from ha_monitor.messages import (
    Accept,
    Answer,
    Asked,
    Prepare,
    Promise,
    Propose,
    Refuse,
    Release,
)
from ha_monitor.model import NO_BALLOT, Ballot, Cause
from tests.core.lease_table import (
    AT,
    BEAT,
    OWNER_T,
    T,
    accept,
    opened,
    owner,
    proposing,
    said,
    seats,
    seeker,
)


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
