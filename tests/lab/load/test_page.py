"""docs/load.md says what was played, and what was not."""

from ha_monitor.lab.load.page import page
from tests.lab.load.test_load import TOLD

LOAD = {"busy": 8, "writers": 3, "fsyncs": 100, "longest_fsync_ms": 9.0, "load_average": 12.0}


def played(seconds=1800, **changes):
    one = {
        **TOLD["passes"][0],
        "seconds": seconds,
        "unexplained": 1,
        "told": {"worst_stall_ms": 31},
        **changes,
    }
    return {
        **TOLD,
        "seconds": seconds,
        "passes": [one],
        "load": LOAD,
        "date": "2026-01-02",
        "kernel": "6.1.0",
    }


def test_a_pass_is_a_row_with_its_takeovers_below():
    text = page([played()], "30m")
    assert "| ha-monitor | fast | 500 ms | 30.0 | 1 | 0 | 1 | 0 | 12 ms | 31 ms |" in text
    assert "- ha-monitor at fast, after 3.0 s: pub2 -> pub3, 480 ms; the machine stalled for 12 ms" in text
    assert "100 calls of fsync in 1800 s, the longest 9 ms; load average 12.0" in text
    assert "trials" not in text


def test_a_short_pass_is_called_a_trial():
    assert "no measurement: ha-monitor." in page([played(seconds=120)], "2m")


def test_a_program_that_tells_nothing_of_itself_has_no_figure():
    assert "| 12 ms | - |" in page([played(told={})], "30m")


def test_a_long_list_is_cut_and_says_so():
    events = TOLD["passes"][0]["events"] * 50
    assert "- ha-monitor at fast: 10 more" in page([played(events=events)], "30m")


def test_nothing_played_is_said():
    text = page([], "30m")
    assert "Nothing was played yet." in text
    assert text.count("None") == 2
