"""The part of the published picture that tells how votes are decided and what came of fences."""

from __future__ import annotations

from ha_monitor.core.fencing import Fences, FenceState
from ha_monitor.core.quorum import protection_now
from ha_monitor.core.situation import Situation
from ha_monitor.model import Quorum
from ha_monitor.timebase import MS, SECOND
from ha_monitor.view import FenceDeviceView, FenceView


def protection(situation: Situation, fences: Fences, at_ns: int) -> tuple[int, str]:
    """How far the promise is enforced at ``at_ns``, and its condition or what is missing."""
    quorum = situation.config.quorum
    broken = fences.broken(at_ns) if quorum is Quorum.FENCING else ""
    return protection_now(quorum, situation.protection, broken)


def trouble(situation: Situation, fences: Fences, at_ns: int) -> str:
    """What puts the next takeover at risk, "" if nothing here does."""
    if situation.config.quorum is not Quorum.FENCING:
        return ""
    broken = fences.broken(at_ns)
    return f"no takeover is possible: {broken}" if broken else ""


def node_state(fences: Fences, index: int, state: str) -> str:
    """A Node's state in words: a fenced one is not merely lost."""
    fence = fences.of_node.get(index)
    is_fenced = fence is not None and fence.state is FenceState.FENCED
    return FenceState.FENCED.value if is_fenced and state in ("lost", "suspect", "joining") else state


def fence_views(situation: Situation, fences: Fences, at_ns: int) -> tuple[FenceView, ...]:
    """One for each other Node."""
    levels = situation.config.fencing.levels
    return tuple(
        FenceView(
            node=fence.node,
            state=fence.state.value,
            since_s=(at_ns - fence.since_ns) // SECOND if fence.since_ns else 0,
            why=fence.why,
            who=fence.who,
            detail=fence.detail,
            took_ms=fence.took_ns // MS,
            count=fence.count,
            levels=len(levels.get(fence.node, ())),
        )
        for fence in fences.of_node.values()
        if levels or fence.state is not FenceState.IDLE
    )


def device_views(situation: Situation, fences: Fences, at_ns: int) -> tuple[FenceDeviceView, ...]:
    """One for each device that this Node would use; none on the Witness, which runs no agents."""
    if situation.me.is_witness:
        return ()
    fencing = situation.config.fencing
    return tuple(
        FenceDeviceView(
            name=name,
            nodes=tuple(node for node in fencing.levels if name in fencing.devices_of(node)),
            is_working=fences.is_working(name, at_ns),
            age_s=(at_ns - test.at_ns) // SECOND if test.at_ns else -1,
            detail=test.detail,
        )
        for name, test in fences.tests.items()
    )
