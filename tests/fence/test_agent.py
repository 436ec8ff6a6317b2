"""One fence agent: what it is given, what its end means, what is never shown."""

import asyncio
import shutil

import pytest

from ha_monitor.agents.programs import Ended
from ha_monitor.fence.agent import Abilities, Agent, abilities_of, first_line, is_off, parameters, without
from ha_monitor.model import FenceDevice
from ha_monitor.timebase import SECOND
from tests.agents.processes import pid_in, wait_gone
from tests.fence.agents import METADATA, device, told

HANGS = "off) sleep 600 & echo $! > {}/pid; wait;;"


def run(work):
    return asyncio.run(work)


def test_parameters_are_lines_with_the_action_first():
    assert parameters("off", [("ip", "192.0.2.7"), ("lanplus", "1")], ("plug", "3")) == (
        b"action=off\nip=192.0.2.7\nlanplus=1\nplug=3\n"
    )
    assert parameters("monitor", [], ("plug", "")) == b"action=monitor\n"


@pytest.mark.parametrize(
    ("code", "output", "meaning"),
    [
        (2, "Status: OFF\n", True),
        (2, "status: off", True),
        (0, "Status: ON\n", False),
        (2, "unrecognised option: offset", None),  # a wrong argument ends with 2 as well
        (2, "Chassis Power is off\n", True),
        (2, "2026-01-01 WARNING: slow board\nStatus: OFF\n", True),
        # what programs print about themselves when an argument is wrong, with code 2
        (2, "usage: fence_own [-h] [-o {on,off,status}]\nfence_own: error: argument -o", None),
        (2, "Usage: fence_own -o status|on|off", None),
        (2, "actions: status, monitor, off", None),
        (2, "", None),
        (1, "Status: OFF", None),
        (None, "Status: OFF", None),
    ],
)
def test_only_two_with_a_line_that_ends_with_off_is_off(code, output, meaning):
    assert is_off(Ended(code, output)) is meaning


def test_metadata_tells_actions_and_how_the_plug_is_called():
    able = abilities_of("2026-01-01 WARNING: noise\n" + METADATA)
    assert able.offers("status")
    assert not able.offers("reboot")
    assert able.plug == "port"
    assert abilities_of(METADATA.replace('name="ip"', 'name="plug"')).plug == "plug"


def test_an_agent_that_lists_nothing_is_asked_all_the_same():
    assert abilities_of("no XML").offers("status")
    assert Abilities(frozenset({"off"})).offers("off")


def test_secrets_never_come_back():
    assert without("login ha/geheim failed: geheim", ["geheim"]) == "login ha/*** failed: ***"


def test_the_first_line_that_says_something_is_the_detail():
    assert first_line("\n\n2026-11-23 06:46:56,044 ERROR: Failed: no route\nUsage") == "Failed: no route"
    assert len(first_line("x" * 5000)) == 160


def test_an_agent_is_run_and_its_secret_comes_from_a_file(tmp_path):
    (tmp_path / "secret").write_text("geheim\n")
    plain = device(tmp_path, "toy", special='off) echo "login with geheim refused"; exit 3;;', ip="192.0.2.7")
    agent = Agent(
        FenceDevice("toy", plain.agent, plain.options, (("password", str(tmp_path / "secret")),), 20 * SECOND)
    )
    answer = run(agent.off("3"))
    assert not answer.is_done
    assert answer.detail == "off: login refused (login with *** refused)"
    assert told(tmp_path, "toy") == ["action=off", "ip=192.0.2.7", "password=geheim", "plug=3"]


def test_after_metadata_the_plug_has_the_name_that_the_agent_wants(tmp_path):
    agent = Agent(device(tmp_path, "toy"))

    async def both():
        await agent.abilities()
        return await agent.off("3")

    assert run(both()).is_done
    assert told(tmp_path, "toy") == ["action=metadata", "action=off", "port=3"]


def test_a_hanging_agent_is_ended_at_its_timeout_with_its_children(tmp_path):
    hanging = device(
        tmp_path, "toy", special=f"off) sleep 600 & echo $! > {tmp_path}/pid; wait;;", timeout_s=0.5
    )
    answer = run(Agent(hanging).off(""))
    assert not answer.is_done
    assert "without an answer" in answer.detail
    assert wait_gone(pid_in(tmp_path / "pid"))


def test_a_program_that_is_not_there_and_a_secret_that_is_not_there_are_told(tmp_path):
    missing = Agent(FenceDevice("x", str(tmp_path / "none"), timeout_ns=SECOND))
    assert "there is no such program" in run(missing.off("")).detail
    no_secret = device(tmp_path, "toy")
    agent = Agent(FenceDevice("toy", no_secret.agent, (), (("password", str(tmp_path / "no")),), SECOND))
    answer = run(agent.off(""))
    assert not answer.is_done
    assert str(tmp_path / "no") in answer.detail
    assert "there is no such program" not in answer.detail
    assert told(tmp_path, "toy") == []


@pytest.mark.skipif(
    shutil.which("fence_dummy", path="/usr/sbin") is None, reason="fence-agents not installed"
)
def test_debians_own_agent_is_understood(tmp_path):
    dummy = FenceDevice(
        "d", "/usr/sbin/fence_dummy", (("status_file", str(tmp_path / "plug")),), (), 60 * SECOND
    )
    agent = Agent(dummy)

    async def story():
        able = await agent.abilities()
        (tmp_path / "plug").write_text("on")
        before = await agent.status("")
        off = await agent.off("")
        return able, before, off, await agent.status(""), await agent.monitor()

    able, before, off, after, monitor = run(story())
    assert able.offers("status")
    assert able.offers("off")
    assert before == (False, "status: Status: ON")
    assert off.is_done
    assert after == (True, "status: Status: OFF")
    assert monitor.is_done
