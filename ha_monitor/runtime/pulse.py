"""Whether worker and publisher still answer: a hung one is as bad as a dead one, and only silent."""

from __future__ import annotations

from ha_monitor.runtime.ipc import Channel, Json
from ha_monitor.timebase import SECOND

PULSE_NS = 2 * SECOND
UNANSWERED_MAX = 5
UNANSWERED_AT_START_MAX = 30  # on an overloaded host a start takes long, and the next one no less


class Pulse:
    """Asks one of them; tells the guard when too many questions in a row found no answer."""

    def __init__(self, role: str, channel: Channel, guard: Channel) -> None:
        self._role, self._channel, self._guard = role, channel, guard
        self._is_expected = False
        self._unanswered, self._most = 0, UNANSWERED_AT_START_MAX

    def started(self) -> None:
        """There is one from now on."""
        self._is_expected = True
        self._unanswered, self._most = 0, UNANSWERED_AT_START_MAX

    def ended(self) -> None:
        """There is none."""
        self._is_expected = False

    def answered(self, _message: Json) -> None:
        """It lives."""
        self._unanswered, self._most = 0, UNANSWERED_MAX

    def beat(self, _at_ns: int) -> None:
        """Ask again."""
        if not self._is_expected:
            return
        self._unanswered += 1
        if self._unanswered > self._most:
            self._unanswered = 0
            self._guard.send({"kind": "hangs", "role": self._role})
        else:
            self._channel.send({"kind": "ping"})
