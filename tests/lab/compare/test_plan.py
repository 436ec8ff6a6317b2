"""A comparison plays what is missing, in turn, and knows when it is done."""

import random

from ha_monitor.lab.compare.cells import (
    DEAD_S,
    OURS,
    PROGRAMS,
    ROWS,
    Cell,
    cells,
    held_s,
    inapplicable,
    no_timing,
)
from ha_monitor.lab.compare.plan import Block, Wanted, blocks, guessed_s, remaining_s

EVERY = list(cells())


def test_every_fault_is_played_against_every_program_or_a_reason_is_given():
    for program in PROGRAMS:
        for timing in ("lan", "fast", "default"):
            for row in ROWS:
                reason = inapplicable(program, row) or no_timing(program, timing)
                assert (Cell(program, timing, row) in EVERY) != bool(reason)


def test_ours_is_played_against_every_fault():
    assert all(not inapplicable(OURS, row) for row in ROWS)


def test_the_first_round_is_over_before_the_second_begins():
    order = [block.number for block in blocks(Wanted(3, 2), EVERY, {})]
    assert order == sorted(order)
    assert set(order) == {1, 2, 3}


def test_programs_take_turns_and_another_one_begins_in_each_round():
    order = list(blocks(Wanted(2, 1), EVERY, {}))
    first, second = ([b.program for b in order if (b.number, b.timing) == (n, "lan")] for n in (1, 2))
    assert sorted(first) == sorted(second) == sorted(PROGRAMS)
    assert first[0] != second[0]


def test_what_was_played_is_not_played_again():
    played = {cell: {1} for cell in EVERY if cell.row != "kill"}
    left = list(blocks(Wanted(1, 1), EVERY, played))
    assert {block.rows for block in left} == {("kill",)}
    assert list(blocks(Wanted(1, 1), EVERY, {cell: {1} for cell in EVERY})) == []


def test_a_run_that_is_missing_in_between_is_played():
    cell = Cell(OURS, "lan", "kill")
    assert list(blocks(Wanted(3, 3), [cell], {cell: {1, 3}})) == [Block(OURS, "lan", 2, ("kill",))]


def test_defaults_are_played_as_often_as_wanted_for_them():
    numbers = {b.number for b in blocks(Wanted(5, 2), EVERY, {}) if b.timing == "default"}
    assert numbers == {1, 2}


def test_the_time_left_is_that_of_what_is_missing():
    one, other = Cell(OURS, "lan", "kill"), Cell(OURS, "lan", "stop")
    took = {one: [10.0, 14.0], other: [30.0]}
    assert guessed_s(one, took[one]) == 14
    assert remaining_s(Wanted(2, 2), [one, other], {one: {1}}, took) == 14 + 2 * 30
    assert remaining_s(Wanted(1, 1), [one], {one: {1}}, took) == 0


def test_a_fault_is_held_longer_than_the_program_needs_to_react():
    chance = random.Random(1)
    for cell in EVERY:
        if cell.row in ("power-off", "kill", "partition", "unplug"):
            assert held_s(cell, chance) > DEAD_S[cell.program][cell.timing]


def test_a_freeze_is_ten_seconds_for_everybody():
    chance = random.Random(1)
    assert {held_s(cell, chance) for cell in EVERY if cell.row == "freeze"} == {10.0}
