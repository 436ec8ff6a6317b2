"""NRPE command definitions for the plugins, so that a Nagios server can ask each host itself."""

from __future__ import annotations

from pathlib import Path

from ha_monitor.model import ClusterConfig
from ha_monitor.publish.declare import safe_name

PLUGINS = ("cluster", "node", "group", "link")


def nrpe_definitions(config: ClusterConfig, plugins: Path) -> str:
    """Content of an NRPE include file. No command takes arguments from outside."""
    lines = [
        "# Written by `ha-monitor export nagios`. Belongs into /etc/nagios/nrpe.d/ on Nodes and Witness.",
        "# The plugins read /run/ha-monitor/status.sock, as any user may.",
        *(f"command[check_ha_{name}]={plugins}/check_ha_{name}" for name in PLUGINS),
        *(
            f"command[check_ha_group_{safe_name(group.name)}]={plugins}/check_ha_group {group.name}"
            for group in config.groups
        ),
    ]
    return "\n".join(lines) + "\n"
