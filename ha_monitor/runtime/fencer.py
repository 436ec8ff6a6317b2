"""The worker's part in fencing: carries out orders, one for each Node at a time, and tests devices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ha_monitor.fence.power import Outcome, Power
from ha_monitor.model import Fencing
from ha_monitor.runtime.ipc import Json
from ha_monitor.timebase import SECOND

AGAIN_S = 5.0  # after a test that gave way to a fence
ORDERS_MAX = 16  # under way at the same time: more Nodes than a cluster has


class Fencer:
    """``send``: a packet to the core, under the key of what it replaces while it waits."""

    def __init__(
        self, fencing: Fencing, own_name: str, send: Callable[[tuple[str, str, str, int], Json], None]
    ) -> None:
        self._power = Power(fencing, own_name)
        self._test_every_s = fencing.test_every_ns / SECOND
        self._send = send
        self._orders: dict[str, asyncio.Task[None]] = {}
        self.turned_away = 0

    def order(self, message: Json) -> None:
        """A packet of kind ``fence``; an order for a Node whose fence is running is answered at once."""
        node = str(message["node"])
        operation_id, only_ask = int(message["operation_id"]), bool(message["only_ask"])
        if node in self._orders or len(self._orders) >= ORDERS_MAX:
            self.turned_away += 1
            self._tell_end(node, operation_id, Outcome(False, "another fence is under way", 0))
            return
        task = asyncio.create_task(self._carry_out(node, operation_id, only_ask))
        self._orders[node] = task
        task.add_done_callback(lambda _: self._orders.pop(node, None))

    async def _carry_out(self, node: str, operation_id: int, only_ask: bool) -> None:
        self._tell_end(node, operation_id, await self._power.fence(node, only_ask))

    def _tell_end(self, node: str, operation_id: int, outcome: Outcome) -> None:
        packet = {"kind": "fence-ended", "node": node, "operation_id": operation_id, **vars(outcome)}
        self._send(("fence", node, "", operation_id), packet)

    async def run(self) -> None:
        """Test every device again and again, for ever, also where there is none."""
        tests = [self._test_for_ever(device) for device in self._power.devices]
        await asyncio.gather(*tests, asyncio.Event().wait())

    async def _test_for_ever(self, device: str) -> None:
        while True:
            told = await self._power.test(device)
            if told is None:
                await asyncio.sleep(AGAIN_S)
                continue
            packet = {"kind": "fence-tested", "device": device, "is_working": told.is_done}
            self._send(("fence-test", device, "", 0), {**packet, "detail": told.detail})
            await asyncio.sleep(self._test_every_s)
