"""What takes the running core's place at a planned restart: another configuration, and its core."""

from __future__ import annotations

from dataclasses import dataclass

from ha_monitor.errors import HaMonitorError
from ha_monitor.runtime.generation import CoreHandle, Generation
from ha_monitor.runtime.preparation import (
    make_generation,
    refuse_new_account,
    refuse_new_holds,
    refuse_new_name,
    refuse_new_voters,
)
from ha_monitor.timebase import SECOND

START_BOUND_NS = 20 * SECOND  # a core that is not warm by then will not be
LET_GO_BOUND_NS = 3 * SECOND  # a core told to end without handing over has nothing to wait for


@dataclass
class Successor:
    """``bound_ns``: when it must be warm, and later when the core before it must have ended."""

    generation: Generation
    core: CoreHandle
    bound_ns: int

    def end(self) -> None:
        """It does not take over: nothing of it stays."""
        self.core.child.kill()
        self.core.child.reap()
        self.core.close()
        self.generation.close()


def succeeding_generation(current: Generation, told: bytes) -> Generation:
    """From the files as they are now. Raises HaMonitorError when a restart cannot bring them into force."""
    generation = make_generation(told, current.is_witness)
    try:
        for refuse in (refuse_new_name, refuse_new_voters, refuse_new_holds):
            refuse(current.config, generation.config)
        refuse_new_account(current.account, generation.account)
    except HaMonitorError:
        generation.close()
        raise
    generation.take_over(current)
    return generation
