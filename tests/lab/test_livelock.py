"""A program that starts nowhere is passed round by real daemons, recognised, frozen, told, and answered."""

import json
import os
import time
from dataclasses import asdict

import pytest

from ha_monitor.lab.cast import NODES
from ha_monitor.lab.daemons import LOG, PROGRAM, VIP_LINES, VOTERS, Daemons, config_text
from ha_monitor.lab.lab import Lab
from ha_monitor.runtime.memory import Memory
from ha_monitor.timebase import SECOND

pytestmark = pytest.mark.lab

SCRIPT = """\
#!/bin/sh
case "$1" in
start) [ -e /run/mended ] && touch /run/started ;;
stop) rm -f /run/started ;;
status) [ -e /run/started ] || exit 3 ;;
esac
"""
CONTROL = "/etc/ha-monitor/program"
BOUND_S = 60


@pytest.fixture
def pair():
    with Lab(f"v{os.getpid()}"[:8]).session() as lab:
        daemons = Daemons(lab)
        verbs = ", ".join(f'{verb} = "{CONTROL} {verb}"' for verb in ("start", "stop", "status"))
        daemons.configure(config_text(resources=(*VIP_LINES, f'{{ command = "program", {verbs} }}')))
        for name in VOTERS:
            host = lab.host(name)
            host.path(CONTROL).write_text(SCRIPT)
            host.path(CONTROL).chmod(0o755)
            # As after a first life: it knows how long it may have granted, and abstains no longer than that.
            memory = json.dumps(asdict(Memory(hold_ns=SECOND)))
            host.path("/var/lib/ha-monitor/memory.json").write_text(memory)
        daemons.start()
        yield lab


def until(lab, name, is_so):
    """The group as that Node's daemon tells it, once it is so."""
    deadline = time.monotonic() + BOUND_S
    while True:
        view = Daemons(lab).status(name)
        if view is not None and view.groups and is_so(view.groups[0]):
            return view.groups[0]
        assert time.monotonic() < deadline, view.groups[0] if view else "no status"
        time.sleep(0.2)


def test_a_program_that_starts_nowhere_is_frozen_and_clear_lets_it_go_on(pair):
    groups = [until(pair, name, lambda g: g.hold == "livelock" and g.hold_node) for name in NODES]
    assert len({g.hold_node for g in groups}) == 1
    told = until(pair, NODES[0], lambda g: g.last.cause in ("livelock", "start-failed"))
    assert told.owner == ""
    assert any("FROZEN" in line for line in told.explain)
    logs = [pair.host(name).path(LOG).read_text() for name in VOTERS]
    assert any("passed round 4 times, never served for 10.0 s" in log for log in logs)
    for name in NODES:
        pair.host(name).path("/run/mended").touch()
    done = pair.host(NODES[1]).exec([PROGRAM, "clear", "www"])
    assert "no longer held" in done.stdout
    for name in NODES:
        group = until(pair, name, lambda g: g.state == "running" and g.owner)
        assert group.hold == "none"
