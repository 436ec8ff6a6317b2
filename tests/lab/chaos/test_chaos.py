"""A short real chaos run, then failures planted on the same stage: each must be found."""

import os
import shutil
import subprocess

import pytest

from ha_monitor.lab.chaos import plants
from ha_monitor.lab.chaos.catalog import CATALOG
from ha_monitor.lab.chaos.plan import Plan
from ha_monitor.lab.chaos.record import Record, played
from ha_monitor.lab.chaos.run import ChaosRun, chaos_watch
from ha_monitor.lab.chaos.stage import WATCHED, Stage
from ha_monitor.lab.daemons import PROGRAM
from ha_monitor.lab.lab import Lab

pytestmark = pytest.mark.lab

SEED, SECONDS = 11, 25


@pytest.fixture(scope="module")
def stage():
    if os.geteuid() != 0 or shutil.which("nft", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("needs root and nftables")
    with Stage(Lab(f"c{os.getpid()}"), "lan", print).standing() as standing, chaos_watch(standing) as watch:
        yield standing, watch


def test_no_double_owner_and_no_lost_transition_under_random_faults(stage, tmp_path):
    record = Record(tmp_path / "chaos.jsonl")
    run = ChaosRun(*stage, record, print)
    verdict = run.play(Plan(SEED, CATALOG, [w.group for w in WATCHED], 1.0).rounds(), SECONDS)
    figures = verdict.as_json()
    assert figures["faults"] >= 2, record.path.read_text()
    assert figures["double_ms_observer"] == 0, record.path.read_text()
    assert figures["double_ms_kernel"] == 0, record.path.read_text()
    assert figures["lost_transitions"] == 0, record.path.read_text()
    assert figures["unexpected_takeovers"] == 0, record.path.read_text()
    assert verdict.exit_code == 0, record.path.read_text()
    assert sum(played([record.path]).values()) <= figures["faults"]


@pytest.mark.parametrize(
    ("plant", "counted"),
    [
        ("double", {"double_ms_observer", "double_ms_kernel"}),
        ("lost", {"lost_transitions"}),
        ("move", {"unexpected_takeovers"}),
    ],
)
def test_a_planted_failure_is_found(stage, tmp_path, plant, counted):
    run = ChaosRun(*stage, Record(tmp_path / "planted.jsonl"), print, sink_within_s=3.0)
    plants.play(run, stage[0], [plant])
    assert all(run.verdict.as_json()[key] > 0 for key in counted), run.verdict
    assert run.verdict.exit_code == 1
    if plant == "move":
        assert sum(run.verdict.as_json().values()) == 1, run.verdict


def test_the_command_names_its_faults_and_refuses_others():
    told = subprocess.run([PROGRAM, "lab", "chaos", "--table"], capture_output=True, text=True, check=True)
    assert "| power-off |" in told.stdout
    wrong = [PROGRAM, "lab", "chaos", "--faults", "flood", "--json"]
    refused = subprocess.run(wrong, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "'flood' is no fault of chaos" in refused.stderr
