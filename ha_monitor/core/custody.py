"""What the guard holds of one exclusive group: watched before it starts, proved ended before it is let go.

For a group that is not exclusive nothing is asked, and every answer is yes.
"""

from __future__ import annotations

from collections.abc import Callable

from ha_monitor.core.actions import Action, EndGroup, GuardGroup
from ha_monitor.core.events import GroupEnded
from ha_monitor.model import Group


class Custody:
    """``is_guarded``: its Resources may start. ``is_ended``: proved that none of them runs here."""

    def __init__(self, spec: Group, emit: Callable[[Action], None]) -> None:
        self.spec = spec
        self.is_guarded = self.is_ended = not spec.exclusive
        self.is_guard_gone = False
        self.trouble = ""  # why the guard could not end it yet
        self._is_asked = False
        self._emit = emit

    def begin(self, until_ns: int) -> None:
        """A Lease was won: whatever the guard knew before, it must say yes to this one."""
        if self.spec.exclusive:
            self.doubt()
            self.is_guarded = False
            self.extend(until_ns, is_wanted=True)

    def extend(self, until_ns: int, is_wanted: bool) -> None:
        """The Lease holds until then. ``is_wanted``: the group is to run, not on its way out."""
        if self.spec.exclusive:
            self._emit(GuardGroup(self.spec.name, until_ns, is_wanted and not self.is_guarded))

    def doubt(self) -> None:
        """What was proved before counts no more."""
        if self.spec.exclusive:
            self.is_ended = self._is_asked = False

    def prove_ended(self) -> bool:
        """Whether it is proved; if not, the guard is asked, once."""
        if not self.is_ended and not self._is_asked:
            self._is_asked = True
            self._emit(EndGroup(self.spec.name))
        return self.is_ended

    def take_guarded(self) -> None:
        """The guard watches."""
        self.is_guarded = True
        self.doubt()

    def take_ended(self, event: GroupEnded) -> None:
        """The guard's word; after a failure it goes on trying, and speaks again."""
        self.is_guard_gone = event.is_guard_gone
        self.is_ended = event.is_ended
        self.trouble = "" if event.is_ended else event.detail
        if event.is_ended:
            self.is_guarded = self._is_asked = False
