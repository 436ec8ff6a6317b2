"""The real Nagios shows what it was told by each way in, with the time at which it happened."""

import os
import re
import shutil
import time
import uuid

import pytest

from ha_monitor.lab.stack.hosts import StackError
from ha_monitor.lab.stack.nagios import CHECK_RESULT_DIR, COMMAND_FILE, Nagios
from ha_monitor.lab.stack.nagios_status import ServiceShown
from ha_monitor.lab.stack.zabbix_read import wait_for

pytestmark = pytest.mark.stack
SEND_NSCA_CFG = "/etc/ha-monitor/send_nsca.cfg"


def command_line(service: str, code: int, text: str, at_s: int) -> str:
    return f"[{at_s}] PROCESS_SERVICE_CHECK_RESULT;pub2;{service};{code};{text}"


def write_to_command_file(monitoring, line: str) -> None:
    fifo = os.open(monitoring.host.path(COMMAND_FILE), os.O_WRONLY | os.O_NONBLOCK)
    os.write(fifo, f"{line}\n".encode())
    os.close(fifo)


def shown_with(monitoring, service: str, output: str) -> ServiceShown:
    def look():
        seen = monitoring.nagios.service("pub2", service)
        return seen if seen.output.strip() == output else None

    return wait_for(f"{service} with {output!r}", look, within_s=30)


def send_nsca(monitoring, stack_lab, line: str):
    node = stack_lab.host("pub2")
    monitoring.configure_nsca_client(node, SEND_NSCA_CFG)
    return node.exec(["/usr/sbin/send_nsca", "-C", "-S", "-c", SEND_NSCA_CFG], stdin=line + "\n", check=False)


def test_service_that_was_never_told_is_pending(monitoring):
    assert monitoring.nagios.service("pub2", "never told").state == "PENDING"


def test_result_sent_from_a_node_keeps_its_old_time_stamp(monitoring, stack_lab):
    long_ago_s = int(time.time()) - 3600
    line = command_line("HA group www", 1, "moved an hour ago | outage=42ms", long_ago_s)
    assert send_nsca(monitoring, stack_lab, line).returncode == 0
    seen = shown_with(monitoring, "HA group www", "moved an hour ago")
    assert (seen.state, seen.perfdata, seen.is_passive_result) == ("WARNING", "outage=42ms", True)
    assert seen.last_check_ms == long_ago_s * 1000


def test_nsca_ng_takes_check_results_and_no_other_command(monitoring, stack_lab):
    refused = send_nsca(monitoring, stack_lab, f"[{int(time.time())}] SHUTDOWN_PROGRAM")
    assert refused.returncode != 0
    time.sleep(0.5)
    assert monitoring.is_running()


def test_wrong_nsca_password_is_refused_and_the_client_says_so(monitoring, stack_lab):
    node = stack_lab.host("pub3")
    monitoring.configure_nsca_client(node, SEND_NSCA_CFG)
    file = node.path(SEND_NSCA_CFG)
    file.write_text(re.sub(r'password = ".*"', 'password = "guessed"', file.read_text()))
    line = command_line("HA group www", 2, "forged", int(time.time()))
    done = node.exec(["/usr/sbin/send_nsca", "-C", "-c", SEND_NSCA_CFG], stdin=line + "\n", check=False)
    assert done.returncode != 0


@pytest.mark.parametrize(("code", "state"), [(0, "OK"), (1, "WARNING"), (2, "CRITICAL"), (3, "UNKNOWN")])
def test_every_state_is_read_back_by_its_name(monitoring, code, state):
    text = f"told {state}"
    write_to_command_file(monitoring, command_line("by command file", code, text, int(time.time())))
    assert shown_with(monitoring, "by command file", text).state == state


def test_history_tells_each_change_of_state(monitoring):
    start_s = int(time.time()) - 1
    for code in (2, 0):
        mark = uuid.uuid4().hex
        write_to_command_file(monitoring, command_line("by command file", code, mark, int(time.time())))
        shown_with(monitoring, "by command file", mark)
    alerts = monitoring.nagios.alerts(start_s, int(time.time()) + 2)
    told = [alert.state for alert in alerts if alert.service == "by command file"]
    assert told[-2:] == ["CRITICAL", "OK"]


def test_result_laid_into_the_spool_is_shown_with_its_time(monitoring):
    spool, at_s = monitoring.host.path(CHECK_RESULT_DIR), int(time.time()) - 100
    file = spool / "cAbCdEf"
    file.write_text(
        f"file_time={at_s}\n\nhost_name=pub2\nservice_description=by spool\ncheck_type=1\n"
        f"check_options=0\nscheduled_check=0\nreschedule_check=0\nlatency=0.0\nstart_time={at_s}.0\n"
        f"finish_time={at_s}.0\nearly_timeout=0\nexited_ok=1\nreturn_code=2\noutput=out of the spool\n"
    )
    shutil.chown(file, "nagios")
    (spool / "cAbCdEf.ok").touch()
    seen = shown_with(monitoring, "by spool", "out of the spool")
    assert (seen.state, seen.last_check_ms) == ("CRITICAL", at_s * 1000)


def test_unknown_service_is_an_error_that_names_it(monitoring):
    with pytest.raises(StackError, match="no such thing"):
        monitoring.nagios.service("pub2", "no such thing")


def test_objects_that_nagios_refuses_are_reported_in_its_words(stack_lab, tmp_path):
    (tmp_path / "broken.cfg").write_text("define service {\n service_description alone\n}\n")
    other = Nagios(stack_lab.host("arp"), "192.0.2.60", "nobody", "nothing")
    other.write_configuration(tmp_path)
    with pytest.raises(StackError, match="nagios4 -v refuses"):
        other.verify()


def test_directory_without_objects_is_an_error_that_names_it(stack_lab, tmp_path):
    other = Nagios(stack_lab.host("arp"), "192.0.2.60", "nobody", "nothing")
    with pytest.raises(StackError, match=f"{tmp_path} holds no"):
        other.write_configuration(tmp_path)


def test_nodes_do_not_see_the_monitoring_servers_files(monitoring, stack_lab):
    def sees(host, path: str) -> bool:
        return host.exec(["test", "-e", path], check=False).returncode == 0

    assert sees(monitoring.host, COMMAND_FILE)
    for name in ("pub2", "pub3"):
        assert not sees(stack_lab.host(name), COMMAND_FILE)
        assert not sees(stack_lab.host(name), str(monitoring.host.path(COMMAND_FILE)))
