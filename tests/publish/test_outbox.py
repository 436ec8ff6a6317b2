"""What waits: order, bounds, and what goes first."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ha_monitor.publish.outbox import (
    NAGIOS,
    ZABBIX,
    Parcel,
    Waiting,
    in_order,
    overflowing,
    superseded,
    thinned,
)


def waiting(*parcels):
    return [Waiting(row, parcel) for row, parcel in enumerate(parcels)]


def state(slot, at_ns):
    return Parcel(slot, at_ns, f"{slot}@{at_ns}")


def event(at_ns):
    return Parcel("event", at_ns, "", ident=f"e{at_ns}")


parcels = st.lists(
    st.one_of(
        st.builds(state, st.sampled_from("abc"), st.integers(0, 50)), st.builds(event, st.integers(0, 50))
    ),
    max_size=60,
).map(lambda ps: waiting(*ps))


def test_parcels_leave_in_the_order_of_their_stamps():
    entries = waiting(state("a", 3), event(1), state("b", 1), state("a", 2))
    assert [w.parcel.body for w in in_order(entries)] == ["b@1", "", "a@2", "a@3"]


def test_of_equal_stamps_a_transition_comes_last():
    assert in_order(waiting(event(1), state("event", 1)))[-1].parcel.is_event


def test_nagios_gets_the_newest_state_of_each_service_and_every_transition():
    entries = waiting(state("a", 3), state("a", 1), event(2), state("b", 1), state("a", 2))
    assert sorted(w.row for w in superseded(NAGIOS, entries)) == [1, 4]


def test_zabbix_gets_them_all():
    assert superseded(ZABBIX, waiting(state("a", 1), state("a", 2))) == []


@given(parcels)
def test_what_nagios_gets_holds_no_state_twice_and_never_gives_up_a_transition_or_the_newest(entries):
    gone = {w.row for w in superseded(NAGIOS, entries)}
    kept = [w for w in entries if w.row not in gone]
    assert [w for w in entries if w.parcel.is_event] == [w for w in kept if w.parcel.is_event]
    states = [w.parcel for w in kept if not w.parcel.is_event]
    assert len({p.slot for p in states}) == len(states)
    for parcel in states:
        stamps = [w.parcel.at_ns for w in entries if w.parcel.slot == parcel.slot and not w.parcel.is_event]
        assert parcel.at_ns == max(stamps)


@given(parcels, st.integers(0, 60))
def test_thinning_keeps_the_bound_and_the_newest_of_each_slot_as_long_as_it_can(entries, states_max):
    states = [w for w in entries if not w.parcel.is_event]
    gone = {w.row for w in thinned(states, states_max)}
    kept = [w for w in states if w.row not in gone]
    assert len(kept) == min(len(states), states_max)
    slots = {w.parcel.slot for w in states}
    if states_max >= len(slots):
        assert {w.parcel.slot for w in kept} == slots


def test_thinning_leaves_the_picture_whole_in_time():
    states = waiting(*(state("a", at) for at in range(100)))
    kept = [w.parcel.at_ns for w in states if w not in thinned(states, 80)]
    assert kept[0] <= 1
    assert max(b - a for a, b in itertools.pairwise(kept)) <= 2


def test_transitions_are_given_up_beyond_their_bound_only_and_the_oldest_first():
    events = waiting(*(event(at) for at in range(5)))
    assert overflowing(events, 5) == []
    assert [w.parcel.at_ns for w in overflowing(events, 3)] == [0, 1]
