"""What real daemons tell a real Nagios and a real Zabbix, read back from both. In the order of a story."""

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ha_monitor.lab import faults
from ha_monitor.lab.stack import daemons as stack_daemons
from ha_monitor.lab.stack.hosts import StackError
from ha_monitor.lab.stack.nrpe import Nrpe, check_nrpe
from ha_monitor.lab.stack.zabbix_read import wait_for
from ha_monitor.provision.zabbix_template import TEMPLATES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[3]
NODES = ("pub2", "pub3")
# Known only sometimes: raw data is kept nowhere, the others have no value until something happened.
EMPTY_AT_FIRST = (
    "ha.raw",
    "ha.group.phase",
    "ha.group.failback.eta",
    "ha.group.lease.left",
    "ha.res.",
    "ha.group.rto",
)
NOT_OF_A_WITNESS = ("ha.node.rt", "ha.node.eligible", "ha.node.protection", "ha.node.watchdog")


def not_ok(told):
    return [
        (s.host, s.service, s.state, s.output) for s in told.monitoring.nagios.services() if s.state != "OK"
    ]


def events(told):
    return [(v.at_ns, json.loads(v.value)) for v in told.monitoring.zabbix.history("web", "ha.event")]


def group_shown(told):
    return told.monitoring.nagios.service("web", "HA group www").output


def owner(told):
    return told.daemons.wait_settled(60)


def other(name):
    return NODES[1 - NODES.index(name)]


def test_a_second_provisioning_changes_nothing_and_says_so(told, capsys):
    assert told.provision() == 0
    assert "nothing to change" in capsys.readouterr().out


def test_a_healthy_pair_shows_nothing_but_ok_in_nagios(told):
    wait_for("OK everywhere in Nagios", lambda: not not_ok(told), 60)
    assert set(told.monitoring.nagios.hosts().values()) == {"UP"}
    assert all(s.is_passive_result for s in told.monitoring.nagios.services())


def test_a_healthy_pair_shows_no_problem_in_zabbix_and_all_items_are_filled(told):
    def unfilled():
        return [
            (host, key)
            for host in ("web", *NODES, "mon")
            for key, item in told.monitoring.zabbix.items(host).items()
            if item.at_ns == 0 and not key.startswith(EMPTY_AT_FIRST)
            if not (host == "mon" and key.startswith(NOT_OF_A_WITNESS))
        ]

    with contextlib.suppress(StackError):
        wait_for("values in every item", lambda: not unfilled(), 60)
    assert unfilled() == []
    for host in ("web", *NODES, "mon"):
        items = told.monitoring.zabbix.items(host)
        assert len(items) > 40
        assert [(key, item.error) for key, item in items.items() if item.error] == []
    assert told.monitoring.zabbix.items("web")["ha.group.owner[www]"].value == owner(told)
    assert told.monitoring.zabbix.problems() == ()


def test_both_templates_stand_in_zabbix_as_they_are_checked_in(told):
    rows = told.monitoring.zabbix.api.template.get(
        output=["host"], filter={"host": [t.name for t in TEMPLATES]}
    )
    assert len(rows) == 2


def test_nodes_reach_nagios_over_the_network_only(told):
    """No Node's mount namespace shows the monitoring server's directories; the server's own does."""
    for directory in ("/run/stack/nagios", "/run/stack/nagios/rw", "/run/stack/nagios/spool/checkresults"):
        assert told.lab.host("mon").exec(["test", "-e", directory], check=False).returncode == 0
        for name in NODES:
            assert told.lab.host(name).exec(["test", "-e", directory], check=False).returncode == 1
    kinds = {
        s.output.split()[0] for s in told.monitoring.nagios.services() if s.service == "HA publish nagios"
    }
    assert kinds == {"nsca-ng"}


def test_the_plugins_answer_through_the_real_check_nrpe(told):
    host = told.lab.host("pub2")
    file = told.exported / "nrpe" / "nrpe_ha-monitor.cfg"
    text = file.read_text()
    if not reachable(sys.prefix):
        # The checkout lies where only root may go: show it to the host at another place.
        host.bind(sys.prefix, "/opt/venv")
        host.bind(str(ROOT), "/opt/checkout")
        program = "/usr/bin/env PYTHONPATH=/opt/checkout /opt/venv/bin/python /opt/checkout/plugins/"
        text = text.replace(f"{sys.prefix}/bin/", program)
        file.write_text(text)
    server = Nrpe(host, "192.0.2.12", allowed="192.0.2.9")
    server.write_configuration(file)
    stack_daemons.start(host, server.daemon())
    try:
        for plugin, words in (
            ("check_ha_cluster", "2 of 2 Nodes online"),
            ("check_ha_node", "pub2 is online"),
            ("check_ha_group_www", "www running on"),
            ("check_ha_link", "to pub3 up"),
        ):
            answer = check_nrpe(told.lab.host("mon"), server.address, plugin, timeout_s=30)
            assert (answer.code, words in answer.output) == (0, True), answer
            assert "|" in answer.output
    finally:
        stack_daemons.stop(host, server.daemon())


def reachable(path):
    command = [
        "setpriv",
        "--reuid=nagios",
        "--regid=nagios",
        "--clear-groups",
        "test",
        "-x",
        f"{path}/bin/python",
    ]
    return subprocess.run(command, check=False).returncode == 0


