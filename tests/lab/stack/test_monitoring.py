"""The monitoring server as a whole: stopped and started again by whoever comes, with what it knew."""

import socket

import pytest
import requests

from ha_monitor.config import parse_config
from ha_monitor.lab.daemons import config_text
from ha_monitor.lab.stack.hosts import StackError
from ha_monitor.lab.stack.monitoring import Monitoring
from ha_monitor.sinks.nsca_ng import read_secret

pytestmark = pytest.mark.stack


def test_monitoring_that_is_down_and_up_again_still_knows_what_it_was_told(monitoring, stack_lab):
    before = monitoring.nagios.services()
    another = Monitoring(stack_lab)
    another.stop()
    assert not monitoring.is_running()
    with pytest.raises(StackError, match="gave no answer"):
        monitoring.nagios.hosts()
    with pytest.raises(StackError, match="refused or is down"):
        monitoring.zabbix.problems()
    another.start()
    assert monitoring.is_running()
    after = monitoring.nagios.services()
    assert [(each.service, each.state) for each in after] == [(each.service, each.state) for each in before]
    assert monitoring.zabbix.problems() == ()


def test_starting_what_runs_starts_nothing_twice(monitoring, stack_lab):
    def masters():
        return sorted(each.pid for each in stack_lab.host("mon").processes() if "-f" in each.argv)

    before = masters()
    monitoring.start()
    assert masters() == before


def test_web_pages_are_reached_from_the_machine_and_from_nowhere_else(monitoring):
    assert requests.get(f"{monitoring.web_url}/nagios4/", timeout=10).status_code == 200
    port = f":{monitoring.remembered.local_port:04X}"
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table]
    listening = [row[1] for row in rows if row[1].endswith(port) and row[3] == "0A"]
    assert listening == [f"0100007F{port}"]


def test_port_that_is_taken_is_an_error_that_names_it(stack_lab):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = Monitoring(stack_lab)
        other.host = stack_lab.host("client")
        with pytest.raises(StackError, match=f"127.0.0.1:{port} cannot be listened on"):
            other._up_forwarder(port)


def test_asking_a_monitoring_server_that_is_not_up_is_a_clear_error(stack_lab):
    other = Monitoring(stack_lab)
    other.host = stack_lab.host("client")
    with pytest.raises(StackError, match="not up"):
        _ = other.web_url
    with pytest.raises(StackError, match="not up"):
        other.stop()


def test_configuration_that_leads_here_is_accepted_and_its_secret_is_kept(monitoring, stack_lab):
    node = stack_lab.host("pub2")
    monitoring.equip_voter(node)
    config = parse_config(config_text(publish=monitoring.publish_text()).encode())
    assert config.nagios is not None
    assert config.zabbix is not None
    assert config.zabbix.server == "192.0.2.9:10051"
    secret = node.path(config.nagios.nsca_ng_secret)
    assert read_secret(secret) == ("ha-monitor", monitoring.remembered.nsca_password)
    assert secret.stat().st_mode & 0o077 == 0
