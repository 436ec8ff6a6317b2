"""The stage of the demonstration: the lab with the pair, its web servers, Nagios, Zabbix and visitors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from ha_monitor.lab.cast import NODES, SERVICE_V4, WITNESS
from ha_monitor.lab.daemons import CONFIG, VIP_LINES, Daemons, config_text
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.roles import ROLES, daemon_processes
from ha_monitor.lab.stack import web
from ha_monitor.lab.stack.hosts import write_file
from ha_monitor.lab.stack.monitoring import Monitoring
from ha_monitor.lab.stack.visitors import Visitors
from ha_monitor.lab.stack.zabbix import ADMIN

PROGRAM = str(Path(sys.executable).parent / "ha-monitor")
ZABBIX_CREDENTIALS = "/etc/ha-monitor/zabbix.credentials"
COMMAND_TIMEOUT_S = 120.0
VOTERS = (*NODES, WITNESS)
Say = Callable[[str], None]


@dataclass
class Stage:
    """Everything that the story is played on. ``timing``: profile of the daemons."""

    lab: Lab
    say: Say
    timing: str = "lan"
    failback: str = "after 10s"

    def __post_init__(self) -> None:
        """Find the parts; nothing is started."""
        self.monitoring = Monitoring(self.lab)
        self.daemons = Daemons(self.lab)
        self.visitors = Visitors(self.lab.host("client"), SERVICE_V4)

    def up(self, local_port: int = 0) -> None:
        """Bring everything up in the order that a sysadmin would. Raises LabError or StackError."""
        self.say("hosts pub2, pub3, mon, client, arp")
        self.lab.up()
        self._configure()
        self.say("Nagios, Zabbix, PostgreSQL and web pages on mon")
        self._up_monitoring(local_port)
        # Not before Zabbix knows the hosts: values that it refuses for long are a warning in both.
        self.say("ha-monitor on pub2, pub3, mon")
        self._up_cluster()
        self.visitors.start()

    def _configure(self) -> None:
        for name in NODES:
            web.install(self.lab.host(name))
        publish = self.monitoring.publish_text() + f'credentials = "{ZABBIX_CREDENTIALS}"\n'
        resources = (*VIP_LINES, web.resource_toml())
        self.daemons.configure(config_text(self.timing, resources, publish, self.failback))
        for name in VOTERS:
            self.monitoring.equip_voter(self.lab.host(name))
        password = self.monitoring.remembered.zabbix_password
        credentials = f'user = "{ADMIN}"\npassword = "{password}"\n'
        write_file(self.lab.host(WITNESS), ZABBIX_CREDENTIALS, credentials, mode=0o600)

    def _up_monitoring(self, local_port: int) -> None:
        objects = self.lab.host(WITNESS).path("/etc/ha-monitor/nagios/objects")
        self._run("export", "nagios", "--dir", "/etc/ha-monitor/nagios", "--config", CONFIG)
        self.monitoring.up(objects, local_port)
        self.say("hosts, template and links in Zabbix, through its API")
        self._run("provision", "zabbix", "--config", CONFIG)

    def _run(self, *arguments: str) -> str:
        done = self.lab.host(WITNESS).exec([PROGRAM, *arguments], timeout=COMMAND_TIMEOUT_S, check=False)
        if done.returncode:
            raise LabError(f"ha-monitor {' '.join(arguments)}: {done.stderr or done.stdout}")
        return str(done.stdout)

    def _up_cluster(self) -> None:
        self.daemons.start()
        self.daemons.wait_settled()

    def down(self) -> None:
        """Remove it all."""
        if self.lab.is_up():
            self.monitoring.down()
        self.lab.down()

    def memory_mib(self) -> dict[str, float]:
        """PSS of all of ha-monitor's processes on each host, in MiB."""
        return {
            name: round(sum(_pss(p.pid) for p in daemon_processes(self.lab.host(name))) / 2**20, 1)
            for name in VOTERS
        }

    def processes(self) -> dict[str, dict[str, int]]:
        """Each voter's processes of ha-monitor: role to pid as the machine counts."""
        return {name: self._processes_on(name) for name in VOTERS}

    def _processes_on(self, name: str) -> dict[str, int]:
        host = self.lab.host(name)
        return {role: p.pid for role in ROLES for p in daemon_processes(host, role)[:1]}

    def stopped(self) -> list[str]:
        """Processes of ha-monitor that somebody stopped (SIGSTOP) and did not continue."""
        return [
            f"{name}'s {role} is stopped"
            for name, roles in self.processes().items()
            for role, pid in roles.items()
            if _is_stopped(pid)
        ]

    def access(self) -> dict[str, str]:
        """Where the web pages are for a browser on this machine, and how to sign in."""
        url = self.monitoring.web_url
        return {
            "Nagios": f"{url}/nagios4/",
            "Zabbix": f"{url}/zabbix/",
            "Zabbix user": ADMIN,
            "Zabbix password": self.monitoring.remembered.zabbix_password,
        }


def _is_stopped(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def _pss(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except psutil.Error:
        return 0
