"""Fences and ping targets on real daemons: who is powered off, who takes over, who does not."""

import os
import time

import pytest

from ha_monitor.lab import faults
from ha_monitor.lab.cast import CAST, NODES, SERVICE_V4, other_node
from ha_monitor.lab.daemons import LOG, PROGRAM, Daemons, config_text
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.observation import Observation, who_answers
from ha_monitor.lab.power_switch import FAILS, PowerSwitch, fencing_toml
from ha_monitor.publish.declare import Level
from ha_monitor.publish.judge import Judge
from ha_monitor.publish.nagios import check_results
from ha_monitor.publish.snapshot import snapshots
from tests.lab.waiting import assert_never_double, wait_for

pytestmark = pytest.mark.lab

LEVELS = {node: f'[["ipmi-{node}:{node}"], ["pdu-a:{node}", "pdu-b:{node}"]]' for node in NODES}
DEVICES = [f"ipmi-{node}" for node in NODES] + ["pdu-a", "pdu-b"]
FENCING = 'quorum = "fencing"\nstart_grace = "1s"\n'
PING = f'quorum = "ping"\nping = ["{CAST["client"].v4()}"]\nstart_grace = "1s"\n'


@pytest.fixture(scope="module")
def lab():
    with Lab(f"g{os.getpid()}").session() as lab:
        yield lab


@pytest.fixture(scope="module")
def pair(lab):
    """A pair in mode fencing, with the switch that powers its Nodes off."""
    with PowerSwitch(lab) as switch:
        daemons = Daemons(lab, NODES)
        daemons.configure(config_text(quorum=FENCING, publish=fencing_toml(LEVELS)))
        daemons.start()
        yield daemons, switch
        daemons.stop_all()


@pytest.fixture
def settled(lab, pair):
    """The pair at rest, and who owns; afterwards both have power again and the Links are whole."""
    daemons, switch = pair
    switch.forget()
    yield daemons.wait_settled(), daemons, switch
    faults.heal(lab)
    switch.forget()
    for name in NODES:
        switch.power_on(name)


def fence_of(daemons, by, node):
    view = daemons.status(by)
    return next((f for f in view.fences if f.node == node), None) if view else None


def wait_for_fence(daemons, by, node, state):
    """Wait until ``by`` shows that state; what it showed last otherwise."""
    shown = []

    def is_so():
        shown.append(fence_of(daemons, by, node))
        return shown[-1] is not None and shown[-1].state == state

    wait_for(is_so, lambda: f"{by} shows {shown[-1]}, not {state}; its log: {log_of(daemons, by)[-3000:]}")


def log_of(daemons, name):
    return daemons._lab.host(name).path(LOG).read_text()


def test_when_the_owner_loses_its_power_the_second_level_confirms_it_and_the_other_takes_over(lab, settled):
    owner, daemons, switch = settled
    other = other_node(owner)
    switch.behave(f"ipmi-{owner}", FAILS)
    with Observation(lab) as seen:
        from_ns = time.monotonic_ns()
        lab.host(owner).power_off()
        wait_for(lambda: who_answers(lab) == other, f"{other} takes over")
        wait_for_fence(daemons, other, owner, "fenced")
        assert fence_of(daemons, other, owner).detail.startswith(
            "level 2: pdu-a off, then status: Status: OFF"
        )
        assert {device for _, device, _ in switch.orders} == {"pdu-a", "pdu-b"}
        switch.power_on(owner)
        daemons.wait_settled()
        assert_never_double(seen, from_ns)
    assert daemons.status(other).groups[0].last.cause == "node-fenced"
    assert len(switch.orders) == 2, "who came back fenced nobody"


