"""The command that plays seeds, and plays one again."""

import pytest

from ha_monitor.sim.__main__ import main


def test_a_seed_that_holds_is_told_with_its_events_and_succeeds(capsys):
    assert main(["--world", "lease", "--seeds", "3"]) == 0
    assert capsys.readouterr().out.endswith(" events: all held\n")


def test_a_seed_that_breaks_is_told_with_its_trace_and_the_command_that_repeats_it(capsys):
    arguments = ["--world", "cluster", "--seed", "0", "--plant", "kernel-never-opens"]
    assert main(arguments) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 5
    assert lines[-1] == "  replay: python -m ha_monitor.sim " + " ".join(arguments)


def test_unknown_plant_is_wrong_use_and_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--world", "lease", "--plant", "roses"])
    assert ended.value.code == 2
    assert "no-abstention" in capsys.readouterr().err
