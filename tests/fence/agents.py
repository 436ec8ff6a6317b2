"""Fence agents for tests: shell scripts by the convention, with a plug that is a file."""

from __future__ import annotations

from pathlib import Path

from ha_monitor.model import FenceDevice, FenceStep, Fencing
from ha_monitor.timebase import SECOND

METADATA = """<?xml version="1.0" ?>
<resource-agent name="fence_toy" shortdesc="toy">
<parameters><parameter name="port"/><parameter name="ip"/></parameters>
<actions><action name="on"/><action name="off"/><action name="status"/><action name="monitor"/></actions>
</resource-agent>"""

TOY = f"""#!/bin/sh
while IFS= read -r line; do
  echo "$line" >> "{{log}}"
  case "$line" in action=*) action=${{{{line#action=}}}};; port=*|plug=*) plug=${{{{line#*=}}}};; esac
done
state="{{directory}}/plug-$plug"
case "$action" in
  metadata) cat <<'END'
{METADATA}
END
;;
  {{special}}
  off) echo off > "$state"; echo "Success: Powered OFF";;
  on) echo on > "$state";;
  status) if grep -q off "$state" 2>/dev/null; then echo "Status: OFF"; exit 2; fi; echo "Status: ON";;
  monitor) ;;
  *) exit 1;;
esac
"""


def toy(directory: Path, name: str, special: str = "") -> Path:
    """An agent; ``special``: branches of its `case` that come before the usual ones."""
    path = directory / f"fence_{name}"
    path.write_text(TOY.format(directory=directory, log=directory / f"{name}.told", special=special))
    path.chmod(0o755)
    return path


def told(directory: Path, name: str) -> list[str]:
    """Every line that the agent was given, in order."""
    log = directory / f"{name}.told"
    return log.read_text().splitlines() if log.exists() else []


def device(directory, name, special="", timeout_s=20.0, **options):
    agent = toy(directory, name, special)
    return FenceDevice(name, str(agent), tuple(options.items()), timeout_ns=int(timeout_s * SECOND))


def fencing(*devices, levels):
    """Levels of Node b, each a list of device or (device, plug)."""
    steps = tuple(tuple(FenceStep(*step) if isinstance(step, tuple) else FenceStep(step) for step in level) for level in levels)  # fmt: skip  # noqa: E501
    return Fencing(tuple(devices), {"b": steps})
