"""The whole stage: pair, Witness, web servers, Nagios and Zabbix, provisioned as a sysadmin would."""

import os
import shutil
from collections.abc import Iterator

import pytest

from ha_monitor.lab.demo.looks import Looks
from ha_monitor.lab.demo.stage import Stage
from ha_monitor.lab.lab import Lab

NEEDED = ("nagios4", "nsca-ng", "zabbix_server", "apache2", "nrpe", "nginx", "nft")


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    missing = [name for name in NEEDED if shutil.which(name, path="/usr/sbin:/usr/bin") is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"needs root and the monitoring stack; missing programs: {missing}")
    whole = Stage(Lab(f"e{os.getpid()}"), say=lambda _line: None, failback="never")
    try:
        whole.up()
        yield whole
    finally:
        whole.down()


@pytest.fixture(scope="session")
def looks(stage: Stage) -> Looks:
    return Looks(stage.monitoring)
