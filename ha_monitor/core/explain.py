"""Why a group is where it is, and what would happen next, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ha_monitor.core.tenure import Tenure
from ha_monitor.model import FailbackKind, Hold
from ha_monitor.timebase import format_duration

if TYPE_CHECKING:
    from ha_monitor.core.cluster import ClusterCore


def explain(
    core: ClusterCore, tenure: Tenure, owner: str, candidates: tuple[str, ...], at_ns: int
) -> list[str]:
    """Why the group is where it is, and what would happen next, one sentence each."""
    situation = core.situation
    lines = [_where(core, tenure, owner)]
    lines.extend(_who_could(tenure, owner, candidates, at_ns))
    if situation.in_maintenance(at_ns):
        left = format_duration(situation.maintenance_end_ns - at_ns)
        lines.append(f"The cluster is in maintenance for another {left}: nothing is moved or started.")
    elif tenure.holding.is_held:
        lines.extend(_held(tenure, owner))
    elif owner:
        lines.append(_if_owner_fails(tenure, owner, candidates))
        lines.append(_failback(tenure, owner, at_ns))
    elif not situation.is_quorate(at_ns):
        lines.append(
            f"{situation.votes.present(at_ns)} of {situation.config.majority} votes needed are heard from"
            " here: nobody may start it before a majority is."
        )
    return lines


def _where(core: ClusterCore, tenure: Tenure, owner: str) -> str:
    note = core.transitions.get(tenure.spec.name)
    why = f" Last change: {note.sentence}." if note else ""
    return (f"{tenure.spec.name} is on {owner}." if owner else f"{tenure.spec.name} has no Owner.") + why


def _who_could(tenure: Tenure, owner: str, candidates: tuple[str, ...], at_ns: int) -> list[str]:
    situation = tenure.situation
    lines = []
    own = tenure.report(at_ns)
    for name in tenure.spec.prefer:
        if name in candidates:
            lines.append(f"{name} could take it.")
        elif name != owner:
            peer = next((p for p in situation.node_peers if p.voter.name == name), None)
            report = own if peer is None else peer.group(tenure.spec.name)
            state = peer.state.value if peer is not None else ""
            lines.append(
                f"{name} cannot take it: {(report.reason if report else '') or state or 'not ready'}."
            )
    return lines


def _held(tenure: Tenure, owner: str) -> list[str]:
    name, node = tenure.spec.name, tenure.holding.node
    lease = format_duration(tenure.situation.config.timing.lease_ns)
    if tenure.holding.note.hold is Hold.LIVELOCK:
        first = f"It is FROZEN on {node}: other Nodes leave it alone unless {node} cannot serve it for long."
    else:
        first = f"It is HELD on {node}: a failed Resource is started again there first, nothing goes back."
    then = f"If {owner or node} dies, another Node takes it over once its Lease of {lease} has run out."
    ask = f"When you have looked: ha-monitor clear {name}, or ha-monitor switch {name} --to NODE."
    return [first, *([then] if owner else []), ask]


def _if_owner_fails(tenure: Tenure, owner: str, candidates: tuple[str, ...]) -> str:
    lease = format_duration(tenure.situation.config.timing.lease_ns)
    if not candidates:
        return f"If {owner} fails, nobody can take it over."
    return f"If {owner} fails, {candidates[0]} takes it over once its Lease of {lease} has run out."


def _failback(tenure: Tenure, owner: str, at_ns: int) -> str:
    failback, best = tenure.spec.failback, tenure.spec.prefer[0]
    if owner == best:
        return f"{owner} is the preferred Node."
    if failback.kind is FailbackKind.NEVER:
        return f"It does not go back to {best} by itself (failback never)."
    if failback.kind is FailbackKind.MANUAL:
        command = f"ha-monitor switch {tenure.spec.name} --to {best}"
        return f"It goes back to {best} when an operator says so: {command}."
    if tenure.failback.is_placed_by_operator:
        return f"An operator put it on {owner}: it does not go back to {best} by itself."
    due_ns = tenure.failback.due_ns()
    if due_ns is None:
        return f"It goes back to {best} by itself (failback {failback.kind.value}) when {best} is ready."
    return f"It goes back to {best} in {format_duration(max(0, due_ns - at_ns))}, if {best} stays ready."