def test_after_a_cut_of_all_links_the_owner_fences_the_other_which_comes_back_passively(lab, settled):
    owner, daemons, switch = settled
    other = other_node(owner)
    with Observation(lab) as seen:
        from_ns = time.monotonic_ns()
        faults.strike(lab, faults.fault_named("partition").blow(owner))
        # Not only its power: who is on again before its status was asked is taken for never off.
        wait_for_fence(daemons, owner, other, "fenced")
        assert not lab.host(other).is_on()
        assert [(device, plug) for _, device, plug in switch.orders] == [(f"ipmi-{other}", other)]
        switch.power_on(other)
        wait_for_fence(daemons, other, owner, "failed")
        assert "Status: ON" in fence_of(daemons, other, owner).detail
        cut_ns = time.monotonic_ns()
        faults.heal(lab)
        assert daemons.wait_settled() == owner
        assert_never_double(seen, from_ns)
        assert seen.outage(from_ns, cut_ns, time.monotonic_ns()).outage_ns < 1_000_000_000
    assert len(switch.orders) == 1, "no fence loop"
    wait_for_fence(daemons, owner, other, "idle")


def test_when_all_levels_fail_nobody_takes_over_until_an_operator_confirms(lab, settled):
    owner, daemons, switch = settled
    other = other_node(owner)
    refused = lab.host(other).exec([PROGRAM, "confirm-fenced", owner, "--yes"], timeout=30, check=False)
    assert (refused.returncode, "is heard: it runs" in refused.stderr) == (2, True)
    for device in DEVICES:
        switch.behave(device, FAILS)
    wait_for(lambda: daemons.status(other).protection < 4, "the failing tests drop the protection")
    lab.host(owner).power_off()
    wait_for_fence(daemons, other, owner, "failed")
    assert who_answers(lab) is None
    view = daemons.status(other)
    assert view.state == "down"
    results = [result for snapshot in snapshots(view) for result in check_results(snapshot, Judge())]
    assert f"HA fencing {owner}" in {r.service for r in results if r.code == Level.CRITICAL}
    asked = lab.host(other).exec([PROGRAM, "confirm-fenced", owner], timeout=30, check=False)
    assert asked.returncode == 2
    assert "two Nodes serve" in asked.stderr, "it says what a confirmation means"
    done = lab.host(other).exec(
        [PROGRAM, "confirm-fenced", owner, "--yes", "--why", "power cord in my hand"], timeout=30
    )
    assert "power cord in my hand" in done.stdout
    wait_for(lambda: who_answers(lab) == other, f"{other} takes over")
    assert "root" in fence_of(daemons, other, owner).who


def test_an_operator_powers_a_node_off_with_a_slow_device(lab, settled):
    owner, daemons, switch = settled
    other = other_node(owner)
    switch.behave(f"ipmi-{owner}", slow=True)
    done = lab.host(other).exec([PROGRAM, "fence", owner, "--why", "smoke"], timeout=60)
    assert f"{owner} is off" in done.stdout
    assert not lab.host(owner).is_on()
    wait_for(lambda: who_answers(lab) == other, f"{other} takes over")
    fence = fence_of(daemons, other, owner)
    assert (fence.who, fence.why, fence.count >= 1) == ("root", "smoke", True)
    assert "by root: smoke" in log_of(daemons, other)


def test_ping_takes_over_alone_and_cannot_keep_both_from_serving(lab, pair):
    """The honest demonstration: cut from each other, both reach the client, and both serve."""
    pair[0].stop_all()
    daemons = Daemons(lab, NODES)
    daemons.configure(config_text(quorum=PING))
    daemons.start()
    owner = daemons.wait_settled()
    assert daemons.status(owner).protection == 0
    with Observation(lab) as seen:
        from_ns = time.monotonic_ns()
        faults.strike(lab, faults.fault_named("partition").blow(owner))
        wait_for(lambda: all(is_open(daemons, name) for name in NODES), f"both have {SERVICE_V4} open")
        time.sleep(1)
        until_ns = time.monotonic_ns()
        seen.wait_until(until_ns)
        assert seen.double_kernel_ns(from_ns, until_ns) > 0, "what this mode cannot do"
        faults.heal(lab)
        wait_for(lambda: sum(is_open(daemons, name) for name in NODES) == 1, "one is left after healing")
    owner = daemons.wait_settled()
    lab.host(owner).power_off()
    wait_for(lambda: who_answers(lab) == other_node(owner), "the one that reaches the target takes over")


def is_open(daemons, name):
    view = daemons.status(name)
    return view is not None and view.groups[0].addresses[0].is_open
