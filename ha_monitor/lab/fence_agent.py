"""A fence agent for the lab, by the convention of Debian's fence-agents: it asks the lab's power switch.

    python -m ha_monitor.lab.fence_agent < parameters

Parameters: ``action``, ``plug`` (a host of the lab), ``ip`` (the switch's socket), ``device`` (which of the
switch's devices this is, for faults that one of them has).
"""

from __future__ import annotations

import socket
import sys

METADATA = """<?xml version="1.0" ?>
<resource-agent name="fence_lab" shortdesc="Powers hosts of the lab off">
<parameters>
 <parameter name="action" required="1"/><parameter name="plug" required="0"/>
 <parameter name="ip" required="1"/><parameter name="device" required="0"/>
</parameters>
<actions>
 <action name="on"/><action name="off"/><action name="reboot"/><action name="status"/>
 <action name="monitor"/><action name="metadata"/>
</actions>
</resource-agent>
"""


def main() -> int:
    """The agent's exit code: 0 done or on, 1 failed, 2 off."""
    told = dict(line.rstrip("\n").partition("=")[::2] for line in sys.stdin)
    action = told.get("action", "reboot")
    if action == "metadata":
        sys.stdout.write(METADATA)
        return 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(told["ip"])
            sock.sendall(f"{told.get('device', '')} {action} {told.get('plug', '')}\n".encode())
            code, _, text = sock.makefile().readline().partition(" ")
        except (OSError, KeyError) as error:
            sys.stderr.write(f"Unable to connect/login to fencing device ({error})\n")
            return 1
    sys.stdout.write(f"{text.strip()}\n")
    return int(code or 1)


if __name__ == "__main__":
    sys.exit(main())
