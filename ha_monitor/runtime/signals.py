"""Signals as something to wait for beside descriptors; nothing runs in a handler."""

from __future__ import annotations

import contextlib
import signal
import socket


class SignalWatch:
    """Readable when a signal came."""

    def __init__(self) -> None:
        self._came, self._written = socket.socketpair()
        for end in (self._came, self._written):
            end.setblocking(False)

    def listen(self, *numbers: signal.Signals) -> None:
        """These no longer do what they did: from now on `take` tells of them. Main thread only."""
        signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda *_: None)

    def fileno(self) -> int:
        """For select."""
        return self._came.fileno()

    def take(self) -> frozenset[int]:
        """The signals that came since the last time."""
        with contextlib.suppress(BlockingIOError):
            return frozenset(self._came.recv(64))
        return frozenset()
