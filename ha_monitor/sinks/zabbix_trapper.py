"""Zabbix's trapper protocol, by zabbix_utils: one destination, one chunk a call, each value with its stamp.

The answer tells how many values were refused, not which: after a refusal states are sent one by one. A
value repeated with the same clock and ns is stored once by Zabbix 6.0 and newer (primary key of its
history), so a crash between sending and remembering doubles nothing there.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

from zabbix_utils import ItemValue, ProcessingError, Sender

from ha_monitor.errors import SinkError
from ha_monitor.publish.outbox import ZABBIX, Delivery, Waiting, runs
from ha_monitor.publish.zabbix import read_value
from ha_monitor.sinks.base import AtOnce

TIMEOUT_S = 5
CHUNK_MAX = 100

# It formats every packet for its debug log; nobody reads that here.
logging.getLogger("zabbix_utils").setLevel(logging.CRITICAL)


class ZabbixTrapperSink(AtOnce):
    """Sends trapper values to one server or proxy.

    A late call does little harm here, since Zabbix keeps the stamps of values: nothing is given up.
    """

    name = "zabbix"
    kind = "trapper"
    policy = ZABBIX
    batch_max = CHUNK_MAX

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self.server = server
        self._sender = Sender(
            port=int(port or 10051), timeout=TIMEOUT_S, chunk_size=CHUNK_MAX, use_ipv6="[" in host
        )
        # Its parser of addresses cuts at every colon, so an IPv6 address has to be put in afterwards.
        self._sender.clusters[0].nodes[0].address = host.strip("[]")

    def send(self, batch: Sequence[Waiting]) -> Delivery:
        """Send run by run. Raises SinkError when the server was not reached at the first one."""
        taken: list[int] = []
        refused: list[int] = []
        detail = ""
        for run in runs(batch):
            try:
                accepted, rejected = self._send_run(run)
            except SinkError as error:
                if not (taken or refused):
                    raise
                return Delivery(tuple(taken), tuple(refused), str(error))
            taken += accepted
            refused += rejected
        if refused:
            detail = f"{self.server} refused {len(refused)} of {len(batch)} values: host or template missing?"
        return Delivery(tuple(taken), tuple(refused), detail)

    def _send_run(self, run: Sequence[Waiting]) -> tuple[list[int], list[int]]:
        rows = [entry.row for entry in run]
        if self._call(run) == 0:
            return rows, []
        if len(run) == 1:
            return [], rows
        accepted = [entry.row for entry in run if self._call([entry]) == 0]
        return accepted, [row for row in rows if row not in accepted]

    def _call(self, entries: Sequence[Waiting]) -> int:
        """How many of them were refused. Raises SinkError."""
        items = [_item(entry) for entry in entries]
        try:
            answer = self._sender.send(items)
        except (OSError, ProcessingError, json.JSONDecodeError) as error:
            raise SinkError(f"{self.server}: {error}") from error
        return int(answer.failed)


def _item(entry: Waiting) -> ItemValue:
    value = read_value(entry.parcel.body)
    return ItemValue(value.host, value.key, value.value, value.clock, value.ns)
