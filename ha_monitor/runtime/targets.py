"""The worker's part in quorum mode `ping`: asks the targets four times a Lease and tells the core."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ha_monitor.model import Address
from ha_monitor.net.ping import Pinger, Target
from ha_monitor.runtime.ipc import Json
from ha_monitor.timebase import SECOND, lease_clock_ns

ASKS_PER_LEASE = 4


class TargetWatcher:
    """``send``: a packet to the core, under the key of what it replaces while it waits."""

    def __init__(
        self,
        addresses: Sequence[Address],
        lease_ns: int,
        send: Callable[[tuple[str, str, str, int], Json], None],
    ) -> None:
        self._addresses = addresses
        self._lease_ns = lease_ns
        self._send = send

    async def run(self) -> None:
        """Ask and tell for ever; without targets wait for ever."""
        if not self._addresses:
            await asyncio.Event().wait()
        loop = asyncio.get_running_loop()

        def watch(target: Target) -> None:
            loop.add_reader(target.fileno(), target.listen)

        pinger = Pinger(self._addresses, watch, loop.remove_reader)
        every_s = self._lease_ns / ASKS_PER_LEASE / SECOND
        try:
            while True:
                pinger.ask(lease_clock_ns())
                await asyncio.sleep(every_s)
                self._tell(pinger)
        finally:
            pinger.close()

    def _tell(self, pinger: Pinger) -> None:
        reached = pinger.reached(lease_clock_ns() - self._lease_ns)
        packet = {"kind": "pinged", "reached": reached, "targets": len(pinger.targets)}
        self._send(("pinged", "", "", 0), {**packet, "newest_ns": pinger.newest_ns})
