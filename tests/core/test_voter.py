"""The voter's side of the Lease, rule by rule: messages in, answers out."""

import itertools

import pytest

from ha_monitor.core.voter import GROUPS_MAX, VoterSeat
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

HOLD = SECOND
LIFE = 77
A5, A6, A9 = Ballot(5, 0, 1), Ballot(6, 0, 1), Ballot(9, 0, 1)
B6, B7 = Ballot(6, 1, 2), Ballot(7, 1, 2)


def seat(**changes):
    settings = {"index": 2, "incarnation": LIFE, "abstain_until_ns": 0, "floor_counter": 0}
    return VoterSeat(**{**settings, "longest_hold_ns": HOLD, "boot_id": "boot-1", **changes})


def prepare(voter, ballot, at_ns=0, sender=None):
    return voter.answer(ballot.node if sender is None else sender, Prepare("www", ballot), at_ns)


def propose(voter, ballot, sending=1, at_ns=0, life=LIFE, hold=HOLD):
    return voter.answer(ballot.node, Propose("www", ballot, sending, life, hold), at_ns)


def release(voter, ballot, at_ns=0):
    return voter.answer(ballot.node, Release("www", ballot, -1, Cause.DAEMON_STOPPED), at_ns)


def ask(voter, sender=0, at_ns=0, released=NO_BALLOT):
    return voter.answer(sender, Ask("www", released), at_ns)


def granted(ballot, at_ns=0):
    voter = seat()
    assert prepare(voter, ballot, at_ns).is_open
    assert propose(voter, ballot, at_ns=at_ns) == Accept("www", ballot, 1, LIFE)
    return voter


def test_untouched_group_is_open_and_asking_changes_nothing():
    voter = seat()
    voter.dump()
    assert ask(voter) == Asked("www", Answer.OPEN)
    assert not voter.is_dirty


def test_grant_is_held_until_its_end_and_not_a_nanosecond_longer():
    voter = granted(A5, at_ns=100)
    assert ask(voter, 1, at_ns=100 + HOLD - 1) == Asked("www", Answer.HELD, 0, A5, 1)
    assert ask(voter, 1, at_ns=100 + HOLD) == Asked("www", Answer.OPEN, epoch=A5)
    assert voter.held("www", 100 + HOLD - 1) == (0, A5, 1)
    assert voter.is_open("www", 100 + HOLD)


def test_higher_ballot_is_promised_and_a_lower_one_refused_with_what_stands_against_it():
    voter = seat()
    assert prepare(voter, B6) == Promise("www", B6, LIFE, is_open=True)
    assert prepare(voter, A6) == Refuse("www", A6, B6)


def test_doubled_prepare_is_promised_again_as_if_the_network_had_doubled_the_promise():
    voter = seat()
    first = prepare(voter, A5)
    voter.dump()
    assert prepare(voter, A5) == first
    assert not voter.is_dirty


def test_promise_beside_another_nodes_grant_is_not_open_and_cannot_be_proposed_to():
    voter = granted(A5)
    assert prepare(voter, B6) == Promise("www", B6, LIFE, is_open=False)
    assert propose(voter, B6) == Refuse("www", B6, B6)
    # Asking once more does not make it open, not even after the grant's end: B must take a new ballot.
    assert prepare(voter, B6, at_ns=2 * HOLD) == Refuse("www", B6, B6)
    assert prepare(voter, B7, at_ns=2 * HOLD).is_open


def test_own_nodes_grant_counts_as_open():
    voter = granted(A5)
    assert prepare(voter, A6).is_open
    assert propose(voter, A6) == Accept("www", A6, 1, LIFE)


def test_old_ballot_is_not_granted_once_a_higher_one_is_promised():
    voter = granted(A5)
    prepare(voter, B6)
    assert propose(voter, A5, sending=2) == Refuse("www", A5, B6)


def test_ballot_that_was_never_promised_here_is_not_granted():
    assert propose(seat(), A5) == Refuse("www", A5, NO_BALLOT)


def test_proposal_that_names_another_life_of_the_voter_is_refused():
    voter = seat()
    prepare(voter, A5)
    assert propose(voter, A5, life=LIFE + 1) == Refuse("www", A5, A5)


def test_newer_sending_extends_and_an_older_one_gets_no_answer():
    voter = granted(A5)
    assert propose(voter, A5, sending=3, at_ns=500) == Accept("www", A5, 3, LIFE)
    assert propose(voter, A5, sending=2, at_ns=900) is None
    assert voter.held("www", 500) == (0, A5, HOLD)


def test_doubled_proposal_is_accepted_again_and_extends_nothing():
    voter = granted(A5)
    assert propose(voter, A5, at_ns=700) == Accept("www", A5, 1, LIFE)
    assert voter.held("www", 700) == (0, A5, HOLD - 700)
    assert propose(voter, A5, at_ns=HOLD) is None


@pytest.mark.parametrize("hold", [HOLD + 1, 0, -1])
def test_hold_that_was_not_configured_is_not_granted(hold):
    voter = seat()
    prepare(voter, A5)
    assert propose(voter, A5, hold=hold) is None
    assert voter.is_open("www", 0)


def test_release_ends_that_very_ballot_for_good():
    voter = granted(A5)
    assert release(voter, A5) is None
    assert voter.is_open("www", 0)
    assert propose(voter, A5, sending=2) == Refuse("www", A5, A5)
    assert prepare(voter, A5) == Refuse("www", A5, A5)


def test_release_of_a_former_ballot_leaves_the_present_grant_alone():
    voter = granted(A5)
    prepare(voter, A6)
    propose(voter, A6)
    release(voter, A5)
    assert voter.held("www", 0) == (0, A6, HOLD)


