"""The command that plays seeds, and plays one again."""

import json

import pytest

from ha_monitor.cli.main import main


def counts_of(capsys):
    """The whole standard output is one object."""
    counts = json.loads(capsys.readouterr().out)
    assert list(counts) == ["seeds", "events", "violations"]
    assert all(type(number) is int for number in counts.values())
    return counts


def test_seeds_that_hold_are_counted_and_succeed(capsys):
    assert main(["simulate", "--world", "lease", "--seeds", "6", "--jobs", "2", "--json"]) == 0
    counts = counts_of(capsys)
    assert counts["seeds"] == 6
    assert counts["events"] > 6000
    assert counts["violations"] == 0


def test_people_are_told_how_much_was_played(capsys):
    assert main(["simulate", "--world", "lease", "--seeds", "6", "--jobs", "1"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    played = dict(part.split(" ", 1)[::-1] for part in last.removeprefix("played: ").split(", "))
    assert set(played) == {
        "takeovers",
        "takeovers of exclusive groups",
        "fences",
        "sleeps of whole machines",
    }
    assert int(played["takeovers"]) > 0


def test_one_seed_prints_its_trace_and_the_same_keys(capsys):
    assert main(["simulate", "--world", "lease", "--seed", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 100
    assert main(["simulate", "--world", "lease", "--seed", "4", "--json"]) == 0
    assert counts_of(capsys)["seeds"] == 1


def test_as_many_processes_find_the_same_as_one(capsys):
    arguments = ["simulate", "--seeds", "8", "--json"]
    main([*arguments, "--jobs", "1"])
    alone = counts_of(capsys)
    main([*arguments, "--jobs", "2"])
    assert counts_of(capsys) == alone


def test_planted_bug_fails_and_names_the_command_that_repeats_it(capsys):
    arguments = ["simulate", "--world", "cluster", "--seed", "0", "--plant", "kernel-never-opens"]
    assert main([*arguments, "--json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["violations"] == 1
    assert "ha-monitor " + " ".join(arguments) + "\n" in told.err
    assert "what it takes (none of" in told.err
    assert "ha-monitor " + " ".join(arguments) + " --faults none\n" in told.err


def test_planted_bug_is_hunted_until_it_is_found(capsys):
    assert main(["simulate", "--plant", "lease-from-arrival", "--jobs", "2", "--json"]) == 1
    counts = counts_of(capsys)
    assert counts["violations"] == 1
    assert counts["seeds"] < 30


def test_of_a_seed_only_some_faults_can_be_played(capsys):
    arguments = ["simulate", "--world", "lease", "--seed", "4", "--faults"]
    assert main([*arguments, "0,3"]) == 0
    assert sum(" FAULT " in line for line in capsys.readouterr().out.splitlines()) == 2
    assert main([*arguments, "none"]) == 0
    assert " FAULT " not in capsys.readouterr().out


def test_plants_are_listed_with_what_is_wrong(capsys):
    assert main(["simulate", "--plants"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("no-abstention") and "votes at once" in line for line in lines)
    told = [line.split(maxsplit=2)[2] for line in lines]
    assert len(set(told)) > len(told) - 8  # a few are planted in both worlds


@pytest.mark.parametrize("wrong", [["--plant", "roses"], ["--seeds", "0"]])
def test_wrong_use_is_told_with_what_there_is(wrong, capsys):
    assert main(["simulate", *wrong]) == 2
    assert "no-abstention" in capsys.readouterr().err or "--seeds" in wrong
