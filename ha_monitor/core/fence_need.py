"""Whether a Node must be fenced now, and how long this one waits before it does. Pure judgements."""

from __future__ import annotations

from collections.abc import Sequence

from ha_monitor.core import placement
from ha_monitor.core.nodes import Peer
from ha_monitor.core.situation import Situation
from ha_monitor.core.tenure import Tenure
from ha_monitor.model import NodeState, Quorum
from ha_monitor.timebase import format_duration

FAVOURED_PART = 4  # of the delay: the favoured Node waits a quarter of it, for a core that is just restarted


def need(situation: Situation, peer: Peer, groups: Sequence[Tenure], at_ns: int) -> str:
    """Why that Node must be fenced now, "" if it need not."""
    index = peer.voter.index
    if situation.me.is_witness or situation.is_stopping or situation.in_maintenance(at_ns):
        return ""
    if at_ns < situation.accuse_from_ns or peer.state is not NodeState.LOST:
        return ""
    if index in situation.seat.absences or not situation.config.fencing.levels.get(peer.voter.name):
        return ""
    since_ns = max(peer.reported_at_ns, peer.started_at_ns)
    silent = f"silent for {format_duration(at_ns - since_ns)}"
    if situation.config.quorum is Quorum.FENCING:
        is_wanted = _has_had_its_time(situation, index, at_ns) and _has_use(groups, at_ns)
        return silent if is_wanted else ""
    held = [t.spec.name for t in groups if _waits_for_end_of(situation, t, index, at_ns)]
    return f"{silent}, and {', '.join(held)} is held for it" if held and situation.is_quorate(at_ns) else ""


def wait_ns(situation: Situation, peer: Peer, groups: Sequence[Tenure], at_ns: int) -> int:
    """The delay against fence races: after a cut of all Links both Nodes of a pair would be powered off."""
    if situation.config.quorum is not Quorum.FENCING:
        return 0  # the others have a majority that the fenced one has not
    delay_ns = situation.config.fencing.delay_ns
    if _is_favoured(situation, peer, groups, at_ns):
        return delay_ns // FAVOURED_PART
    # Still heard one way: it lives, and it is its turn.
    return 2 * delay_ns if peer.is_heard(at_ns) else delay_ns


def _has_had_its_time(situation: Situation, index: int, at_ns: int) -> bool:
    """A Node that was never met may be starting, as this one is."""
    able_ns = max(situation.started_at_ns, situation.seat.abstain_until_ns)
    return index in situation.seat.met or at_ns >= able_ns + situation.config.start_grace_ns


def _has_use(groups: Sequence[Tenure], at_ns: int) -> bool:
    """Whether this Node serves something, or could."""
    return any(tenure.runner.is_owner or not tenure.report(at_ns).reason for tenure in groups)


def _waits_for_end_of(situation: Situation, tenure: Tenure, index: int, at_ns: int) -> bool:
    """Whether an exclusive group is held for that Node still, and this one is the first to take it."""
    held = situation.seat.held(tenure.spec.name, at_ns)
    if not is_exclusive(tenure) or held is None or held[0] != index or tenure.report(at_ns).reason:
        return False
    return placement.rank(tenure.spec, situation.me.name, situation.node_peers) == 0


def is_exclusive(tenure: Tenure) -> bool:
    """Whether voters hold the group for its Owner beyond the Lease."""
    return tenure.seeker.hold_ns > tenure.situation.config.timing.lease_ns


def _is_favoured(situation: Situation, peer: Peer, groups: Sequence[Tenure], at_ns: int) -> bool:
    favour = situation.config.fencing.favour
    if favour:
        return favour == situation.me.name
    own = sum(1 for t in groups if t.runner.is_owner and not t.ineligible(at_ns))
    theirs = sum(1 for t in groups if not t.runner.is_owner and t.passage.owner == peer.voter.name)
    return own > theirs or (own == theirs and situation.me.index < peer.voter.index)
