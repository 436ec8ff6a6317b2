"""Rounds drawn from a seed."""

import itertools

import pytest

from ha_monitor.lab import faults
from ha_monitor.lab.chaos.catalog import CATALOG, MOVING, chosen
from ha_monitor.lab.chaos.moves import JUSTIFIED
from ha_monitor.lab.chaos.plan import PAIR, SINGLE, TAKEOVER, Plan

GROUPS = ["www", "app", "six"]
LEASE_S = 1.0


def drawn(seed, number=200, names=CATALOG):
    return list(itertools.islice(Plan(seed, names, GROUPS, LEASE_S).rounds(), number))


def test_the_same_seed_strikes_the_same():
    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


def test_every_shape_and_every_fault_is_drawn():
    rounds = drawn(1, 2000)
    assert {r.shape for r in rounds} == {SINGLE, PAIR, TAKEOVER}
    assert {s.fault for r in rounds for s in r.strikes} == set(CATALOG)
    assert {s.group for r in rounds for s in r.strikes} == set(GROUPS)


def test_a_second_fault_begins_while_the_first_goes_on_or_a_takeover_may():
    for each in drawn(3):
        if each.shape == SINGLE:
            assert len(each.strikes) == 1
            continue
        first, second = each.strikes
        latest = first.hold_s + 0.5 if each.shape == PAIR else 1.3 * LEASE_S
        assert 0 <= second.after_s <= latest
        if each.shape == TAKEOVER:
            assert first.fault in MOVING


def test_holding_times_stay_within_their_bounds():
    for each in drawn(4):
        for strike in each.strikes:
            low, high = CATALOG[strike.fault].hold_s
            assert low - 0.001 <= strike.hold_s <= high + 1.2 * LEASE_S + 0.001


def test_single_processes_are_killed_in_every_order():
    orders = CATALOG["kill one by one"].draws["what"]
    assert len(set(orders)) == 24
    assert {tuple(sorted(order.split())) for order in orders} == {("core", "guard", "publisher", "worker")}
    plan = Plan(5, CATALOG, GROUPS, LEASE_S)
    played = [plan.single(CATALOG["kill one by one"]).strikes[0] for _ in range(24)]
    assert {strike.fields["what"] for strike in played} == set(orders), "in turn: none is left out"


def test_every_named_fault_is_a_fault_of_the_lab_and_stands_in_the_table():
    for named in CATALOG.values():
        fields = {**named.fields, **{key: values[0] for key, values in named.draws.items()}}
        assert faults.fault_named(named.verb).blow("pub2", **fields).fault == named.verb
    assert set(CATALOG) == set(JUSTIFIED) - {"start"}


def test_faults_are_chosen_by_name_or_by_verb():
    assert list(chosen(["kill core"])) == ["kill core"]
    assert "kill" in chosen(["kill"])
    assert "kill worker" in chosen(["kill"])
    with pytest.raises(KeyError):
        chosen(["flood"])
