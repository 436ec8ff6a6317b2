"""``ha-monitor init``: write cluster.toml and cluster.key, from answers or from options."""

from __future__ import annotations

import argparse
from pathlib import Path

from ha_monitor import paths
from ha_monitor.cli.init_draft import LINK_NAMES
from ha_monitor.model import TIMINGS


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``init``."""
    parser = subparsers.add_parser(
        "init",
        help="write cluster.toml and cluster.key, after asking or from options",
        epilog="example: ha-monitor init --yes --name web --node pub2=192.0.2.12,198.51.100.12"
        " --node pub3=192.0.2.13,198.51.100.13 --witness mon=192.0.2.9 --vip 192.0.2.100/24 --unit apache2",
    )
    _add_files(parser)
    _add_cluster(parser)
    _add_monitoring(parser)
    parser.set_defaults(run=run)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="ask nothing: options only")
    parser.add_argument(
        "--force", action="store_true", help="replace files that exist; they are kept as .old"
    )
    parser.add_argument("--directory", type=Path, default=None, help=f"default: {paths.etc_dir()}")
    parser.add_argument(
        "--new-key", action="store_true", help="only print a line with a new key for cluster.key"
    )


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default=None, help="the cluster's name (default: web)")
    parser.add_argument(
        "--node",
        action="append",
        default=[],
        metavar="NAME=ADDRESS[,ADDRESS]",
        help="a Node and its address on each Link; give one --node per Node",
    )
    parser.add_argument(
        "--links",
        default=",".join(LINK_NAMES),
        metavar="NAME[,NAME]",
        help="the Links' names in the order of the addresses (default: lan,direct)",
    )
    parser.add_argument(
        "--witness", default=None, metavar="NAME=ADDRESS", help="the Witness: the monitoring server"
    )
    parser.add_argument("--group", default=None, help="the group's name (default: www)")
    parser.add_argument(
        "--vip", action="append", default=[], metavar="ADDRESS/LENGTH", help="service address"
    )
    parser.add_argument(
        "--unit",
        action="append",
        default=[],
        metavar="NAME",
        help="systemd unit that runs on every Node behind the service address",
    )
    parser.add_argument("--timing", choices=tuple(TIMINGS), default="lan")


def _add_monitoring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nsca-ng", default="", metavar="HOST[:PORT]", help="Nagios: NSCA-ng server")
    parser.add_argument(
        "--nsca-ng-secret",
        default="",
        metavar="FILE",
        help="its identity and password (default: DIRECTORY/nsca_ng.secret)",
    )
    parser.add_argument("--zabbix", default="", metavar="HOST[:PORT]", help="Zabbix server or proxy")


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when both files are written, 2 when nothing is."""
    # Imported late: parser, questions and psutil cost start-up time that no other verb should pay.
    from ha_monitor.cli.init_write import init

    return init(args)
