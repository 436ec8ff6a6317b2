"""``ha-monitor export zabbix``: template files to import by hand, where `provision zabbix` may not."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from ha_monitor.cli.export_files import deliver


def add_parser(programs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``zabbix``."""
    parser = programs.add_parser("zabbix", help="templates for Zabbix 6.0 and newer")
    parser.add_argument("--dir", type=Path, required=True, help="write the templates' folders here")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, compare; exit code 1 on differences"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the files stand there; with ``--check`` 1 when they differ."""
    return deliver(args.dir, zabbix_files(), is_check=args.check)


def zabbix_files() -> Mapping[str, str]:
    """Path to content, laid out as Zabbix's community repository wants it."""
    from ha_monitor.provision.zabbix_readme import readme_text
    from ha_monitor.provision.zabbix_template import TEMPLATES, VERSION, template_text

    files = {}
    for template in TEMPLATES:
        folder = f"{template.file_name}/{VERSION}"
        files[f"{folder}/{template.file_name}.yaml"] = template_text(template)
        files[f"{folder}/README.md"] = readme_text(template)
    return files
