"""A lab whose daemons report to a real Nagios and a real Zabbix, both made from the catalogue."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ha_monitor.cli.main import main
from ha_monitor.lab.daemons import CONFIG, VOTERS, Daemons, config_text
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.stack.monitoring import Monitoring

NEEDED = ("nagios4", "nsca-ng", "send_nsca", "zabbix_server", "apache2", "nrpe")


@dataclass(frozen=True)
class Told:
    """The lab, its daemons, and what its monitoring server shows."""

    lab: Lab
    daemons: Daemons
    monitoring: Monitoring
    exported: Path
    config: Path

    def provision(self) -> int:
        """`ha-monitor provision zabbix`, as an operator runs it."""
        os.environ["HA_MONITOR_ZABBIX_USER"] = "Admin"
        os.environ["HA_MONITOR_ZABBIX_PASSWORD"] = self.monitoring.remembered.zabbix_password
        return main(
            ["provision", "zabbix", "--config", str(self.config), "--url", self.monitoring.web_pages().zabbix]
        )


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    missing = [name for name in NEEDED if shutil.which(name, path="/usr/sbin:/usr/bin") is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"needs root and the monitoring stack; missing programs: {missing}")
    exported = tmp_path_factory.mktemp("exported")
    with Lab(f"f{os.getpid()}").session() as lab:
        monitoring, daemons = Monitoring(lab), Daemons(lab)
        daemons.configure(config_text(publish=monitoring.publish_text()))
        for name in VOTERS:
            monitoring.equip_voter(lab.host(name))
        config = lab.host("pub2").path(CONFIG)
        assert main(["export", "nagios", "--config", str(config), "--dir", str(exported)]) == 0
        monitoring.up(exported / "objects")
        made = Told(lab, daemons, monitoring, exported, config)
        assert made.provision() == 0
        daemons.start()
        daemons.wait_settled()
        yield made
        daemons.stop_all()
        monitoring.down()
