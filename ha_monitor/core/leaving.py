"""Whether an Owner should hand a group over now, to whom and why. Pure judgements on what is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ha_monitor.core.nodes import Peer
from ha_monitor.core.placement import NO_CARRIER
from ha_monitor.core.quorum import NO_TARGET
from ha_monitor.model import REPORTER, Cause, GroupState, ResourceState

if TYPE_CHECKING:
    from ha_monitor.core.tenure import Tenure


@dataclass(frozen=True)
class Departure:
    """``successor`` None: nobody is named. ``failed_here``: why this Node stands back from now on, or ""."""

    successor: Peer | None
    cause: Cause
    failed_here: str = ""


def decide(tenure: Tenure, at_ns: int) -> Departure | None:
    """The departure that is due, None if the group stays."""
    situation = tenure.situation
    if not tenure.runner.is_owner or tenure.runner.is_busy:
        return None
    if situation.is_stopping:
        able = [] if _is_kept_by_maintenance(tenure, at_ns) else tenure.candidates()
        return Departure(able[0] if able else None, situation.stop_cause)
    if situation.in_maintenance(at_ns):
        return None
    reason = tenure.ineligible(at_ns)
    return _of_the_unfit(tenure, reason, at_ns) if reason else _of_the_fit(tenure, at_ns)


def _of_the_unfit(tenure: Tenure, reason: str, at_ns: int) -> Departure | None:
    """To the best Node that could take it and hears this one."""
    listening = [peer for peer in tenure.candidates() if peer.hears_us(at_ns)]
    if not listening or _may_lack_carrier_too(tenure, reason, at_ns):
        return None
    records = tenure.runner.records.values()
    has_failed = any(r.must_stop and r.state is ResourceState.FAILED for r in records)
    return Departure(listening[0], cause_of(reason), reason if has_failed else "")


def _of_the_fit(tenure: Tenure, at_ns: int) -> Departure | None:
    better = tenure.failback.wants_to_go(at_ns)
    may_go = tenure.runner.state is GroupState.RUNNING and not tenure.holding.is_held
    return Departure(better, Cause.FAILBACK) if better is not None and may_go else None


def _is_kept_by_maintenance(tenure: Tenure, at_ns: int) -> bool:
    """Whether nobody would take the group although it were let go of."""
    return tenure.situation.in_maintenance(at_ns) and tenure.spec.name != REPORTER


def _may_lack_carrier_too(tenure: Tenure, reason: str, at_ns: int) -> bool:
    """A switch that reboots pulls all cables at once: let others say so before one of them is chosen."""
    return reason.startswith(NO_CARRIER) and at_ns < tenure.situation.carriers_told_ns


def cause_of(reason: str) -> Cause:
    """What a reason not to serve is called when the group leaves for it."""
    if reason == "standby":
        return Cause.STANDBY_ORDERED
    if reason.startswith(NO_CARRIER):
        return Cause.CARRIER_LOST
    if reason.startswith("isolated") or reason == NO_TARGET:
        return Cause.LINK_ISOLATED
    return Cause.STOP_FAILED if reason.endswith("stop failed") else Cause.RESOURCE_FAILED
