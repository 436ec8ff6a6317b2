"""Two Nodes that lose each other, and the one that `favour` names; and a power switch that hangs."""

import os
import time

import pytest

from ha_monitor.lab import faults
from ha_monitor.lab.cast import NODES, other_node
from ha_monitor.lab.daemons import PROGRAM, Daemons, config_text
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.observation import Observation, who_answers
from ha_monitor.lab.power_switch import HANGS, PowerSwitch, fencing_toml
from tests.lab.test_fencing import FENCING, LEVELS, fence_of, wait_for_fence
from tests.lab.waiting import assert_never_double, view_of, wait_for

pytestmark = pytest.mark.lab

FAVOURED = NODES[1]  # not the first in [nodes], who would be favoured without a word
DELAY, TIMEOUT = "8s", "2s"


@pytest.fixture(scope="module")
def pair():
    """A pair that favours its second Node, with the switch that powers both off."""
    with Lab(f"h{os.getpid()}").session() as lab, PowerSwitch(lab) as switch:
        daemons = Daemons(lab, NODES)
        more = f'favour = "{FAVOURED}"\n'
        publish = fencing_toml(LEVELS, delay=DELAY, more=more, timeout=TIMEOUT)
        daemons.configure(config_text(quorum=FENCING, publish=publish))
        daemons.start()
        yield lab, daemons, switch


@pytest.fixture
def settled(pair):
    """At rest, whoever owns; afterwards both have power again."""
    lab, daemons, switch = pair
    switch.forget()
    daemons.wait_settled()
    yield pair
    faults.heal(lab)
    switch.forget()
    for name in NODES:
        switch.power_on(name)


@pytest.mark.parametrize("is_owner", [False, True], ids=["who-owns-nothing", "the-owner"])
def test_of_two_that_lose_each_other_the_favoured_one_alone_survives_and_owns(settled, is_owner):
    lab, daemons, switch = settled
    loser = other_node(FAVOURED)
    if (who_answers(lab) == FAVOURED) is not is_owner:
        daemons.switch(who_answers(lab))
        daemons.wait_settled()
    with Observation(lab) as seen:
        from_ns = time.monotonic_ns()
        faults.strike(lab, faults.fault_named("partition").blow(loser))
        wait_for(lambda: not lab.host(loser).is_on(), lambda: fence_of(daemons, FAVOURED, loser))
        wait_for_fence(daemons, FAVOURED, loser, "fenced")
        wait_for(lambda: who_answers(lab) == FAVOURED, f"{FAVOURED} owns the group")
        time.sleep(1)
        assert lab.host(FAVOURED).is_on()
        assert [plug for _, _, plug in switch.orders] == [loser], "one order, of the favoured one"
        assert_never_double(seen, from_ns)
    assert view_of(daemons, FAVOURED).groups[0].owner == FAVOURED


def test_a_device_that_hangs_is_ended_told_and_left_for_the_next_level(settled):
    lab, daemons, switch = settled
    owner = who_answers(lab)
    other = other_node(owner)
    switch.behave(f"ipmi-{owner}", HANGS)

    def device():
        return next(d for d in view_of(daemons, other).fence_devices if d.name == f"ipmi-{owner}")

    wait_for(lambda: "ended after 2 s without an answer" in device().detail, device)
    assert not device().is_working
    told = lab.host(other).exec([PROGRAM, "status"], check=False).stdout
    assert [line for line in told.splitlines() if f"ipmi-{owner}" in line and "FAILS" in line], told
    lab.host(owner).power_off()
    wait_for(
        lambda: who_answers(lab) == other, lambda: f"{other} takes over: {fence_of(daemons, other, owner)}"
    )
    assert {device for _, device, _ in switch.orders} == {"pdu-a", "pdu-b"}
    assert fence_of(daemons, other, owner).detail.startswith("level 2: ")
