"""``ha-monitor provision zabbix``: host groups, templates, hosts and links through Zabbix's API."""

from __future__ import annotations

import argparse
from pathlib import Path

from ha_monitor import paths
from ha_monitor.errors import MISSING, ConfigError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``provision`` and the systems it serves."""
    parser = subparsers.add_parser("provision", help="create hosts and templates in Zabbix")
    systems = parser.add_subparsers(dest="system", required=True, metavar="SYSTEM")
    zabbix = systems.add_parser(
        "zabbix",
        help="host groups, templates, hosts; can be run again at any time",
        description="Credentials: HA_MONITOR_ZABBIX_TOKEN, or _USER and _PASSWORD, in the environment; or"
        ' a file with token = "..." or user = "..." and password = "..." that nobody else can read.',
    )
    zabbix.add_argument("--config", type=Path, help="the cluster (default: cluster.toml of this host)")
    zabbix.add_argument("--url", default="", help="of the web pages (default: [publish.zabbix] api)")
    zabbix.add_argument(
        "--credentials", default="", metavar="FILE", help="(default: [publish.zabbix] credentials)"
    )
    zabbix.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when Zabbix holds all that is wanted, looked at again after the last change."""
    from ha_monitor.config import load_config
    from ha_monitor.provision.zabbix_api import ZabbixApi, read_credentials
    from ha_monitor.provision.zabbix_apply import provision

    path = args.config or paths.etc_dir() / "cluster.toml"
    config = load_config(path)
    url = args.url or (config.zabbix.api if config.zabbix else "")
    if not url:
        where = f"{path} [publish.zabbix] api"
        raise ConfigError(where, MISSING, "the URL of Zabbix's web pages", "or give --url")
    credentials = read_credentials(args.credentials or (config.zabbix.credentials if config.zabbix else ""))
    api = ZabbixApi(url, credentials)
    try:
        done = provision(api, config)
    finally:
        api.close()
    for what in done:
        print(what)
    print(f"{url}: {len(done)} changes made" if done else f"{url}: nothing to change")
    return 0
