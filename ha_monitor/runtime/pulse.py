"""Whether worker and publisher still answer: a hung one is as bad as a dead one, and only silent."""

from __future__ import annotations

from ha_monitor.runtime.ipc import Channel, Json
from ha_monitor.timebase import SECOND

PULSE_NS = 2 * SECOND
UNANSWERED_MAX = 5


class Pulse:
    """Asks one of them; tells the guard when too many questions in a row found no answer."""

    def __init__(self, role: str, channel: Channel, guard: Channel) -> None:
        self._role, self._channel, self._guard = role, channel, guard
        self._is_expected = False
        self._unanswered = 0

    def started(self) -> None:
        """There is one from now on."""
        self._is_expected, self._unanswered = True, 0

    def ended(self) -> None:
        """There is none."""
        self._is_expected = False

    def answered(self, _message: Json) -> None:
        """It lives."""
        self._unanswered = 0

    def beat(self, _at_ns: int) -> None:
        """Ask again."""
        if not self._is_expected:
            return
        self._unanswered += 1
        if self._unanswered > UNANSWERED_MAX:
            self._unanswered = 0
            self._guard.send({"kind": "hangs", "role": self._role})
        else:
            self._channel.send({"kind": "ping"})
