"""A simulated kernel's part of the Lease: sendings with a timeout, and which address hangs on which.

What ha_monitor/net/ does with nftables, as a model: an address answers exactly while the sending that it
was activated with still stands in the window. Nothing but time and these calls changes that.
"""

from __future__ import annotations

from ha_monitor.sim.agenda import Agenda, HostClock

JIFFY_NS = 10_000_000


class Kernel:
    """One host's window, held addresses, and addresses on devices. Lost when the power goes."""

    def __init__(self, agenda: Agenda, clock: HostClock) -> None:
        self._agenda = agenda
        self._clock = clock
        self._window: dict[int, int] = {}  # sending to the true moment of its end
        self._held: dict[str, int] = {}  # address (or group) to sending
        self._since: dict[str, int] = {}  # address: since when it answers without a gap (true time)
        self._frozen_ns = -1  # since when the whole machine stands still
        self.changes = 0  # grows whenever something may have opened: what only closes needs no check

    def arm(self, sending: int, timeout_ns: int) -> None:
        """Let a sending in; its timer follows the slewed clock and rounds up to a jiffy."""
        length_ns = -(-timeout_ns // JIFFY_NS) * JIFFY_NS
        now_ns = self._agenda.now_ns
        self._window = {s: end for s, end in self._window.items() if end > now_ns}
        self._window[sending] = now_ns + self._clock.timer_ns(length_ns)
        self.changes += 1

    def activate(self, name: str, sending: int) -> None:
        """The address passes as long as that sending is armed; an older one never replaces a newer."""
        if not self.answers(name):
            self._since[name] = self._agenda.now_ns
        self._held[name] = max(sending, self._held.get(name, 0))
        self.changes += 1

    def close(self, name: str) -> None:
        """The address answers no more."""
        self._held.pop(name, None)

    def close_all(self) -> None:
        """No address answers any more."""
        self._held.clear()

    def freeze(self) -> None:
        """The whole machine stands still: nothing answers, and the timers do not run either."""
        self._frozen_ns = self._agenda.now_ns

    def thaw(self) -> None:
        """It goes on where it stood: what was armed has as long to go as it had."""
        if self._frozen_ns >= 0:
            slept_ns = self._agenda.now_ns - self._frozen_ns
            self._window = {s: end + slept_ns for s, end in self._window.items() if end > self._frozen_ns}
            self._frozen_ns = -1
            self.changes += 1

    def answers(self, name: str) -> bool:
        """Would this host answer for the address now?"""
        sending = self._held.get(name)
        if sending is None or self._frozen_ns >= 0:
            return False
        return self._window.get(sending, 0) > self._agenda.now_ns

    def answers_since_ns(self, name: str) -> int:
        """The true moment at which it began to answer, if it does."""
        return self._since.get(name, 0)

    def answers_until_ns(self, name: str) -> int:
        """The true moment at which it stops to answer unless somebody renews; 0 if it does not answer."""
        return self._window.get(self._held.get(name, 0), 0)

    def is_activated(self, name: str) -> bool:
        """Whether the address hangs on a sending, armed or not any more."""
        return name in self._held