def test_release_that_overtakes_its_proposal_still_wins():
    voter = seat()
    prepare(voter, A5)
    release(voter, A5)
    assert propose(voter, A5) == Refuse("www", A5, A5)


def test_ask_carries_a_release_to_a_voter_that_missed_it():
    voter = granted(A5)
    assert ask(voter, 1, released=A5) == Asked("www", Answer.OPEN, epoch=A5, released=A5)


@pytest.mark.parametrize("message", [Prepare("www", A5), Propose("www", A5, 1, LIFE, HOLD)])
def test_ballot_in_another_nodes_name_gets_no_answer(message):
    assert seat().answer(1, message, 0) is None


def test_release_in_another_nodes_name_changes_nothing():
    voter = granted(A5)
    voter.answer(1, Release("www", A5, -1, Cause.DAEMON_DIED), 0)
    assert not voter.is_open("www", 0)


def test_abstaining_voter_grants_nothing_until_its_time_is_over():
    voter = seat(abstain_until_ns=HOLD)
    assert ask(voter) == Asked("www", Answer.ABSTAIN, remaining_ns=HOLD)
    for answer in (prepare(voter, A5), propose(voter, A5), ask(voter)):
        # What it heard meanwhile is told, so that the asker bids higher when the time is over.
        assert answer == Asked("www", Answer.ABSTAIN, epoch=A5, remaining_ns=HOLD)
    assert prepare(voter, A6, at_ns=HOLD).is_open


def test_abstaining_voter_takes_what_it_hears_as_its_floor():
    voter = seat(abstain_until_ns=HOLD)
    voter.hear_ballot("www", B6, 10)
    prepare(voter, A5, at_ns=20)
    assert prepare(voter, A6, at_ns=HOLD) == Refuse("www", A6, B6)
    assert propose(voter, B6, at_ns=HOLD) == Refuse("www", B6, B6)
    voter.hear_ballot("www", A9, HOLD)  # no longer a floor: a claim is no promise
    assert prepare(voter, B7, at_ns=HOLD).is_open


def test_new_life_refuses_ballots_below_the_clock_that_it_began_by():
    voter = seat(floor_counter=8)
    assert prepare(voter, B7) == Refuse("www", B7, Ballot(8, 0, 0))
    assert prepare(voter, A9).is_open


def test_restarted_process_of_the_same_boot_is_the_same_voter():
    voter = granted(A5)
    prepare(voter, B6)
    again = VoterSeat.load(voter.dump(), 2, HOLD, "boot-1")
    assert not again.is_dirty
    assert again.incarnation == LIFE
    assert again.memory("www") == voter.memory("www")
    assert again.dump() == voter.dump()
    assert propose(again, A5, sending=9) == Refuse("www", A5, B6)


@pytest.mark.parametrize("abstain", [0, 900])
def test_restart_shortens_no_abstention(abstain):
    voter = seat(abstain_until_ns=abstain)
    assert VoterSeat.load(voter.dump(), 2, HOLD, "boot-1").is_abstaining(899) == (abstain > 0)


def test_damaged_state_is_never_read():
    state = granted(A5).dump()
    for at in range(0, len(state), 7):
        damaged = state[:at] + bytes([state[at] ^ 1]) + state[at + 1 :]
        with pytest.raises(ValueError):
            VoterSeat.load(damaged, 2, HOLD, "boot-1")
    for length in (0, 1, 64, 65, len(state) - 1):
        with pytest.raises(ValueError):
            VoterSeat.load(state[:length], 2, HOLD, "boot-1")


@pytest.mark.parametrize(("index", "boot"), [(1, "boot-1"), (2, "boot-2")])
def test_state_of_another_voter_or_boot_is_refused(index, boot):
    with pytest.raises(ValueError, match="boot"):
        VoterSeat.load(seat().dump(), index, HOLD, boot)


def test_every_change_must_be_saved_before_its_answer():
    voter = seat()
    steps = [lambda: prepare(voter, A5), lambda: propose(voter, A5), lambda: release(voter, A5)]
    for step in steps:
        voter.dump()
        step()
        assert voter.is_dirty


def test_groups_without_end_are_turned_away_and_counted():
    voter = seat()
    for number in range(GROUPS_MAX + 3):
        voter.answer(0, Prepare(f"g{number}", A5), 0)
    assert voter.turned_away == 3
    assert prepare(voter, A5) is None


def test_no_order_of_replays_lets_two_nodes_hold_the_same_voter():
    """All orders of two candidates' messages: whoever was accepted stays the only one until its end."""
    messages = [
        Prepare("www", A5),
        Propose("www", A5, 1, LIFE, HOLD),
        Prepare("www", B6),
        Propose("www", B6, 1, LIFE, HOLD),
        Prepare("www", A5),
        Propose("www", A5, 2, LIFE, HOLD),
    ]
    for order in itertools.permutations(range(len(messages))):
        voter, owners = seat(), set()
        for moment, number in enumerate(order):
            message = messages[number]
            if isinstance(voter.answer(message.ballot.node, message, moment * MS), Accept):
                owners.add(message.ballot.node)
        assert len(owners) <= 1, f"order {order}: granted to {owners} within one hold"


def test_repeated_prepare_is_refused_once_a_higher_ballot_was_released():
    """Its PROPOSE would be refused: the candidate shall know at once."""
    voter = seat()
    assert prepare(voter, A5).is_open
    assert release(voter, B7) is None
    assert prepare(voter, A5) == Refuse("www", A5, B7)
