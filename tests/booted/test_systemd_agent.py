"""The agents against a real systemd: job results, signals, and what a stop proves."""

import json
import statistics
import sys

import pytest

from tests.booted.hosts import REPOSITORY

pytestmark = pytest.mark.booted


@pytest.fixture
def play(hosts):
    """Plays a scene of agent_inside on pub2 and returns what it printed."""

    def play(scene):
        command = f"{sys.executable} -m tests.booted.agent_inside {scene}"
        return json.loads(hosts["pub2"].run(command, cwd=str(REPOSITORY)).stdout)

    return play


def test_unit_is_started_and_stopped_by_its_jobs(play):
    assert play("life_of_a_unit") == [
        ["stopped", ""],
        ["running", ""],
        ["running", ""],
        ["stopped", ""],
        ["stopped", ""],
    ]


def test_crash_is_told_by_a_signal_within_200_ms(play):
    result = play("crash")
    assert result["answer"] == ["failed", "failed (failed), result signal"]
    assert statistics.median(result["lengths_ms"]) < 200
    # Nothing of it is left: a stop proves that.
    assert result["stopped"] == ["stopped", ""]


def test_stop_that_hangs_is_reported_as_failed_in_its_time(play):
    result = play("hanging_stop")
    assert result["answer"] == ["failed", "stop did not end within 1 s: deactivating (stop)"]
    assert 1 <= result["took_s"] < 5


def test_unit_that_had_to_be_killed_is_proved_stopped(play):
    assert play("stop_by_force") == ["stopped", ""]


def test_start_that_fails_says_so_in_the_words_of_systemd(play):
    started, probed, stopped = play("failing_start")
    assert started == ["failed", "start failed: failed (failed), result exit-code"]
    assert probed == ["failed", "failed (failed), result exit-code"]
    assert stopped == ["stopped", ""]


def test_unit_that_is_not_installed_makes_the_node_unfit_but_blocks_nothing(play):
    probed, started, stopped = play("missing_unit")
    assert probed == ["failed", "unit is not-found here"]
    assert started == ["failed", "start Unit t-missing.service not found.: unit is not-found here"]
    assert stopped == ["stopped", ""]


def test_systemctl_serves_where_no_bus_answers(play):
    result = play("without_bus")
    status, started, stopped, missing = result["answers"]
    assert [status[0], started[0], stopped[0], missing[0]] == ["stopped", "running", "stopped", "failed"]
    assert "Unit t-missing.service not found" in missing[1]
    # Without signals the process itself is watched.
    assert result["pid"] > 1
    assert not result["is_on_bus"]


def test_unit_of_an_exclusive_group_is_started_inside_its_cgroup_or_not_at_all(play):
    result = play("start_inside_a_cgroup")
    started, stopped, late, after = result["answers"]
    assert (started, stopped) == (["running", ""], ["stopped", ""])
    assert result["is_gone"], "systemctl had ended, and the unit is in a cgroup of systemd's own"
    assert late[0] == "failed"
    assert after == ["stopped", ""]


def test_unit_whose_start_waits_is_not_proved_stopped(play):
    assert play("start_that_waits") == {"stopped": [True, False, True], "state": ["stopped", ""]}


def test_restart_of_the_bus_hides_nothing(play):
    during, after = play("bus_restarts")
    assert during == ["running", ""]
    assert after == ["failed", "failed (failed), result signal"]


def test_daemon_that_a_command_started_outlives_the_unit_of_ha_monitor(hosts):
    host = hosts["pub2"]
    host.run(
        "systemd-run --quiet --wait --unit=t-ha-monitor --property=KillMode=mixed"
        f" --working-directory={REPOSITORY} {sys.executable} -m tests.booted.agent_inside daemon_of_a_service"
    )
    result = json.loads(host.run("cat /run/t-daemon.json").stdout)
    assert result["answer"] == ["running", ""]
    assert "ha-monitor-t-daemon-" in result["cgroup"]
    host.run("kill -0 $(cat /run/t-daemon.pid) && kill $(cat /run/t-daemon.pid)")
