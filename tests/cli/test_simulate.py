"""The command that plays seeds, and plays one again."""

import json

import pytest

from ha_monitor.cli.main import main


def counts_of(capsys):
    last = capsys.readouterr().out.splitlines()[-1]
    counts = json.loads(last)
    assert list(counts) == ["seeds", "events", "violations"]
    assert all(type(number) is int for number in counts.values())
    return counts


def test_seeds_that_hold_are_counted_and_succeed(capsys):
    assert main(["simulate", "--world", "lease", "--seeds", "6", "--jobs", "2", "--json"]) == 0
    counts = counts_of(capsys)
    assert counts["seeds"] == 6
    assert counts["events"] > 6000
    assert counts["violations"] == 0


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
    out = capsys.readouterr().out
    assert json.loads(out.splitlines()[-1])["violations"] == 1
    assert "ha-monitor " + " ".join(arguments) in out


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
