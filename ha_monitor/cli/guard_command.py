"""How the guard is started: standard library alone, wherever the package lies."""

from __future__ import annotations

import os

from ha_monitor.runtime.children import PACKAGE_ROOT, stdlib_python


def guard_command(is_witness: bool) -> tuple[list[str], dict[str, str]]:
    """Command and environment."""
    command = stdlib_python("ha_monitor.runtime.guard")
    if is_witness:
        command.append("--witness")
    return command, {**os.environ, "PYTHONPATH": PACKAGE_ROOT}
