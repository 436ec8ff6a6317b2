"""What counts, and when the command fails."""

import pytest

from ha_monitor.lab.chaos.judge import Verdict


def test_a_run_in_which_nothing_was_wrong_ends_with_0():
    verdict = Verdict(faults=12, beside_stalls=1)
    assert verdict.exit_code == 0
    assert verdict.as_json() == {
        "faults": 12,
        "double_ms_observer": 0,
        "double_ms_kernel": 0,
        "lost_transitions": 0,
        "unexpected_takeovers": 0,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"double_observer_ns": 1},
        {"double_kernel_ns": 1},
        {"lost_transitions": 1},
        {"unexpected_takeovers": 1},
        {"problems": ["not healthy"]},
    ],
)
def test_each_single_thing_that_is_wrong_makes_it_fail(wrong):
    assert Verdict(faults=12, **wrong).exit_code == 1


def test_a_part_of_a_millisecond_is_a_millisecond():
    figures = Verdict(double_observer_ns=1, double_kernel_ns=1_000_001).as_json()
    assert (figures["double_ms_observer"], figures["double_ms_kernel"]) == (1, 2)
    assert all(type(value) is int for value in figures.values())
