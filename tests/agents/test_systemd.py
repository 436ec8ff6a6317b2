"""What systemd's words mean. A scripted manager here; a real systemd in tests/booted."""

import asyncio

import pytest

from ha_monitor.agents.base import Answer, Surroundings
from ha_monitor.agents.systemd import (
    SystemdAgent,
    UnitStatus,
    has_processes,
    unit_answer,
    unit_name,
    unit_status,
)
from ha_monitor.agents.systemd_bus import SystemdManager
from ha_monitor.errors import AgentError
from ha_monitor.model import Resource, ResourceKind, ResourceState
from ha_monitor.timebase import MS

HERE = Surroundings("www", "pub2")
EXCLUSIVE = Surroundings("www", "pub2", cgroup="/cgroup/www")


class ScriptedManager:
    """Answers each job with ``outcome`` (None: never) and each question with the next status."""

    def __init__(self, outcome, *statuses):
        self.outcome, self.statuses, self.calls = outcome, list(statuses), []

    async def job(self, method, unit, cgroup=""):
        self.calls.append((method, unit, cgroup) if cgroup else (method, unit))
        if self.outcome is None:
            await asyncio.sleep(60)
        return self.outcome

    async def status(self, unit):
        answer = self.statuses.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def reset_failed(self, unit):
        self.calls.append(("reset", unit))


def agent(manager):
    timeouts = {"start_timeout_ns": 50 * MS, "stop_timeout_ns": 50 * MS}
    return SystemdAgent(Resource("nginx", ResourceKind.SYSTEMD, unit="nginx", **timeouts), manager)


def status(active, **more):
    return UnitStatus("loaded", active, **more)


def test_started_unit_is_what_its_state_says_after_the_job():
    manager = ScriptedManager("done", status("active", sub="running"))
    assert asyncio.run(agent(manager).start(HERE)) == Answer(ResourceState.RUNNING)
    assert manager.calls == [("StartUnit", "nginx.service")]


def test_a_start_begins_inside_the_cgroup_of_an_exclusive_group_and_a_stop_needs_none():
    manager = ScriptedManager("done", status("active"), status("inactive"))
    asyncio.run(agent(manager).start(EXCLUSIVE))
    asyncio.run(agent(manager).stop(EXCLUSIVE))
    assert manager.calls == [("StartUnit", "nginx.service", "/cgroup/www"), ("StopUnit", "nginx.service")]


def test_no_start_of_an_exclusive_group_begins_once_the_guard_has_removed_its_cgroup(tmp_path, monkeypatch):
    asked = tmp_path / "asked"
    program = tmp_path / "systemctl"
    program.write_text(f"#!/bin/sh\necho $$ $* >>{asked}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def start(cgroup):
        return asyncio.run(SystemdManager().job("StartUnit", "nginx.service", str(cgroup)))

    entered = tmp_path / "www" / "cgroup.procs"
    assert start(entered.parent).startswith("failed: ")
    assert not asked.exists()
    entered.parent.mkdir()
    assert start(entered.parent) == "done"
    assert asked.read_text().split()[1:] == ["--no-pager", "--no-ask-password", "start", "nginx.service"]
    assert entered.read_text() == "0\n", "by the very process that became systemctl"


def test_failed_job_is_a_failed_start_in_the_words_of_systemd():
    manager = ScriptedManager("failed", status("failed", sub="failed", result="exit-code"))
    assert asyncio.run(agent(manager).start(HERE)) == Answer(
        ResourceState.FAILED, "start failed: failed (failed), result exit-code"
    )


def test_canceled_start_of_an_inactive_unit_is_not_stopped_but_failed():
    manager = ScriptedManager("canceled", status("inactive"))
    assert asyncio.run(agent(manager).start(HERE)).state is ResourceState.FAILED


def test_stop_without_an_end_is_a_failure_although_it_may_end_some_day():
    manager = ScriptedManager(None, status("deactivating", sub="stop-sigterm"))
    assert asyncio.run(agent(manager).stop(HERE)) == Answer(
        ResourceState.FAILED, "stop did not end within 0.05 s: deactivating (stop-sigterm)"
    )


def test_unit_that_ended_badly_but_left_no_process_is_proved_stopped():
    manager = ScriptedManager("done", status("failed", result="timeout"), status("inactive"))
    assert asyncio.run(agent(manager).stop(HERE)) == Answer(ResourceState.STOPPED)
    assert ("reset", "nginx.service") in manager.calls


def test_failed_unit_with_a_process_left_is_not_stopped(monkeypatch):
    monkeypatch.setattr("ha_monitor.agents.systemd.has_processes", lambda group: group == "/system.slice/x")
    manager = ScriptedManager("done", status("failed", control_group="/system.slice/x"))
    assert asyncio.run(agent(manager).stop(HERE)).state is ResourceState.FAILED
    assert ("reset", "nginx.service") not in manager.calls


def test_systemd_that_cannot_be_asked_leaves_the_state_unknown():
    manager = ScriptedManager("done", AgentError("no system bus"))
    assert asyncio.run(agent(manager).status(HERE)) == Answer(ResourceState.UNKNOWN, "no system bus")


@pytest.mark.parametrize(
    ("unit", "answer"),
    [
        (UnitStatus("loaded", "inactive", "dead"), Answer(ResourceState.STOPPED)),
        (UnitStatus("not-found", "inactive"), Answer(ResourceState.FAILED, "unit is not-found here")),
        (UnitStatus("masked", "inactive"), Answer(ResourceState.FAILED, "unit is masked here")),
        # Its file was deleted, it runs on.
        (UnitStatus("not-found", "active"), Answer(ResourceState.RUNNING)),
        (
            UnitStatus("loaded", "activating", "auto-restart", "signal"),
            Answer(ResourceState.STARTING, "activating (auto-restart), result signal"),
        ),
    ],
)
def test_probe_tells_a_unit_that_could_not_run_from_one_that_is_stopped(unit, answer):
    assert unit_answer(unit) == answer


def test_process_below_a_cgroup_is_seen(tmp_path):
    (tmp_path / "system.slice/x.service/sub").mkdir(parents=True)
    (tmp_path / "system.slice/x.service/cgroup.procs").write_text("")
    procs = tmp_path / "system.slice/x.service/sub/cgroup.procs"
    procs.write_text("")
    roots = (str(tmp_path),)
    assert not has_processes("/system.slice/x.service", roots)
    procs.write_text("4711\n")
    assert has_processes("/system.slice/x.service", roots)
    assert not has_processes("", roots)


def test_unit_name_gets_its_suffix_only_when_it_has_none():
    assert unit_name("nginx") == "nginx.service"
    assert unit_name("postgresql@15-main") == "postgresql@15-main.service"
    assert unit_name("php8.2-fpm") == "php8.2-fpm.service"
    assert unit_name("data.mount") == "data.mount"


def test_properties_of_systemctl_show_are_read():
    shown = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "MainPID": "42"}
    assert unit_status(shown) == UnitStatus("loaded", "active", "running", main_pid=42)
