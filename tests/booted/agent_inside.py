"""Scenes with the agents, played on a booted host: ``python -m tests.booted.agent_inside SCENE``.

Each prints one JSON object; the tests outside judge it.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from ha_monitor.agents.base import Surroundings
from ha_monitor.agents.command import CommandAgent, read_pidfile
from ha_monitor.agents.systemd import SystemdAgent
from ha_monitor.agents.systemd_bus import SystemdManager
from ha_monitor.model import Resource, ResourceKind
from ha_monitor.runtime.cgroup import Cgroup, directory_of, hierarchy
from ha_monitor.runtime.ending import Outcome, member_of
from ha_monitor.timebase import SECOND

HERE = Surroundings("www", "pub2")
UNITS = Path("/run/systemd/system")


def write_unit(name, *service_lines):
    (UNITS / name).write_text("\n".join(["[Service]", *service_lines, ""]))
    subprocess.run(["systemctl", "daemon-reload"], check=True)


def agent(unit, manager=None, **timeouts):
    resource = Resource(unit, ResourceKind.SYSTEMD, unit=unit, **timeouts)
    return SystemdAgent(resource, manager or SystemdManager())


def told(answer):
    return [answer.state.value, answer.detail]


def main_pid(unit):
    shown = subprocess.run(
        ["systemctl", "show", "--value", "-pMainPID", unit], capture_output=True, check=True
    )
    return int(shown.stdout)


async def life_of_a_unit():
    write_unit("t-life.service", "ExecStart=/bin/sleep 300")
    unit = agent("t-life.service")
    before = await unit.status(HERE)
    started = await unit.start(HERE)
    again = await unit.start(HERE)
    stopped = await unit.stop(HERE)
    stopped_again = await unit.stop(HERE)
    return [told(answer) for answer in (before, started, again, stopped, stopped_again)]


async def crash():
    write_unit("t-crash.service", "ExecStart=/bin/sleep 300")
    unit = agent("t-crash.service")
    await unit.start(HERE)
    seen = asyncio.Event()
    listening = asyncio.create_task(unit.listen(seen.set))
    await seen.wait()  # listening has begun
    lengths_ms = []
    for _ in range(5):
        await unit.start(HERE)
        await asyncio.sleep(0.1)
        seen.clear()
        os.kill(main_pid("t-crash.service"), signal.SIGKILL)
        killed = time.monotonic()
        await asyncio.wait_for(seen.wait(), 10)
        answer = await unit.status(HERE)
        lengths_ms.append(1000 * (time.monotonic() - killed))
    listening.cancel()
    stopped = await unit.stop(HERE)
    return {"answer": told(answer), "lengths_ms": lengths_ms, "stopped": told(stopped)}


async def hanging_stop():
    write_unit("t-hang.service", "ExecStart=/bin/sleep 300", "ExecStop=/bin/sleep 300", "TimeoutStopSec=60")
    unit = agent("t-hang.service", stop_timeout_ns=SECOND)
    await unit.start(HERE)
    began = time.monotonic()
    answer = await unit.stop(HERE)
    return {"answer": told(answer), "took_s": time.monotonic() - began}


async def stop_by_force():
    ignore = "/bin/sh -c 'trap \"\" TERM; while :; do sleep 1; done'"
    write_unit("t-force.service", f"ExecStart={ignore}", "TimeoutStopSec=1")
    unit = agent("t-force.service")
    await unit.start(HERE)
    return told(await unit.stop(HERE))


async def failing_start():
    write_unit("t-fail.service", "Type=oneshot", "ExecStart=/bin/false")
    unit = agent("t-fail.service")
    return [told(await unit.start(HERE)), told(await unit.status(HERE)), told(await unit.stop(HERE))]


async def missing_unit():
    unit = agent("t-missing.service")
    return [told(await unit.status(HERE)), told(await unit.start(HERE)), told(await unit.stop(HERE))]


async def without_bus():
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/nonexistent"
    write_unit("t-nobus.service", "ExecStart=/bin/sleep 300")
    manager = SystemdManager()
    unit = agent("t-nobus.service", manager)
    answers = [await unit.status(HERE), await unit.start(HERE)]
    pid = unit.main_pid()
    answers.append(await unit.stop(HERE))
    answers.append(await agent("t-missing.service", manager).start(HERE))
    return {"answers": [told(answer) for answer in answers], "pid": pid, "is_on_bus": manager.is_on_bus}


async def start_inside_a_cgroup():
    write_unit("t-inside.service", "ExecStart=/bin/sleep 300")
    unit, cgroup = agent("t-inside.service"), Cgroup(directory_of(hierarchy(), "t", "www"))
    exclusive = replace(HERE, cgroup=str(cgroup.directory))
    cgroup.make()
    answers = [await unit.start(exclusive), await unit.stop(exclusive)]
    is_gone = cgroup.remove()
    answers += [await unit.start(exclusive), await unit.status(exclusive)]
    return {"answers": [told(answer) for answer in answers], "is_gone": is_gone}


async def start_that_waits():
    """For a unit before it that never gets ready."""
    write_unit("t-first.service", "Type=oneshot", "ExecStart=/bin/sleep 300")
    later = UNITS / "t-later.service"
    later.write_text("[Unit]\nAfter=t-first.service\n[Service]\nExecStart=/bin/sleep 300\n")
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    units = ["t-first.service", later.name]
    stopped = [guard_says_stopped(later.name)]
    for order in (["start", "--no-block"], ["stop"]):
        subprocess.run(["systemctl", *order, *units], check=True)
        stopped.append(guard_says_stopped(later.name))
    return {"stopped": stopped, "state": told(await agent(later.name).status(HERE))}


def guard_says_stopped(unit):
    member = member_of(Resource(unit, ResourceKind.SYSTEMD, unit=unit))
    done = subprocess.run(member.status.argv, capture_output=True, text=True, check=False)
    return member.is_stopped(Outcome(done.returncode, done.stdout))


async def bus_restarts():
    write_unit("t-bus.service", "ExecStart=/bin/sleep 300")
    unit = agent("t-bus.service")
    await unit.start(HERE)
    seen = asyncio.Event()
    listening = asyncio.create_task(unit.listen(seen.set))
    await seen.wait()
    seen.clear()
    subprocess.run(["systemctl", "kill", "--signal=KILL", "dbus.service"], check=True)
    during = await unit.status(HERE)
    await asyncio.wait_for(seen.wait(), 20)  # it listens again
    seen.clear()
    os.kill(main_pid("t-bus.service"), signal.SIGKILL)
    await asyncio.wait_for(seen.wait(), 10)
    after = await unit.status(HERE)
    listening.cancel()
    return [told(during), told(after)]


async def daemon_of_a_service():
    """Played as a service of systemd: what a `command` Resource starts must not be part of it."""
    resource = Resource(
        "t-daemon",
        ResourceKind.COMMAND,
        start="sleep 300 & echo $! > /run/t-daemon.pid",
        stop="kill $(cat /run/t-daemon.pid); rm /run/t-daemon.pid",
        status="test -e /run/t-daemon.pid || exit 3; kill -0 $(cat /run/t-daemon.pid)",
    )
    answer = await CommandAgent(resource, Path("/run/t-output")).start(HERE)
    cgroup = Path(f"/proc/{read_pidfile('/run/t-daemon.pid')}/cgroup").read_text()
    Path("/run/t-daemon.json").write_text(json.dumps({"answer": told(answer), "cgroup": cgroup}))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(globals()[sys.argv[1]]())))
