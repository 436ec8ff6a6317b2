"""`fence`, `confirm-fenced`, and what `status` and `check` say of fences, modes and devices."""

import io
from dataclasses import replace

import pytest

from ha_monitor.cli import main as cli
from ha_monitor.cli.check_fencing import check_fencing, check_quorum
from ha_monitor.cli.findings import ERROR, OK, WARNING
from ha_monitor.cli.status import lines_of
from ha_monitor.config import parse_config
from ha_monitor.view import FenceDeviceView, FenceView
from tests.cli.daemon import PlayedDaemon
from tests.views import T0_NS, healthy

FENCE = FenceView("pub3", "fenced", 12, "smoke", "anna", "level 1: ipmi off", 4200, 1, 2)
DEVICE = FenceDeviceView("ipmi", ("pub3",), True, 90, "monitor: done")


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    monkeypatch.setenv("HA_MONITOR_RUN", str(tmp_path))
    made = []

    def start(react):
        made.append(PlayedDaemon(tmp_path, healthy(), react))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_fence_gives_the_reason_and_tells_what_came_of_it(daemon, capsys):
    played = daemon(lambda view, order: replace(view, fences=(FENCE,)))
    assert cli.main(["fence", "pub3", "--why", "smoke"]) == 0
    assert played.orders == [{"order": "fence", "node": "pub3", "why": "smoke"}]
    out = capsys.readouterr().out
    assert "pub3 is off" in out
    assert "it took 4.2 s" in out


def test_fence_that_failed_is_refused_with_the_daemons_reason(daemon, capsys):
    daemon(lambda view, order: "pub3 is not known to be off: level 1: ipmi off: connection lost")
    assert cli.main(["fence", "pub3", "--why", "smoke"]) == 2
    assert "connection lost" in capsys.readouterr().err


def test_fence_without_a_reason_is_wrong_use(daemon):
    with pytest.raises(SystemExit) as ended:
        cli.main(["fence", "pub3"])
    assert ended.value.code == 2


def test_a_confirmation_is_asked_back_with_what_it_means(daemon, capsys, monkeypatch):
    played = daemon(lambda view, order: view)
    terminal = io.StringIO("pub3\n")
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    assert cli.main(["confirm-fenced", "pub3", "--why", "unplugged"]) == 0
    assert played.orders == [{"order": "confirm-fenced", "node": "pub3", "why": "unplugged"}]
    assert "If pub3 runs on after all, two Nodes serve" in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "is_terminal"), [("yes\n", True), ("", True), ("pub3\n", False)])
def test_anything_but_the_nodes_name_at_a_terminal_confirms_nothing(daemon, monkeypatch, typed, is_terminal):
    played = daemon(lambda view, order: view)
    terminal = io.StringIO(typed)
    terminal.isatty = lambda: is_terminal
    monkeypatch.setattr("sys.stdin", terminal)
    assert cli.main(["confirm-fenced", "pub3"]) == 2
    assert played.orders == []


def test_yes_answers_what_would_be_asked(daemon):
    played = daemon(lambda view, order: view)
    assert cli.main(["confirm-fenced", "pub3", "--yes"]) == 0
    assert len(played.orders) == 1


def test_status_shows_fences_devices_and_the_mode():
    view = replace(healthy(), witness="", quorum="fencing", fences=(FENCE,), fence_devices=(DEVICE,))
    text = "\n".join(lines_of(view, T0_NS))
    assert "quorum fencing" in text
    assert "pub3      fenced  12 s  anna  smoke; level 1: ipmi off" in text
    assert "ipmi          works  90 s    pub3    monitor: done" in text
    ping = replace(healthy(), witness="", quorum="ping", ping_targets=2, ping_reached=1)
    assert "1 of 2 targets answer" in "\n".join(lines_of(ping, T0_NS))


def config(tmp_path, secret="geheim\n", mode=0o600, agent_mode=0o755):
    (tmp_path / "secret").write_text(secret)
    (tmp_path / "secret").chmod(mode)
    agent = tmp_path / "fence_x"
    agent.write_text("#!/bin/sh\n")
    agent.chmod(agent_mode)
    return parse_config(
        f"""
[cluster]
name = "web"
quorum = "fencing"
[nodes]
pub2 = {{ lan = "192.0.2.12" }}
pub3 = {{ lan = "192.0.2.13" }}
[groups.www]
resources = [{{ vip = "192.0.2.100/24" }}]
[fencing.devices.x]
agent = "{agent}"
secrets = {{ password = "{tmp_path}/secret" }}
[fencing.levels]
pub2 = [["x:1"]]
pub3 = [["x:2"]]
""".encode()
    )


def found(checked, view=None):
    return [(f.level, f.line) for f in check_fencing(checked, checked.nodes[0], view)]


def test_check_is_content_with_an_agent_and_its_secret(tmp_path):
    assert {level for level, _ in found(config(tmp_path))} == {OK}


@pytest.mark.parametrize(
    ("settings", "level", "text"),
    [
        ({"secret": ""}, ERROR, "is empty"),
        ({"mode": 0o644}, ERROR, "others may read"),
        ({"agent_mode": 0o644}, ERROR, "cannot be run"),
        ({"agent_mode": 0o777}, WARNING, "others than root may change"),
    ],
)
def test_check_tells_what_is_wrong_with_an_agent_or_a_secret(tmp_path, settings, level, text):
    assert any(
        text in line and found_level == level for found_level, line in found(config(tmp_path, **settings))
    )


def test_check_tells_a_missing_agent_and_a_missing_secret(tmp_path):
    checked = config(tmp_path)
    (tmp_path / "fence_x").unlink()
    (tmp_path / "secret").unlink()
    lines = [line for level, line in found(checked) if level == ERROR]
    assert any("is not there; install it" in line for line in lines)
    assert any("cannot be read" in line for line in lines)


def test_check_repeats_what_the_daemons_tests_found(tmp_path):
    broken = replace(DEVICE, is_working=False, detail="connection lost")
    view = replace(healthy(), fence_devices=(broken, replace(DEVICE, name="new", age_s=-1)))
    lines = found(config(tmp_path), view)
    assert any(level == ERROR and "connection lost" in line for level, line in lines)
    assert any(level == OK and "has not tested it yet" in line for level, line in lines)


def test_check_warns_of_ping_and_of_nothing_else(tmp_path):
    (finding,) = check_quorum(config(tmp_path))
    assert finding.level == OK
    ping = replace(config(tmp_path), quorum=type(config(tmp_path).quorum).PING)
    (finding,) = check_quorum(ping)
    assert finding.level == WARNING
