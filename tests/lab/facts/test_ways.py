"""The ways into the real Nagios and Zabbix, one by one; and what they say when they refuse."""

import json
import sys
import time

import pytest

from ha_monitor.errors import SinkError
from ha_monitor.lab.stack.nagios import CHECK_RESULT_DIR, COMMAND_FILE
from ha_monitor.lab.stack.zabbix_read import wait_for
from ha_monitor.publish.nagios import CheckResult
from ha_monitor.publish.outbox import Waiting
from ha_monitor.sinks.command_file import CommandFileSink
from ha_monitor.sinks.spool import SpoolSink

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def batch(*results):
    return [Waiting(row, result.parcel()) for row, result in enumerate(results)]


def shown(told, words):
    service = told.monitoring.nagios.service("web", "HA mode")
    return service if words in service.output else None


def sent_and_shown(told, sink, words, state):
    """HA mode as Nagios shows it once it has these words, and when they were sent.

    The reporter writes the same service every ten seconds: what it overwrote unseen is sent again.
    """

    def look():
        at_ns = time.time_ns()
        result = CheckResult("web", "HA mode", state, f"{words} | maint=7", at_ns)
        assert sink.send(batch(result)).taken == (0,)
        return wait_for("the result", lambda: shown(told, words), 4), at_ns

    return wait_for("the result", look, 40)


@pytest.mark.parametrize(
    "sink",
    [
        lambda host: CommandFileSink(host.path(COMMAND_FILE)),
        lambda host: SpoolSink(host.path(CHECK_RESULT_DIR)),
    ],
    ids=["command file", "spool"],
)
def test_a_result_arrives_with_its_own_stamp_and_performance_data(told, sink):
    words = f"by test {time.time_ns()}"
    seen, at_ns = sent_and_shown(told, sink(told.lab.host("mon")), words, 1)
    assert (seen.state, seen.perfdata) == ("WARNING", "maint=7")
    assert seen.last_check_ms // 1000 == at_ns // 10**9


def test_several_results_in_one_spool_file_are_read_in_their_order(told):
    words = f"last of three {time.time_ns()}"
    sink = SpoolSink(told.lab.host("mon").path(CHECK_RESULT_DIR))

    def look():
        now = time.time_ns()
        texts = enumerate(("one", "two", words))
        sink.send(batch(*(CheckResult("web", "HA mode", 0, text, now + n) for n, text in texts)))
        return wait_for("the last of them", lambda: shown(told, words), 4)

    wait_for("the last of them", look, 40)  # again, where the reporter's word came between


def test_a_stopped_nagios_is_an_error_of_the_command_file(told):
    told.monitoring.stop()
    try:
        with pytest.raises(SinkError, match=r"Nagios is not running|No such file"):
            CommandFileSink(told.lab.host("mon").path(COMMAND_FILE)).send(
                batch(CheckResult("web", "HA mode", 0, "x", time.time_ns()))
            )
    finally:
        told.monitoring.start()


SEND = """
import sys
from pathlib import Path
from ha_monitor.errors import SinkError
from ha_monitor.publish.nagios import CheckResult
from ha_monitor.publish.outbox import Waiting
from ha_monitor.publish.zabbix import TrapValue
from ha_monitor.sinks.nsca_ng import NscaNgSink
from ha_monitor.sinks.zabbix_trapper import ZabbixTrapperSink
{lines}
"""


def on_a_node(told, lines):
    done = told.lab.host("pub3").exec(
        [sys.executable, "-c", SEND.format(lines=lines)], check=False, timeout=60
    )
    return (done.stdout + done.stderr).strip()


def test_a_wrong_password_is_refused_with_a_reason(told):
    said = on_a_node(
        told,
        """
secret = Path("/run/wrong.secret")
secret.write_text('identity = "ha-monitor"\\npassword = "wrong"\\n')
secret.chmod(0o600)
value = CheckResult("web", "HA mode", 0, "x", 10**18)
try: print(NscaNgSink("192.0.2.9:5668", secret, Path("/run/private")).send([Waiting(0, value.parcel())]))
except SinkError as error: print(error)
""",
    )
    assert "send_nsca to 192.0.2.9:5668: exit code" in said


def test_values_for_a_host_that_zabbix_does_not_know_are_refused_and_the_others_taken(told):
    said = on_a_node(
        told,
        """
values = [TrapValue(host, "ha.tick", "1", 1_700_000_000 * 10**9) for host in ("web", "stranger", "pub2")]
batch = [Waiting(row, value.parcel()) for row, value in enumerate(values)]
delivery = ZabbixTrapperSink("192.0.2.9:10051").send(batch)
print(delivery.taken, delivery.refused, delivery.detail)
""",
    )
    assert said == "(0, 2) (1,) 192.0.2.9:10051 refused 1 of 3 values: host or template missing?"


def test_what_the_daemons_tell_is_not_refused(told):
    for name in ("pub2", "pub3", "mon"):
        view = json.loads(told.lab.host(name).path("/run/ha-monitor/view.json").read_text())
        assert {sink["name"]: (sink["refused"], sink["dropped"]) for sink in view["sinks"]} == {
            "nagios": (0, 0),
            "zabbix": (0, 0),
        }
