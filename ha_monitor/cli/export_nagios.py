"""``ha-monitor export nagios``: object files for Nagios Core and command definitions for NRPE."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from ha_monitor import paths
from ha_monitor.cli.export_files import deliver
from ha_monitor.model import ClusterConfig

README = """\
# Nagios

Written by `ha-monitor export nagios` from the catalogue of facts and a cluster's configuration.

- `objects/`: hosts, services, dependencies. Copy to the Nagios server, where a `cfg_dir` reads them (Debian:
  `/etc/nagios4/conf.d/`), then `nagios4 -v /etc/nagios4/nagios.cfg` and `systemctl reload nagios4`.
  They run `check_dummy` of Debian's `monitoring-plugins-basic`. `ha-monitor-common.cfg` is the same for all
  clusters.
- `nrpe/`: commands for NRPE on Nodes and Witness (Debian: `/etc/nagios/nrpe.d/`).

Every service is passive: Nodes and Witness report by themselves, every 10 s and at each change, by NSCA-ng
(or the command file or spool that `[publish.nagios]` names, where Nagios runs on the same host).

Silence for 60 s makes a service UNKNOWN and a host DOWN, when Nagios looks for it. By Debian's
`nagios.cfg` it looks every 60 s, and not at hosts; set

    check_service_freshness=1
    service_freshness_check_interval=10
    check_host_freshness=1
    host_freshness_check_interval=10

The NSCA-ng server (Debian: `nsca-ng-server`, `/etc/nsca-ng/nsca-ng.cfg`) must know Nagios' command file and
allow the commands, in the place of Debian's `authorize "*"`:

    command_file = "/var/lib/nagios4/rw/nagios.cmd"

    authorize "ha-monitor" {
        password = "..."
        commands = "PROCESS_(SERVICE|HOST)_CHECK_RESULT;.*"
    }

To be told, make your contacts members of the contact group `ha-monitor-operators`.
"""


def add_parser(programs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``nagios``."""
    parser = programs.add_parser("nagios", help="object files for Nagios Core, commands for NRPE")
    parser.add_argument("--dir", type=Path, required=True, help="write objects/, nrpe/ and README.md here")
    parser.add_argument(
        "--config", type=Path, default=None, help="the cluster (default: cluster.toml of this host)"
    )
    parser.add_argument(
        "--plugins",
        type=Path,
        default=Path(sys.prefix) / "bin",
        help="where check_ha_* stand on Nodes and Witness (default: %(default)s)",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing, compare; exit code 1 on differences"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the files stand there; with ``--check`` 1 when they differ."""
    from ha_monitor.config import load_config

    config = load_config(args.config or paths.etc_dir() / "cluster.toml")
    return deliver(args.dir, nagios_files(config, args.plugins), is_check=args.check)


def nagios_files(config: ClusterConfig, plugins: Path) -> Mapping[str, str]:
    """Path to content: what stands below ``--dir``."""
    from ha_monitor.provision.nagios_objects import object_files
    from ha_monitor.provision.nrpe import nrpe_definitions

    objects = {f"objects/{name}": text for name, text in object_files(config).items()}
    return {**objects, "nrpe/nrpe_ha-monitor.cfg": nrpe_definitions(config, plugins), "README.md": README}
