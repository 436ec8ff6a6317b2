"""What the pair knows reaches the real Nagios and the real Zabbix, and both tell the same."""

import time

import pytest

from ha_monitor.lab.cast import NODES, SERVICE_GROUP, WITNESS, other_node
from ha_monitor.lab.demo.looks import CLUSTER, EVENT_KEY, GROUP_SERVICE, OWNER_KEY
from ha_monitor.lab.demo.stage import PROGRAM
from ha_monitor.lab.observation import who_answers
from ha_monitor.lab.stack import daemons
from ha_monitor.lab.stack.nrpe import Nrpe, check_nrpe
from ha_monitor.lab.stack.zabbix_read import NS, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.lab]
# Values come every ten seconds and at each change; a machine busy with other tests needs longer.
SHOWN_WITHIN_S = 60
# What a healthy pair has no value for: it never stopped, never moved, waits for nothing.
NOT_YET = ("ha.raw", "ha.event", "ha.group.failback.eta", "ha.group.phase", "ha.group.lease.left", "ha.res.")
# A Witness owns nothing, so it cannot be ready to own, and no address needs protection there.
NOT_FOR_WITNESS = ("ha.node.eligible", "ha.node.protection", "ha.node.rt", "ha.node.watchdog")


def owner_in_both(stage, looks) -> str | None:
    """The Owner that both systems name, None while they differ from each other or from what answers."""
    item = stage.monitoring.zabbix.items(CLUSTER).get(OWNER_KEY)
    output = stage.monitoring.nagios.service(CLUSTER, GROUP_SERVICE).output
    owner = item.value if item else ""
    return owner if owner and f" on {owner}," in output and who_answers(stage.lab) == owner else None


def move(stage, owner: str) -> None:
    stage.daemons.switch(owner)
    stage.daemons.wait_settled()


@pytest.fixture
def owner(stage, looks) -> str:
    return wait_for("one Owner in both", lambda: owner_in_both(stage, looks), SHOWN_WITHIN_S)


def test_healthy_pair_shows_nothing_but_ok_in_both(looks):
    assert looks.wait_all_ok(SHOWN_WITHIN_S) == []


def test_every_service_and_every_item_has_been_told(stage):
    def untold() -> list[str]:
        services = [s for s in stage.monitoring.nagios.services() if s.state == "PENDING"]
        items = {
            f"{host} {key}": item
            for host in stage.monitoring.zabbix.hosts()
            for key, item in stage.monitoring.zabbix.items(host).items()
            if not key.startswith(NOT_YET if host != WITNESS else NOT_YET + NOT_FOR_WITNESS)
        }
        broken = [f"{name}: {item.error}" for name, item in items.items() if item.error]
        empty = [name for name, item in items.items() if not item.at_ns]
        return [f"{s.host} {s.service}" for s in services] + broken + empty

    deadline = time.monotonic() + SHOWN_WITHIN_S
    while (left := untold()) and time.monotonic() < deadline:
        time.sleep(1)
    assert not left, "\n".join(left)


def test_both_systems_know_the_same_hosts(stage):
    expected = {CLUSTER, *NODES, WITNESS}
    assert set(stage.monitoring.zabbix.hosts()) == expected
    assert stage.monitoring.nagios.hosts() == dict.fromkeys(expected, "UP")


@pytest.mark.parametrize("command", ["cluster", "node", "group", "link", f"group_{SERVICE_GROUP}"])
def test_plugins_answer_through_the_real_nrpe(stage, command, tmp_path):
    node = stage.lab.host(NODES[0])
    directory = "/etc/ha-monitor/nrpe-test"
    node.exec([PROGRAM, "export", "nagios", "--dir", directory])
    server = Nrpe(node, node.member.v4(), allowed=stage.monitoring.address)
    server.write_configuration(node.path(f"{directory}/nrpe/nrpe_ha-monitor.cfg"))
    daemons.start(node, server.daemon())
    try:
        answer = check_nrpe(stage.lab.host(WITNESS), server.address, f"check_ha_{command}")
    finally:
        daemons.stop(node, server.daemon())
    assert (answer.code, "OK" in answer.output) == (0, True), answer.output


def test_switchover_is_shown_by_both_and_is_one_transition(stage, looks, owner):
    before, since_ns = looks.transitions(), time.time_ns()
    move(stage, owner)
    peer = other_node(owner)
    wait_for("the new Owner in both", lambda: owner_in_both(stage, looks) == peer, SHOWN_WITHIN_S)
    wait_for("the transition", lambda: looks.transitions() == before + 1, SHOWN_WITHIN_S)
    newest = stage.monitoring.zabbix.history(CLUSTER, EVENT_KEY)[-1]
    assert since_ns - NS < newest.at_ns < time.time_ns()
    assert peer in newest.value


def test_what_happens_while_monitoring_is_down_is_told_with_its_own_time_afterwards(stage, looks, owner):
    before = looks.transitions()
    stage.monitoring.stop()
    try:
        for _ in range(2):
            move(stage, owner)
            owner = other_node(owner)
        back_ns = time.time_ns()
    finally:
        stage.monitoring.start()
    wait_for("both transitions", lambda: looks.transitions() == before + 2, SHOWN_WITHIN_S)
    told = stage.monitoring.zabbix.history(CLUSTER, EVENT_KEY)[-2:]
    assert all(value.at_ns < back_ns for value in told)
    wait_for("the Owner in both", lambda: owner_in_both(stage, looks) == owner, SHOWN_WITHIN_S)
    left = looks.wait_all_ok(5)
    # That a group moved so often is true, and both say so.
    assert [line for line in left if "repeatedly" not in line] == []
    assert looks.transitions() == before + 2


def test_provisioning_a_second_time_changes_nothing(stage):
    before = {host: set(stage.monitoring.zabbix.items(host)) for host in stage.monitoring.zabbix.hosts()}
    stage.lab.host(WITNESS).exec([PROGRAM, "provision", "zabbix"], timeout=120)
    after = {host: set(stage.monitoring.zabbix.items(host)) for host in stage.monitoring.zabbix.hosts()}
    assert after == before
