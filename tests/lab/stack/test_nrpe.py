"""check_nrpe on the monitoring server runs what a Node's NRPE server was given, and nothing else."""

import pytest

from ha_monitor.lab.stack import daemons
from ha_monitor.lab.stack.nrpe import CheckAnswer, Nrpe, check_nrpe

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def nrpe(stack_lab, tmp_path_factory):
    file = tmp_path_factory.mktemp("nrpe") / "ha.cfg"
    file.write_text("command[check_ha_group]=/usr/lib/nagios/plugins/check_dummy 1 degraded\n")
    server = Nrpe(stack_lab.host("pub2"), "192.0.2.12", allowed="192.0.2.9")
    server.write_configuration(file)
    daemons.start(server.host, server.daemon())
    yield server
    daemons.stop(server.host, server.daemon())


def test_check_nrpe_brings_back_the_plugins_code_and_words(nrpe, stack_lab):
    answer = check_nrpe(stack_lab.host("mon"), nrpe.address, "check_ha_group")
    assert answer == CheckAnswer(1, "WARNING: degraded")


def test_command_that_is_not_defined_is_refused(nrpe, stack_lab):
    answer = check_nrpe(stack_lab.host("mon"), nrpe.address, "reboot")
    assert answer.code == 3
    assert "not defined" in answer.output


def test_host_that_may_not_ask_gets_nothing(nrpe, stack_lab):
    answer = check_nrpe(stack_lab.host("client"), nrpe.address, "check_ha_group")
    assert answer.code in (2, 3)
    assert "degraded" not in answer.output
