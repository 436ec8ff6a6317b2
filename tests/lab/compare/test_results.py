"""Runs are kept one by one, and only those of the compared versions count."""

from dataclasses import replace
from pathlib import Path

import pytest

from ha_monitor.lab.compare.cells import OURS, Cell
from ha_monitor.lab.compare.results import Result, Results
from ha_monitor.lab.problems import LabError

VERSIONS = {OURS: "abc1234", "keepalived": "1:2.2.7-1+b2"}
OUR_RUN = Result(OURS, "abc1234", "lan", "kill", 1, "abc1234", outage_ms=132.5)
THEIR_RUN = Result("keepalived", "1:2.2.7-1+b2", "lan", "partition-far", 2, "0000000")


def test_a_run_is_read_as_it_was_written(tmp_path: Path):
    results = Results(tmp_path / "deep" / "down", VERSIONS)
    results.write(OUR_RUN)
    results.write(THEIR_RUN)
    assert sorted(results, key=lambda result: result.program) == [OUR_RUN, THEIR_RUN]
    assert results.numbers() == {OUR_RUN.cell: {1}, Cell("keepalived", "lan", "partition-far"): {2}}


def test_runs_of_another_version_do_not_count_unless_asked_for(tmp_path: Path):
    older = replace(OUR_RUN, version="1111111")
    Results(tmp_path, VERSIONS).write(older)
    assert list(Results(tmp_path, VERSIONS)) == []
    assert list(Results(tmp_path, VERSIONS, ("1111111",))) == [older]


def test_runs_on_a_busy_machine_do_not_count_where_quiet_ones_are_wanted(tmp_path: Path):
    Results(tmp_path, VERSIONS).write(replace(OUR_RUN, idle_percent=12.0))
    assert Results(tmp_path, VERSIONS, idle_min=30).numbers() == {}
    Results(tmp_path, VERSIONS).write(replace(OUR_RUN, idle_percent=81.0))
    assert Results(tmp_path, VERSIONS, idle_min=30).numbers() == {OUR_RUN.cell: {1}}


def test_our_commit_does_not_age_the_runs_of_the_others(tmp_path: Path):
    Results(tmp_path, VERSIONS).write(THEIR_RUN)
    assert list(Results(tmp_path, {**VERSIONS, OURS: "fffffff"})) == [THEIR_RUN]


def test_two_runs_never_share_a_file():
    changed = [
        replace(OUR_RUN, **{name: value})
        for name, value in (("version", "x"), ("timing", "fast"), ("row", "stop"), ("number", 2))
    ]
    assert len({result.name for result in (OUR_RUN, THEIR_RUN, *changed)}) == 6
    assert "/" not in replace(OUR_RUN, version="a/b").name


def test_a_file_that_is_no_result_is_named(tmp_path: Path):
    (tmp_path / "x.json").write_text('{"program": "keepalived"}')
    with pytest.raises(LabError, match=r"x\.json: is not a result"):
        list(Results(tmp_path, VERSIONS))