def test_no_transition_is_lost_or_doubled_while_monitoring_was_down(told):
    first = owner(told)
    before = len(events(told))
    told.monitoring.stop()
    made = 0
    for _ in range(2):
        told.daemons.switch(owner(told))
        made += 1
    last = owner(told)
    assert last == first
    told.monitoring.start()
    wait_for("all transitions in Zabbix", lambda: len(events(told)) >= before + made, 60)
    time.sleep(5)
    found = events(told)
    assert len(found) == before + made
    assert len({event["ident"] for _, event in found}) == len(found)
    assert all(at_ns == event["at_ns"] for at_ns, event in found)
    assert [event["cause"] for _, event in found[before:]] == ["switchover-ordered"] * made
    wait_for("the newest state in Nagios", lambda: f"running on {last}" in group_shown(told), 60)
    assert told.monitoring.nagios.service("web", "HA event www").state == "OK"


def test_a_transition_that_is_sent_again_is_stored_once(told):
    """A crash between sending and remembering repeats a value: Zabbix keeps one for each clock and ns."""
    value = told.monitoring.zabbix.history("web", "ha.event")[-1]
    before = len(events(told))
    code = (
        "from zabbix_utils import ItemValue, Sender\n"
        f"item = ItemValue('web', 'ha.event', {value.value!r}, *divmod({value.at_ns}, 10**9))\n"
        "print(Sender(server='192.0.2.9', port=10051).send([item]).processed)"
    )
    assert told.lab.host("pub2").exec([sys.executable, "-c", code]).stdout.strip() == "1"
    time.sleep(5)
    assert len(events(told)) == before


def test_a_takeover_is_seen_in_both_within_seconds(told):
    lost = owner(told)
    taker = other(lost)
    before = len(events(told))
    told.lab.host(lost).power_off()
    struck = time.monotonic()
    wait_for("the transition in Zabbix", lambda: len(events(told)) > before, 30)
    wait_for("the new Owner in Nagios", lambda: f"running on {taker}" in group_shown(told), 30)
    assert time.monotonic() - struck < 30
    event = events(told)[-1][1]
    assert (event["cause"], event["node_from"], event["node_to"]) == ("node-silent", lost, taker)
    shown = wait_for(
        "the warning in Nagios",
        lambda: (s := told.monitoring.nagios.service("web", "HA event www")).state == "WARNING" and s,
        30,
    )
    assert shown.output.startswith("failure node-silent")
    wait_for(
        "the Node's loss in Nagios", lambda: ("web", f"HA node {lost}", "CRITICAL") in shown_bad(told), 30
    )
    wait_for("the problem in Zabbix", lambda: problem_named(told, f"HA node [{lost}]: lost"), 30)
    assert problem_named(told, "HA event: www")


def shown_bad(told):
    return {found[:3] for found in not_ok(told)}


def problem_named(told, beginning):
    return [p for p in told.monitoring.zabbix.problems() if p.name.startswith(beginning)]


def test_silence_of_a_host_makes_it_down_in_nagios(told):
    (lost,) = [name for name in NODES if not told.lab.host(name).is_on()]
    wait_for("the silent host DOWN", lambda: told.monitoring.nagios.hosts()[lost] == "DOWN", 90)
    stale = told.monitoring.nagios.service(lost, "HA node")
    wait_for(
        "its services stale", lambda: told.monitoring.nagios.service(lost, "HA node").state == "CRITICAL", 90
    )
    assert told.monitoring.nagios.hosts()["web"] == "UP", stale


def test_after_its_return_all_is_well_but_the_record_of_what_happened(told):
    (lost,) = [name for name in NODES if not told.lab.host(name).is_on()]
    host = told.lab.host(lost)
    host.power_on()
    told.monitoring.equip_voter(host)
    told.daemons.start_on(lost)
    owner(told)
    # The transition stays a warning for an hour, and so many changes of Owner within an hour are one too.
    record = {"HA event www", "HA group www"}
    wait_for("OK again in Nagios", lambda: {name for _, name, _ in shown_bad(told)} <= record, 90)
    assert set(told.monitoring.nagios.hosts().values()) == {"UP"}
    wait_for("the Node back in Zabbix", lambda: not problem_named(told, "HA node ["), 60)


def test_after_a_partition_the_former_owner_does_not_talk_over_the_new_one(told):
    """Its last call hangs in the cut network and would arrive after the healing: older, yet believed."""
    former = owner(told)
    taker = other(former)
    faults.strike(told.lab, faults.fault_named("partition").blow(former, witness=faults.WITNESS_FAR))
    try:
        wait_for("the new Owner in Nagios", lambda: f"running on {taker}" in group_shown(told), 20)
    finally:
        faults.heal(told.lab)
    healed = time.monotonic()
    while time.monotonic() - healed < 12:
        assert f"running on {taker}" in group_shown(told)
        assert told.monitoring.nagios.service("web", "HA event www").state == "WARNING"
        time.sleep(0.3)
    assert owner(told) == taker


def test_a_publisher_that_is_killed_comes_back_and_tells_on(told):
    host = told.lab.host("pub2")
    view = told.daemons.status("pub2")
    assert view
    (process,) = [p for p in view.processes if p.role == "publisher"]
    host.exec(["kill", "-9", str(process.pid)], check=False)
    since_ms = int(time.time() * 1000)

    def fresh():
        shown = told.monitoring.nagios.service("pub2", "HA node")
        return shown.state == "OK" and shown.last_check_ms > since_ms + 1000

    wait_for("news of pub2 after its publisher was killed", fresh, 60)
