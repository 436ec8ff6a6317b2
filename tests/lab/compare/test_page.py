"""The page says what was measured: numbers of runs, ratios, where ours is behind, what was left out."""

from dataclasses import replace

from ha_monitor.lab.compare.cells import OURS, PROGRAMS, ROWS, TITLES, Cell, cells
from ha_monitor.lab.compare.figures import Spread, behind, figures, ratio
from ha_monitor.lab.compare.page import page
from ha_monitor.lab.compare.results import Result

VERSIONS = dict.fromkeys(PROGRAMS, "1.2.3")


def runs(program: str, timing: str, row: str, *outages: float, **others: object) -> list[Result]:
    first = Result(program, "1.2.3", timing, row, 1, "abc1234", at="2026-11-23 07:00:00", idle_percent=80.0)
    return [replace(first, number=n, outage_ms=ms, **others) for n, ms in enumerate(outages, 1)]


def whole() -> list[Result]:
    """One run of everything; ours is behind in exactly one cell."""
    every = [
        run for c in cells() for run in runs(c.program, c.timing, c.row, 30.0 if c.program == OURS else 300.0)
    ]
    return [
        replace(run, outage_ms=10.0) if run.cell == Cell("keepalived", "lan", "switch") else run
        for run in every
    ]


def row_of(text: str, title: str, heading: str) -> str:
    section = text.split(heading)[1]
    return next(line for line in section.splitlines() if line.startswith(f"| {title} "))


def test_median_extremes_and_number_of_runs_stand_in_the_cell():
    text = page(runs(OURS, "lan", "kill", 130.0, 150.0, 135.0), VERSIONS, ["abc1234"])
    assert "135 [130..150] (3)" in row_of(text, ROWS["kill"].title, "### Outage, ms")


def test_what_is_below_the_noise_is_not_given_as_a_figure():
    assert str(Spread.of([3.0, 19.0])) == "< 20"
    assert str(Spread.of([3.0, 25.0])) == "14 [3..25]"


def test_ratios_count_noise_as_noise():
    ours, theirs = figures(runs(OURS, "lan", "kill", 2.0)), figures(runs("ucarp", "lan", "kill", 4.0))
    assert ours is not None
    assert theirs is not None
    assert ratio(ours, theirs) == 1.0


def test_the_one_cell_in_which_ours_is_behind_is_told():
    results = whole()
    by_cell = {result.cell: [result] for result in results}
    assert [(one.row, one.program) for one in behind(by_cell, "lan")] == [("switch", "keepalived")]
    text = page(results, VERSIONS, ["abc1234"])
    assert "had one Owner, or none**\n\n- planned Switchover, `lan`: ours 30 ms; keepalived 10\n" in text
    assert "had two Owners**\n\nNone." in text
    assert "Not explained yet: planned Switchover." in text
    assert "1.50" in row_of(text, ROWS["switch"].title, "### Outage of ha-monitor divided")


def test_a_longer_outage_within_a_tenth_is_equal():
    by_cell = {
        run.cell: [run] for run in (*runs(OURS, "lan", "kill", 108.0), *runs("ucarp", "lan", "kill", 100.0))
    }
    assert behind(by_cell, "lan") == []


def test_nothing_is_left_out_in_silence():
    text = page(whole(), VERSIONS, ["abc1234"])
    tables = text.split("## Where ours is behind")[0]
    assert " - |" not in tables
    assert "ucarp at `fast`: its intervals are whole seconds." in text
    for program in ("heartbeat", "ucarp"):
        assert f"{TITLES[program]}, {ROWS['service-crash'].title}: it looks at no service." in text


def test_runs_that_did_not_recover_or_could_not_be_played_are_marked():
    two = runs("heartbeat", "lan", "freeze", 5000.0, 6000.0, recovered=False)
    bad = runs("heartbeat", "lan", "freeze", 0.0, error="it did not start")
    text = page([*two, replace(bad[0], number=3)], VERSIONS, ["abc1234"])
    assert "5500 [5000..6000] (2, 2 not back, 1 failed)" in text
    assert "failed (1)" in page(bad, VERSIONS, ["abc1234"])


def test_the_longest_double_ownership_is_shown_in_both_views():
    results = runs("pacemaker", "lan", "kill", 5.0, 5.0, double_ms_observer=0.0, double_ms_kernel=7232.4)
    text = page(results, VERSIONS, ["abc1234"])
    assert "0 / 7232" in row_of(text, ROWS["kill"].title, "### Double ownership")


def test_a_page_of_runs_on_a_busy_machine_says_so():
    quiet, busy = ([replace(run, idle_percent=idle) for run in whole()] for idle in (80.0, 3.0))
    assert "kept both cores busy" not in page(quiet, VERSIONS, ["abc1234"])
    assert "kept both cores busy" in page(busy, VERSIONS, ["abc1234"])


def test_the_page_shows_the_configuration_that_is_used_and_the_command():
    text = page([], VERSIONS, ["abc1234"])
    assert "advert_int 0.28" in text
    assert "At `fast`: `advert_int 0.14`" in text
    assert "At `default`: `advert_int 1`, without `vrrp_version 3`" in text
    assert "bench/compare.py --for 60m" in text
    assert "No run has been played yet." in text
