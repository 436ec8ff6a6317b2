"""The real Zabbix keeps every value with its own time, and its readers show what it shows."""

import json
import socket
import struct
import time
from pathlib import Path

import pytest

from ha_monitor.lab.stack.hosts import StackError
from ha_monitor.lab.stack.zabbix import TRAPPER_PORT
from ha_monitor.lab.stack.zabbix_read import NS, wait_for

pytestmark = pytest.mark.stack
KEY = "ha.group.state[www]"
UNSIGNED, TRAPPER, HIGH = 3, 2, 4


def send(node, values: list[dict]) -> dict:
    """Speak the trapper protocol from inside a Node; returns the server's answer."""
    body = json.dumps({"request": "sender data", "data": values}).encode()
    with node.socket(socket.AF_INET, socket.SOCK_STREAM) as link:
        link.settimeout(10)
        link.connect(("192.0.2.9", TRAPPER_PORT))
        link.sendall(b"ZBXD\x01" + struct.pack("<II", len(body), 0) + body)
        answer = b""
        while chunk := link.recv(4096):
            answer += chunk
    return json.loads(answer[13:])


@pytest.fixture(scope="module")
def told(monitoring, stack_lab):
    """A host with one trapper item and one trigger; takes values as (seconds, ns, value)."""
    api = monitoring.zabbix.api
    group = api.hostgroup.create(name="HA clusters")["groupids"][0]
    host = api.host.create(host="pub2", groups=[{"groupid": group}])["hostids"][0]
    item = {"name": "state", "key_": KEY, "type": TRAPPER, "value_type": UNSIGNED, "hostid": host}
    api.item.create(**item)
    api.trigger.create(description="Group www is down", expression=f"last(/pub2/{KEY})=2", priority=HIGH)

    def tell(*values: tuple[int, int, int]) -> None:
        rows = [{"host": "pub2", "key": KEY, "clock": s, "ns": ns, "value": str(v)} for s, ns, v in values]
        wait_for(
            "a value accepted",
            lambda: f"processed: {len(rows)};" in send(stack_lab.host("pub2"), rows)["info"],
            within_s=30,
            every_s=0.5,
        )

    return tell


def test_fresh_zabbix_shows_no_host_and_no_problem_of_its_own(monitoring):
    assert "Zabbix server" not in monitoring.zabbix.hosts()
    assert monitoring.zabbix.problems() == ()


def test_values_keep_their_own_time_to_the_nanosecond(monitoring, told):
    start_s = int(time.time()) - 600
    told((start_s, 123456789, 0), (start_s + 1, 5, 1))
    wanted = [(start_s * NS + 123456789, "0"), ((start_s + 1) * NS + 5, "1")]

    def look():
        seen = monitoring.zabbix.history("pub2", KEY)
        return [(value.at_ns, value.value) for value in seen][-2:] == wanted

    wait_for("both values in the history", look, within_s=30)
    newest = monitoring.zabbix.items("pub2")[KEY]
    assert (newest.value, newest.at_ns) == ("1", wanted[1][0])


def test_problem_is_shown_with_host_severity_and_the_values_time(monitoring, told):
    at_s, sent_ns = int(time.time()) - 300, []

    def look():
        # The server may know the item already, and the trigger only after its next look at the database.
        sent_ns.append(at_s * NS + 7 + len(sent_ns))
        told((at_s, sent_ns[-1] % NS, 2))
        return monitoring.zabbix.problems()

    (problem,) = wait_for("the problem", look, within_s=30, every_s=1)
    assert (problem.host, problem.name, problem.severity) == ("pub2", "Group www is down", "high")
    assert problem.at_ns in sent_ns
    told((int(time.time()), 0, 0))
    wait_for("the recovery", lambda: monitoring.zabbix.problems() == (), within_s=30)


def test_history_of_an_unknown_item_is_an_error(monitoring, told):
    with pytest.raises(StackError, match=r"no item ha\.nothing"):
        monitoring.zabbix.history("pub2", "ha.nothing")


def test_host_that_zabbix_lacks_is_an_error_that_tells_which_it_has(monitoring, told):
    with pytest.raises(StackError, match="no host pub9; it has pub2"):
        monitoring.zabbix.host_id("pub9")


def test_waiting_in_vain_names_what_was_awaited():
    with pytest.raises(StackError, match=r"the moon was not seen within 0\.1 s"):
        wait_for("the moon", lambda: None, within_s=0.1)


def test_machines_own_zabbix_configuration_is_not_touched(monitoring):
    assert monitoring.host.path("/etc/zabbix/zabbix.conf.php").exists()
    assert not Path("/etc/zabbix/zabbix.conf.php").exists()


def test_no_password_stands_on_a_command_line(monitoring):
    secrets = (monitoring.remembered.zabbix_password, monitoring.remembered.nsca_password)
    lines = monitoring.host.exec(["sh", "-c", "cat /proc/[0-9]*/cmdline"], check=False).stdout
    assert "zabbix_server" in lines
    assert not any(secret in lines for secret in secrets)
