"""Which faults explain which moves."""

from pathlib import Path

import pytest

from ha_monitor.lab.chaos.ledger import Told
from ha_monitor.lab.chaos.moves import (
    HEALING_NS,
    InForce,
    Stall,
    excuse,
    explanation,
    is_a_move,
    table_text,
)
from ha_monitor.model import Cause

S = 1_000_000_000
FAILBACK = {"six": "pub3"}


def told(cause, old="pub2", new="pub3", at_s=10.0, group="www"):
    at_ns = round(at_s * S)
    return Told("id", group, old, new, cause, "a sentence", at_ns, at_ns)


def during(name, host="pub2", from_s=9.0, until_s=11.0, group=""):
    return InForce(name, host, round(from_s * S), round(until_s * S), group)


def explains(*faults, **of):
    return bool(explanation(told(**of), faults, FAILBACK))


def test_a_takeover_from_a_host_without_power_is_expected():
    assert explains(during("power-off"), cause="node-silent")


def test_a_takeover_without_any_fault_is_not():
    assert not explains(cause="node-silent")


@pytest.mark.parametrize("name", ["kill worker", "freeze publisher", "partition near", "clock-step", "lose"])
def test_faults_that_must_move_nothing_explain_nothing(name):
    for cause in Cause:
        if cause is not Cause.FAILBACK:
            assert not explains(during(name), cause=cause.value)


def test_the_other_host_s_fault_explains_nothing():
    assert not explains(during("power-off", host="pub3"), cause="node-silent")


def test_a_fault_explains_until_a_while_after_its_healing():
    healed_s = 10.0 - HEALING_NS / S
    assert explains(during("kill", from_s=0, until_s=healed_s + 0.5), cause="node-silent")
    assert not explains(during("kill", from_s=0, until_s=healed_s - 0.5), cause="node-silent")


def test_a_move_before_the_fault_is_not_explained_by_it():
    assert not explains(during("kill", from_s=10.5), cause="node-silent")


def test_an_ordered_switchover_explains_the_move_of_its_group_alone():
    assert explains(during("switch", group="www"), cause="switchover-ordered")
    assert not explains(during("switch", group="app"), cause="switchover-ordered")


def test_a_failback_is_expected_of_the_group_that_has_the_policy_and_to_its_node():
    assert explains(cause="failback", group="six", old="pub2", new="pub3")
    assert not explains(cause="failback", group="six", old="pub3", new="pub2")
    assert not explains(cause="failback", group="www")


def test_two_faults_that_take_votes_together_explain_a_lost_lease():
    both = during("witness-down", host="mon"), during("partition near")
    assert explains(*both, cause="lease-lost")
    assert not explains(both[0], cause="lease-lost")
    assert not explains(both[0], during("clock-step"), cause="lease-lost")


def test_a_group_that_nobody_owned_may_wait_longer_for_its_start_than_one_that_moves():
    both = during("kill", from_s=0, until_s=1), during("kill", host="pub3", from_s=0, until_s=1)
    assert explains(*both, cause="cluster-started", old="", at_s=30.0)
    assert not explains(*both, cause="lease-lost", at_s=30.0)
    assert not explains(*both, cause="cluster-started", old="", at_s=70.0)


def test_a_group_handed_to_a_node_that_is_struck_may_come_back():
    both = during("stop", host="pub2"), during("kill", host="pub3")
    assert explains(*both, cause="daemon-stopped", old="pub3", new="pub3")


def test_who_hears_nobody_because_both_others_are_struck_may_hand_over():
    both = during("witness-down", "mon"), during("flap lan", "pub3")
    assert explains(*both, cause="link-isolated")
    assert not explains(*both, cause="resource-failed")
    assert not explains(both[0], cause="link-isolated")
    assert not explains(during("flap lan", "pub3"), during("lose", "pub3"), cause="link-isolated")


def test_a_group_on_its_way_back_into_a_fault_is_served_again_where_it_came_from():
    again = {"cause": "lease-lost", "old": "pub2", "new": "pub2", "group": "six"}
    assert explains(during("kill", "pub3"), **again)
    assert not explains(during("kill worker", "pub3"), **again), "that takes nothing away"
    assert not explains(during("kill", "mon"), **again)
    assert not explains(during("kill", "pub3"), **{**again, "group": "www"}), "it has no such policy"


def test_a_daemon_without_files_cannot_start_what_runs_on_the_owner():
    assert explains(during("no-files"), cause="start-failed", new="")
    assert not explains(during("no-files"), cause="node-silent")


def test_taking_up_what_one_holds_is_no_move():
    assert not is_a_move(told("daemon-restarted", "pub2", "pub2"))
    assert is_a_move(told("daemon-restarted", "pub2", "pub3"))
    assert is_a_move(told("lease-lost", "pub2", "pub2"))
    assert not is_a_move(told("held", "pub2", "pub2"))


def test_a_long_stall_beside_a_silence_excuses_it_and_nothing_else():
    stall = Stall("processor 0", round(9.0 * S), round(9.6 * S))
    assert excuse(told("node-silent"), [stall], S)
    assert not excuse(told("switchover-ordered"), [stall], S)
    assert not excuse(told("node-silent", at_s=12.0), [stall], S)
    assert not excuse(told("node-silent"), [Stall("processor 0", 9 * S, round(9.4 * S))], S)


def test_the_documentation_has_the_table():
    page = Path(__file__).parents[3] / "docs" / "chaos.md"
    assert table_text() in page.read_text()
