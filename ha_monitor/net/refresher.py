"""Gives service addresses new life from a thread of its own. For placement.py.

The kernel has one lock for devices and addresses. Whoever removes a device or a network namespace (containers
do) holds it for a tenth of a second on a busy machine, and a beat must not wait for that.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable

from ha_monitor.errors import NetlinkError
from ha_monitor.model import Address
from ha_monitor.net.rtnetlink import HostAddress, RouteSocket

STACK_BYTES = 256 * 1024


class Refresher:
    """Takes requests at once, carries them out when the kernel lets it. The thread begins with the first."""

    def __init__(self, route: RouteSocket) -> None:
        """``route``: a socket for this alone, given back by `close`."""
        self._route = route
        self._wanted: dict[Address, HostAddress] = {}
        self._news = threading.Condition()
        self._at_work = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def ask(self, where: HostAddress) -> None:
        """Have it added again with its full life; an earlier request that still waits is replaced."""
        if self._thread is None:
            self._start()
        with self._news:
            self._wanted[where.interface.ip] = where
            self._news.notify()

    def settle(self, addresses: Iterable[Address]) -> None:
        """Before these are changed: nothing is asked for them any more, and nothing is under way."""
        with self._news:
            for address in addresses:
                self._wanted.pop(address, None)
        with self._at_work:
            pass

    def close(self) -> None:
        """Let go of what waits; the thread ends, and its socket with it."""
        with self._news:
            self._wanted.clear()
            self._is_closed = True
            self._news.notify()
        if self._thread is None:
            self._route.close()

    def _start(self) -> None:
        before = threading.stack_size(STACK_BYTES)  # memory is locked, this stack too
        self._thread = threading.Thread(target=self._run, name="refresher", daemon=True)
        self._thread.start()
        threading.stack_size(before)

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # a new thread has lost the rights that its process took
            own = os.getpid()
            os.sched_setscheduler(0, os.sched_getscheduler(own), os.sched_getparam(own))
        while (where := self._next()) is not None:
            try:
                # Where that fails the address vanishes, which is an event of its own.
                with contextlib.suppress(NetlinkError):
                    self._route.add(where)
            finally:
                self._at_work.release()
        self._route.close()

    def _next(self) -> HostAddress | None:
        """The next request, with ``_at_work`` taken before anybody could settle it; None at the end."""
        with self._news:
            while not self._wanted and not self._is_closed:
                self._news.wait()
            if self._is_closed:
                return None
            self._at_work.acquire()
            return self._wanted.pop(next(iter(self._wanted)))
