"""One lab with the real monitoring server, for all tests of this directory."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ha_monitor.lab.lab import Lab
from ha_monitor.lab.stack import web
from ha_monitor.lab.stack.monitoring import Monitoring

NEEDED = ("nagios4", "nsca-ng", "zabbix_server", "apache2", "nrpe", "nginx", "chromium")


@pytest.fixture(scope="session")
def stack_lab() -> Iterator[Lab]:
    missing = [name for name in NEEDED if shutil.which(name, path="/usr/sbin:/usr/bin") is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"needs root and the monitoring stack; missing programs: {missing}")
    with Lab(f"s{os.getpid()}").session() as lab:
        yield lab


@pytest.fixture(scope="session")
def monitoring(stack_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    objects = tmp_path_factory.mktemp("objects")
    shutil.copy(Path(__file__).parent / "objects.cfg", objects)
    server = Monitoring(stack_lab)
    server.up(objects)
    yield server
    server.down()


@pytest.fixture(scope="session")
def web_nodes(stack_lab: Lab) -> Lab:
    """The lab with the 80 virtual hosts installed on both Nodes."""
    for name in ("pub2", "pub3"):
        web.install(stack_lab.host(name))
    return stack_lab
