"""A host's own installation of ha-monitor, in which another version can be installed.

A copy of the package in a directory of its own, which the host sees where this one lies. Files change
in place, as with `pip install`: what runs goes on with what it has loaded, what starts later is the other
version.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import ha_monitor
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.layout import PACKAGE_ROOT
from ha_monitor.lab.problems import LabError

PACKAGE = PACKAGE_ROOT / "ha_monitor"
THIS_VERSION = ha_monitor.__version__
_VERSION_LINE = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)
_WIRE_LINE = re.compile(r"^VERSION = (\d+)$", re.MULTILINE)
_LATER_S = 10  # compiled files are told from stale ones by whole seconds


def install(lab: Lab, host: str) -> None:
    """Give the host a copy of the package of its own, of this version; nothing happens when it has one."""
    copy = _copy_of(lab, host)
    if copy.exists():
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("*.pyc.*"))  # being written just now
    lab.host(host).bind(copy, str(PACKAGE))


def is_installed(lab: Lab, host: str) -> bool:
    """Whether the host has a copy of its own."""
    return _copy_of(lab, host).exists()


def installed_version(lab: Lab, host: str) -> str:
    """The version whose files lie on the host; what runs there may be another one."""
    return _found(_VERSION_LINE, _copy_of(lab, host) / "__init__.py").group(1)


def put_version(lab: Lab, host: str, version: str, wire: int | None = None) -> None:
    """Replace the files on the host. ``wire``: the other version of the wire's format that this one has."""
    copy = _copy_of(lab, host)
    _change(copy / "__init__.py", _VERSION_LINE, f'__version__ = "{version}"')
    if wire is not None:
        _change(copy / "wire" / "seal.py", _WIRE_LINE, f"VERSION = {wire}")


def _copy_of(lab: Lab, host: str) -> Path:
    return lab.directory / "program" / host / "ha_monitor"


def _found(line: re.Pattern[str], file: Path) -> re.Match[str]:
    found = line.search(file.read_text())
    if found is None:
        raise LabError(f"{file}: has no line {line.pattern}")
    return found


def _change(file: Path, line: re.Pattern[str], new: str) -> None:
    _found(line, file)
    later_s = file.stat().st_mtime + _LATER_S
    beside = file.with_suffix(".new")
    beside.write_text(line.sub(new, file.read_text(), count=1))
    shutil.copymode(file, beside)
    os.utime(beside, (later_s, later_s))
    beside.replace(file)
