"""``ha-monitor export``: writes what other programs need to know of us. One module per program."""

from __future__ import annotations

import argparse

from ha_monitor.cli import export_facts, export_nagios, export_systemd, export_zabbix

PROGRAMS = (
    export_nagios,
    export_zabbix,
    export_facts,
    export_systemd,
)  # each with add_parser(subparsers), as a verb's module has it


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``export`` and the programs for which it writes."""
    parser = subparsers.add_parser("export", help="write the definitions for Nagios, Zabbix, systemd")
    programs = parser.add_subparsers(dest="program", required=True, metavar="PROGRAM")
    for program in PROGRAMS:
        program.add_parser(programs)
