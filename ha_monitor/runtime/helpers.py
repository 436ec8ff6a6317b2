"""The guard's care for worker and publisher: started, replaced when they end, ended in time."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from typing import Any

from ha_monitor.runtime.children import Child, end_text
from ha_monitor.runtime.generation import Generation
from ha_monitor.timebase import SECOND

END_BOUND_NS = 3 * SECOND  # from SIGTERM to SIGKILL


class Helpers:
    """``tell``: a message to the core; ``log``: level and line; ``now``: the Lease clock."""

    def __init__(
        self,
        tell: Callable[[Mapping[str, Any]], None],
        log: Callable[[str, str], None],
        now: Callable[[], int],
    ) -> None:
        self._tell, self._log, self._now = tell, log, now
        self._ending: dict[Child, int] = {}  # and when it is killed

    def watched(self, generation: Generation) -> list[Child]:
        """Whose end shall wake the guard."""
        return [*generation.children.values(), *self._ending]

    def keep(self, generation: Generation) -> None:
        """Reap what ended, start what is missing, kill what does not end."""
        now = self._now()
        self.reap(generation)
        for role in generation.roles:
            is_due = now >= generation.back_off[role].not_before_ns
            if role not in generation.children and is_due and not self._is_ending(role):
                self._start(generation, role, now)

    def _start(self, generation: Generation, role: str, now: int) -> None:
        try:
            child = generation.start(role, now)
        except OSError as error:  # no memory, no process left, a place that its user may not enter
            generation.back_off[role].started(now)
            generation.back_off[role].ended(now)
            self._log("error", f"{role} cannot be started: {error}; tried again later")
        else:
            self._tell({"kind": f"{role}-started", "pid": child.pid})

    def _is_ending(self, role: str) -> bool:
        """Two publishers on one outbox, or two workers on one service, must not be."""
        return any(child.role == role for child in self._ending)

    def introduce(self, generation: Generation) -> None:
        """To a core that began after them."""
        for role, child in generation.children.items():
            self._tell({"kind": f"{role}-lives", "pid": child.pid})

    def reap(self, generation: Generation) -> None:
        """Reap what ended, kill what does not end."""
        now = self._now()
        for child, bound in list(self._ending.items()):
            if child.reap(0) is not None:
                del self._ending[child]
            elif now > bound:
                child.kill()
        for role, child in list(generation.children.items()):
            if (code := child.reap(0)) is not None:
                del generation.children[role]
                generation.back_off[role].ended(now)
                self._log("warning", f"{role} ended unasked ({end_text(code)}); it starts again")
                self._tell({"kind": f"{role}-lost"})

    def kill(self, generation: Generation, role: str) -> None:
        """It hangs; `keep` starts another one."""
        if role in generation.children:
            self._log("error", f"{role} does not answer: killed")
            generation.children[role].kill()

    def retire(self, generation: Generation) -> None:
        """Its successors wait until these have ended."""
        for child in generation.children.values():
            child.kill(signal.SIGTERM)
            self._ending[child] = self._now() + END_BOUND_NS
        generation.children = {}

    def end_all(self, generation: Generation) -> None:
        """End everything, wait for it, and leave nothing behind."""
        self.retire(generation)
        for child, bound in self._ending.items():
            if child.reap(max(0.0, (bound - self._now()) / SECOND)) is None:
                child.kill()
                child.reap()
        self._ending = {}
