"""Runs on mon in place of Zabbix: takes trapper values and keeps the transitions among them.

It answers as a Zabbix server does that knows every item, and writes each transition down with the
monotonic time of its arrival, so that nothing heavier has to run during hours of chaos.
"""

from __future__ import annotations

import json
import os
import socketserver
import struct
import sys
import time
from typing import Any

PORT = 10051
EVENT_KEY = "ha.event"
SWALLOW = ".swallow"  # a planted fault: while this file stands beside ours, a transition is not kept
_HEAD = struct.Struct("<5sII")
_MAGIC = b"ZBXD\x01"


def main() -> None:
    """``python -m ha_monitor.lab.chaos.trapper ADDRESS FILE``: until killed."""
    address, path = sys.argv[1:]
    _Server.path = path
    with _Server((address, PORT), _Call) as server:
        server.serve_forever()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    path = ""


class _Call(socketserver.BaseRequestHandler):
    timeout = 10

    def handle(self) -> None:
        """One packet with values, one answer."""
        self.request.settimeout(self.timeout)
        magic, length, _ = _HEAD.unpack(_exactly(self.request, _HEAD.size))
        if magic != _MAGIC:
            return
        values = json.loads(_exactly(self.request, length))["data"]
        keep(_Server.path, [value for value in values if value["key"] == EVENT_KEY])
        info = f"processed: {len(values)}; failed: 0; total: {len(values)}; seconds spent: 0.0001"
        body = json.dumps({"response": "success", "info": info}).encode()
        self.request.sendall(_HEAD.pack(_MAGIC, len(body), 0) + body)


def keep(path: str, events: list[dict[str, Any]]) -> None:
    """Append transitions, one JSON line each: a line is whole or not there."""
    if os.path.exists(path + SWALLOW):
        return
    now_ns = time.monotonic_ns()
    lines = [json.dumps({"arrived_ns": now_ns, **json.loads(event["value"])}) for event in events]
    if lines:
        with open(path, "a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))


def _exactly(sock: Any, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise ConnectionError("the sender closed in the middle of a packet")
        data += part
    return bytes(data)


if __name__ == "__main__":
    main()
