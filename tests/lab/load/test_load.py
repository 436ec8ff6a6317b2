"""A short pass with real daemons under a real load, in which one takeover is ordered: found and listed."""

import json
import os
import time

import pytest

from ha_monitor.cli import lab_load, lab_verbs
from ha_monitor.lab.daemons import Daemons
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.load.contenders import timings_of
from ha_monitor.lab.load.judge import judge
from ha_monitor.lab.load.run import Load, Recorders, Weight, standing
from ha_monitor.lab.problems import LabError

LIGHT = {"busy": 2, "writers": 1}


@pytest.mark.lab
def test_a_takeover_under_load_is_found_from_outside(tmp_path):
    name = f"w{os.getpid()}"[:8]
    weight = Weight(directory=tmp_path, **LIGHT)
    with standing(name, "ha-monitor", "lan", print) as (contender, watch), Recorders() as recorders:
        owner = watch.answers.last.host
        began_ns = watch.complete_until_ns
        with Load(weight) as load:
            Daemons(Lab(name)).switch(owner)
            _read_until(watch, began_ns + 3 * 10**9)
            told = load.told()
        during = began_ns, watch.complete_until_ns
        report = judge("ha-monitor", "lan", 10**9, watch.answers, watch.stalls, recorders.stalls(), during)
        said = contender.said()
    moves = [(e["host_from"], e["host_to"]) for e in report.events if e["host_from"] != e["host_to"]]
    assert moves[0][0] == owner != moves[0][1]
    assert report.explained + report.unexplained == report.takeovers == len(moves)
    assert told["fsyncs"] > 0
    assert told["longest_fsync_ms"] > 0
    assert any("switchover-ordered" in line for line in said)
    assert Lab(name).leftovers() == []


def _read_until(watch, at_ns):
    deadline = time.monotonic() + 60
    while watch.complete_until_ns < at_ns:
        assert time.monotonic() < deadline, "the observer stands still"
        time.sleep(0.1)
        watch.read_on()


def test_a_part_of_the_load_that_ended_is_an_error(tmp_path):
    with Load(Weight(busy=1, writers=0, directory=tmp_path)) as load:
        load._processes[0].kill()
        load._processes[0].wait()
        with pytest.raises(LabError, match="ended by itself"):
            load.told()
    assert list(tmp_path.iterdir()) == []


def test_programs_have_their_timings():
    assert timings_of("ha-monitor") == ("lan", "fast")
    assert set(timings_of("keepalived")) >= {"default", "lan", "fast"}
    with pytest.raises(LabError, match="'nothing' is none of ha-monitor, keepalived"):
        timings_of("nothing")


PASS = {
    "program": "ha-monitor",
    "timing": "fast",
    "lease_ms": 500,
    "takeovers": 1,
    "explained": 0,
    "interruptions": 0,
    "worst_stall_ms": 12.0,
    "events": [
        {"after_s": 3.0, "host_from": "pub2", "host_to": "pub3", "outage_ms": 480.0, "stall_ms": 12.0},
    ],
}
TOLD = {
    "program": "ha-monitor",
    "takeovers": 1,
    "explained": 0,
    "unexplained": 1,
    "interruptions": 0,
    "seconds": 60,
    "load": {"busy": 8, "writers": 3, "fsyncs": 100, "longest_fsync_ms": 9.0},
    "passes": [PASS],
}


def test_the_command_hands_its_options_on_and_ends_with_one_for_an_unexplained_takeover(monkeypatch, capsys):
    asked = []

    def play(*args):
        asked.append(args[:4])
        return TOLD

    monkeypatch.setattr(lab_load, "load_pass", play)
    command = ["load", "--timing", "lan", "fast", "--for", "2m", "--busy", "1", "--json"]
    assert lab_verbs.run(command) == 1
    assert json.loads(capsys.readouterr().out) == TOLD
    assert asked == [("ha-monitor", ("lan", "fast"), 120.0, Weight(busy=1))]


def test_the_command_tells_a_person_each_takeover_with_the_stall_beside_it(monkeypatch, capsys):
    monkeypatch.setattr(lab_load, "load_pass", lambda *_: TOLD)
    lab_verbs.run(["load"])
    out = capsys.readouterr().out
    assert "ha-monitor at fast (Lease 500 ms): 1 takeovers, 0 beside a stall of the machine" in out
    assert "after 3.0 s: pub2 -> pub3, 480 ms; the machine stalled for 12 ms" in out


def test_a_length_that_is_none_is_refused(capsys):
    assert lab_verbs.run(["load", "--for", "soon"]) == 2
    assert "--for 'soon' is not a whole number" in capsys.readouterr().err
