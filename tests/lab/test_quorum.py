"""One Node alone, and three without a Witness, on real daemons."""

import json
import os
import secrets
import time
from dataclasses import asdict

import pytest

from ha_monitor.lab.cast import CAST, NODES, SERVICE_V4, SERVICE_VIPS, WITNESS
from ha_monitor.lab.chaos import trapper
from ha_monitor.lab.daemons import CONFIG, KEY, LOG, PROGRAM, Daemons
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.observation import Observation, who_answers
from ha_monitor.lab.processes import kill_all_at_once
from ha_monitor.lab.roles import daemon_processes
from ha_monitor.runtime.memory import Memory
from ha_monitor.timebase import SECOND
from tests.lab.waiting import assert_never_double, view_of, wait_for

pytestmark = pytest.mark.lab

SECRET = secrets.token_hex(32)
JOB, EVENTS = "/etc/ha-monitor/job", "/var/log/events.jsonl"
THREE = (*NODES, WITNESS)  # the host of the Witness is a Node like the others here
SCRIPT = """\
#!/bin/sh
pid=$(cat /run/job.pid 2>/dev/null)
case "$1" in
start) setsid sleep infinity </dev/null >/dev/null 2>&1 & echo $! >/run/job.pid ;;
stop) [ -n "$pid" ] && kill -KILL $pid; rm -f /run/job.pid ;;
status) [ -n "$pid" ] || exit 3; kill -0 $pid 2>/dev/null || exit 1 ;;
esac
exit 0
"""


@pytest.fixture
def lab():
    with Lab(f"q{os.getpid()}").session() as lab:
        yield lab


def start(lab, quorum, names):
    """Nodes on the Link lan alone, all eligible for one group with an address and a program."""
    nodes = "".join(f'{name} = {{ lan = "{CAST[name].v4()}" }}\n' for name in names)
    verbs = ", ".join(f'{verb} = "{JOB} {verb}"' for verb in ("start", "stop", "status"))
    text = (
        f'[cluster]\nname = "web"\nquorum = "{quorum}"\nstart_grace = "1s"\n[nodes]\n{nodes}'
        f'[groups.www]\nprefer = {json.dumps(names)}\nmax_moves = "unlimited"\n'
        f'resources = [\n {{ vip = "{SERVICE_VIPS[0]}" }},\n {{ command = "job", {verbs} }},\n]\n'
        f'[publish.zabbix]\nserver = "{CAST[WITNESS].v4()}:{trapper.PORT}"\n'
    )
    for name in names:
        host = lab.host(name)
        host.path(CONFIG).write_text(text)
        host.path(KEY).touch(mode=0o600)
        host.path(KEY).write_text(f"1 {SECRET}\n")
        host.path(JOB).write_text(SCRIPT)
        host.path(JOB).chmod(0o755)
        # As after a first life: it knows how long it may have granted, and abstains no longer than that.
        memory = json.dumps(asdict(Memory(hold_ns=SECOND)))
        host.path("/var/lib/ha-monitor/memory.json").write_text(memory)
        python = f"{os.path.dirname(PROGRAM)}/python"
        host.register("responder", [python, "-m", "ha_monitor.lab.observers.responder", name])
        host.start("responder")
        host.register("ha-monitor", [PROGRAM, "run"], log=LOG)
        host.start("ha-monitor")
    return Daemons(lab, names)


def group(daemons, name):
    """The group as that Node's daemon tells it, or None."""
    view = daemons.status(name)
    return view.groups[0] if view else None


def runs(daemons, name):
    seen = group(daemons, name)
    return seen is not None and (seen.owner, seen.state) == (name, "running")


def what_all_say(lab, names):
    return "; ".join(f"{n}: {lab.host(n).path(LOG).read_text()[-1500:]}" for n in names)


def test_one_node_alone_publishes_restarts_and_gives_nothing_away(lab):
    sink, only = lab.host(WITNESS), NODES[0]
    python = f"{os.path.dirname(PROGRAM)}/python"
    argv = [python, "-P", "-m", "ha_monitor.lab.chaos.trapper", sink.member.v4(), EVENTS]
    sink.spawn(argv)
    daemons = start(lab, "single", [only])
    wait_for(lambda: runs(daemons, only), lambda: what_all_say(lab, [only]))
    assert who_answers(lab) == only
    assert view_of(daemons, only).quorum == "single"
    wait_for(lambda: len(events(lab)) >= 1, "the start is told to the monitoring server")

    pid = lab.host(only).exec(["cat", "/run/job.pid"]).stdout
    with Observation(lab) as seen:
        from_ns = time.monotonic_ns()
        lab.host(only).exec(["kill", "-KILL", pid.strip()])
        wait_for(lambda: job_pid(lab, only) not in ("", pid), "the program is started again")
        wait_for(lambda: runs(daemons, only), lambda: what_all_say(lab, [only]))
        until_ns = time.monotonic_ns()
        seen.wait_until(until_ns)
        assert {answer.host for answer in seen.probe.answers} == {only}
        assert seen.outage(from_ns, until_ns, until_ns).outage_ns < 2 * SECOND, "the address stays open"

    kill_all_at_once(daemon_processes(lab.host(only)))
    wait_for(lambda: who_answers(lab) is None, f"the kernel closes {SERVICE_V4} behind a dead daemon")
    told = len(events(lab))
    daemons.start_on(only)
    wait_for(lambda: runs(daemons, only), lambda: what_all_say(lab, [only]))
    wait_for(lambda: who_answers(lab) == only, "it comes back")
    wait_for(lambda: len(events(lab)) > told, "and that is told as well")
    assert {event["node_to"] for event in events(lab)} <= {only, ""}


def events(lab):
    path = lab.host(WITNESS).path(EVENTS)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def job_pid(lab, name):
    return lab.host(name).exec(["cat", "/run/job.pid"], check=False).stdout


def test_of_three_nodes_two_go_on_and_one_alone_does_not_serve(lab):
    daemons = start(lab, "majority", list(THREE))
    wait_for(lambda: who_answers(lab) is not None, lambda: what_all_say(lab, THREE))
    wait_for(
        lambda: all((v := daemons.status(n)) and v.nodes_online == 3 and v.state == "ok" for n in THREE),
        lambda: what_all_say(lab, THREE),
    )
    first = who_answers(lab)
    left = [name for name in THREE if name != first]
    with Observation(lab) as seen:
        from_ns = time.monotonic_ns()
        lab.host(first).power_off()
        wait_for(lambda: who_answers(lab) in left, lambda: what_all_say(lab, left))
        second = who_answers(lab)
        wait_for(lambda: runs(daemons, second), lambda: what_all_say(lab, left))
        (alone,) = [name for name in left if name != second]

        lab.host(second).power_off()
        wait_for(lambda: not view_of(daemons, alone).is_quorate, f"{alone} hears nobody")
        time.sleep(3)  # three Leases: time enough for a takeover that must not be
        assert who_answers(lab) is None
        assert not view_of(daemons, alone).groups[0].addresses[0].is_open
        assert view_of(daemons, alone).state == "down"
        assert_never_double(seen, from_ns)

    lab.host(second).power_on()
    wait_for(lambda: who_answers(lab) in (second, alone), lambda: what_all_say(lab, [second, alone]))
