"""The published picture, drawn from the core's state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ha_monitor.core import report_pair
from ha_monitor.core.explain import explain
from ha_monitor.core.leases import Phase
from ha_monitor.core.nodes import Peer
from ha_monitor.core.resources import ResourceRecord
from ha_monitor.core.tenure import Tenure
from ha_monitor.messages import TransitionNote
from ha_monitor.model import (
    NO_BALLOT,
    REPORTER,
    Ballot,
    GroupState,
    LinkState,
    NodeState,
    Protection,
    Quorum,
)
from ha_monitor.timebase import MS, SECOND
from ha_monitor.view import (
    AddressView,
    GroupView,
    LinkView,
    MaintenanceView,
    NodeView,
    ResourceView,
    TransitionView,
    View,
)

if TYPE_CHECKING:
    from ha_monitor.core.cluster import ClusterCore

HEALTHY = (NodeState.ONLINE, NodeState.STANDBY)


def make_view(core: ClusterCore, at_ns: int) -> View:
    """Everything that this voter knows at ``at_ns``."""
    situation = core.situation
    groups = tuple(_group(core, t, at_ns) for t in core.tenures.values() if t.spec.name != REPORTER)
    nodes = tuple(_node(core, index, at_ns) for index in range(len(situation.config.voters)))
    state, reason = judge_cluster(core, groups, nodes, at_ns)
    level, detail = report_pair.protection(situation, core.fences, at_ns)
    return View(
        cluster=situation.config.name,
        self_name=situation.me.name,
        role="witness" if situation.me.is_witness else "node",
        state=state,
        state_reason=reason,
        protection=int(level),
        protection_detail=detail,
        # Who held it last must not go on speaking for the cluster: two would tell different things.
        reporter=owner_of(core.tenures[REPORTER], at_ns)[0],
        reporter_changes=core.reporter_changes,
        nodes=nodes,
        links=tuple(link for p in situation.peers.values() for link in _links(p, at_ns)),
        groups=groups,
        fences=report_pair.fence_views(situation, core.fences, at_ns),
        fence_devices=report_pair.device_views(situation, core.fences, at_ns),
        **_votes(core, nodes, at_ns),
        **_own_condition(core, at_ns),
    )


def _votes(core: ClusterCore, nodes: tuple[NodeView, ...], at_ns: int) -> dict[str, Any]:
    """Who takes part, whose votes are to be had, and whether all are told the same."""
    situation, config = core.situation, core.situation.config
    witness = next((n for n in nodes if n.is_witness), None)
    healthy = {s.value for s in HEALTHY}
    reports = [peer.report for peer in situation.peers.values()]
    return {
        "nodes_online": sum(1 for n in nodes if not n.is_witness and n.state in healthy),
        "nodes_expected": len(config.nodes),
        "votes": situation.votes.present(at_ns),
        "votes_needed": config.majority,
        "is_quorate": situation.is_quorate(at_ns),
        "quorum": config.quorum.value,
        "witness": witness.name if witness else "",
        "witness_state": witness.state if witness else "",
        "config_digest": config.digest,
        "config_match": {r.config_digest for r in reports if r.config_digest} <= {config.digest},
        "version": core.speech.version,
        "version_match": {r.version for r in reports if r.version} <= {core.speech.version},
        "ping_targets": len(config.ping),
        "ping_reached": situation.votes.targets.reached if situation.votes.targets.is_known else -1,
    }


def _own_condition(core: ClusterCore, at_ns: int) -> dict[str, Any]:
    """This process: its timing, its stalls, and the maintenance that it knows of."""
    situation, timing = core.situation, core.situation.config.timing
    return {
        "maintenance": MaintenanceView(
            is_on=situation.in_maintenance(at_ns),
            left_s=max(0, situation.maintenance_end_ns - at_ns) // SECOND,
            why=situation.maintenance.why,
            who=situation.maintenance.who,
        ),
        "interval_ms": timing.interval_ns // MS,
        "lease_ms": timing.lease_ns // MS,
        "incarnation": f"{situation.incarnation:016x}",
        "is_abstaining": situation.seat.is_abstaining(at_ns),
        "pauses": situation.stalls.pauses,
        "stall_max_ms": situation.stalls.max_ms(at_ns),
        "stall_worst_ms": situation.stalls.worst_ms(at_ns),
        "stalls": situation.stalls.shown(at_ns),
    }


def judge_cluster(
    core: ClusterCore, groups: tuple[GroupView, ...], nodes: tuple[NodeView, ...], at_ns: int
) -> tuple[str, str]:
    """The overall state with its reason: down, at-risk, degraded or ok."""
    down = [g.name for g in groups if not g.owner and g.eligible_reason != "not in prefer"]
    if down:
        return "down", f"no Owner for {', '.join(down)}"
    if not core.situation.is_quorate(at_ns):
        return "at-risk", "no majority is heard from here"
    if trouble := report_pair.trouble(core.situation, core.fences, at_ns):
        return "at-risk", trouble
    alone = [g.name for g in groups if not g.candidates]
    if alone and core.situation.config.quorum is not Quorum.SINGLE:
        return "at-risk", f"no other Node can take {', '.join(alone)}"
    missing = [n.name for n in nodes if n.state not in ("online", "standby")]
    if missing:
        return "degraded", f"{', '.join(missing)}: not online"
    worse = [f"{g.name} {g.state}" for g in groups if g.state not in ("running", "moving")]
    if worse:
        return "degraded", ", ".join(worse)
    held = [f"{g.name} is held on {g.hold_node} and asks" for g in groups if g.hold != "none"]
    if held:
        return "degraded", ", ".join(held)
    return _judge_small_things(core, at_ns)


def _judge_small_things(core: ClusterCore, at_ns: int) -> tuple[str, str]:
    broken = [
        f"{watch.link} to {peer.voter.name} {watch.state(at_ns).value}"
        for peer in core.situation.peers.values()
        for watch in peer.links.values()
        if watch.state(at_ns) in (LinkState.DOWN, LinkState.ONE_WAY)
    ]
    if broken:
        return "degraded", ", ".join(broken)
    level, detail = report_pair.protection(core.situation, core.fences, at_ns)
    if level < Protection.KERNEL_LEASE:
        return "degraded", detail
    return "ok", ""


def _node(core: ClusterCore, index: int, at_ns: int) -> NodeView:
    situation = core.situation
    voter = situation.config.voters[index]
    if voter is situation.me:
        return _self_node(core, at_ns)
    peer = situation.peers[index]
    reported_ns = max(peer.reported_at_ns, peer.started_at_ns)
    blocked = next((g.reason for g in peer.report.groups if not g.is_eligible and g.group != REPORTER), "")
    is_here = peer.state in HEALTHY
    rtts = [w.rtt_ms() for w in peer.links.values() if w.rtt_ns >= 0]
    return NodeView(
        name=voter.name,
        is_self=False,
        is_witness=voter.is_witness,
        state=report_pair.node_state(core.fences, index, peer.state.value),
        age_ms=max(0, at_ns - reported_ns) // MS,
        eligible=is_here and not blocked and not voter.is_witness,
        eligible_reason=blocked if is_here else report_pair.node_state(core.fences, index, peer.state.value),
        groups_active=sum(1 for g in peer.report.groups if g.is_open and g.group != REPORTER)
        if is_here
        else 0,
        stall_max_ms=peer.report.stall_max_ms,
        uptime_s=peer.report.uptime_s,
        version=peer.report.version,
        config_digest=peer.report.config_digest,
        rtt_ms=min(rtts, default=-1.0),
    )


def _self_node(core: ClusterCore, at_ns: int) -> NodeView:
    situation = core.situation
    reasons = [r for t in core.tenures.values() if t.spec.name != REPORTER and (r := t.report(at_ns).reason)]
    state = NodeState.STANDBY if situation.is_standby else NodeState.ONLINE
    if not situation.me.is_witness and not situation.is_quorate(at_ns):
        reasons.insert(0, "no majority is heard")
    return NodeView(
        name=situation.me.name,
        is_self=True,
        is_witness=situation.me.is_witness,
        state=state.value,
        age_ms=0,
        eligible=not reasons and not situation.me.is_witness,
        eligible_reason=reasons[0] if reasons else "",
        groups_active=sum(1 for t in core.tenures.values() if t.runner.opened),
        stall_max_ms=situation.stalls.max_ms(at_ns),
        uptime_s=(at_ns - situation.started_at_ns) // SECOND,
        version=core.speech.version,
        config_digest=situation.config.digest,
    )


def _links(peer: Peer, at_ns: int) -> list[LinkView]:
    return [
        LinkView(
            peer=peer.voter.name,
            link=watch.link,
            state=watch.state(at_ns).value,
            loss_pct=round(watch.beats.loss_pct(at_ns), 1) if watch.is_heard(at_ns) else 100.0,
            rtt_ms=watch.rtt_ms(),
            jitter_ms=round(watch.jitter_ns / MS, 3),
            late=watch.late,
        )
        for watch in peer.links.values()
    ]


def owner_of(tenure: Tenure, at_ns: int) -> tuple[str, GroupState, Ballot]:
    """Who owns the group as far as this voter knows now: name, its state, Epoch. "" if nobody."""
    situation = tenure.situation
    if tenure.runner.is_owner and tenure.seeker.phase is Phase.HELD:
        return situation.me.name, tenure.runner.state, tenure.seeker.ballot
    claims = [
        (report.epoch, p.voter.name, report.state)
        for p in situation.node_peers
        if p.is_mutual(at_ns) and (report := p.group(tenure.spec.name)) and report.epoch != NO_BALLOT
    ]
    if claims:
        epoch, name, state = max(claims, key=lambda claim: claim[0])
        return name, state, epoch
    return _owner_by_hearsay(tenure, at_ns)


def _owner_by_hearsay(tenure: Tenure, at_ns: int) -> tuple[str, GroupState, Ballot]:
    """Whom the voters name that still hold a grant, when the Owner itself is not heard."""
    situation = tenure.situation
    held = situation.seat.held(tenure.spec.name, at_ns)
    told = tenure.seeker.holder(at_ns)
    owner, epoch = (told[0], told[1]) if told else (held[0], held[1]) if held else (-1, NO_BALLOT)
    if owner in (-1, situation.me.index):
        return "", tenure.runner.state, NO_BALLOT
    if any(p.voter.index == owner and p.is_mutual(at_ns) for p in situation.node_peers):
        # It is heard and claims nothing: the grant is what a lost race left behind with a minority.
        return "", GroupState.STOPPED, NO_BALLOT
    return situation.config.voters[owner].name, GroupState.RUNNING, epoch


def holders(tenure: Tenure, at_ns: int) -> int:
    """How many Nodes say that they have the group's addresses open."""
    peers = [p for p in tenure.situation.node_peers if p.is_mutual(at_ns)]
    return bool(tenure.runner.opened) + sum(1 for p in peers if _has_open(tenure, p))


def _has_open(tenure: Tenure, peer: Peer) -> bool:
    """Whether it says so, and can know of the highest Epoch that is known here.

    What was said under a lower Epoch and comes late, or as a guard's last word, is of the past: "two Owners"
    is told only of a Node that has heard from here since then and still has its addresses open.
    """
    report, passage = peer.group(tenure.spec.name), tenure.passage
    if report is None or not report.is_open:
        return False
    is_held = tenure.seeker.phase is Phase.HELD
    known, since_ns = passage.epoch, passage.epoch_since_ns
    if is_held and tenure.seeker.ballot > known:
        known, since_ns = tenure.seeker.ballot, passage.won_ns
    return report.epoch >= known or peer.report_echo_ns > since_ns


def _group(core: ClusterCore, tenure: Tenure, at_ns: int) -> GroupView:
    situation = core.situation
    owner, state, epoch = owner_of(tenure, at_ns)
    own = tenure.report(at_ns)
    able = [p.voter.name for p in tenure.candidates()] + ([situation.me.name] if own.is_eligible else [])
    candidates = tuple(n for n in tenure.spec.prefer if n in able and n != owner)
    is_held = tenure.seeker.phase is Phase.HELD
    due_ns = tenure.failback.due_ns() if is_held else None
    margins = [m for at, m in tenure.margins if at_ns - at < 60 * SECOND]
    note = core.transitions.get(tenure.spec.name)
    return GroupView(
        name=tenure.spec.name,
        state=state.value,
        owner=owner,
        owners=holders(tenure, at_ns) if tenure.runner.addresses else int(bool(owner)),
        preferred=not owner or owner == tenure.spec.prefer[0],
        candidates=candidates,
        eligible=own.is_eligible,
        eligible_reason=own.reason,
        epoch=_epoch_text(epoch),
        lease_left_ms=max(0, tenure.seeker.end_ns - at_ns) // MS if is_held else -1,
        renewal_margin_pct=min(margins, default=-1) if is_held else -1,
        failback=tenure.spec.failback.kind.value,
        failback_pending=tenure.failback.is_pending,
        failback_eta_s=max(0, due_ns - at_ns) // SECOND if due_ns is not None else -1,
        moves_1h=tenure.history.count(3600 * SECOND, at_ns),
        last=_transition(note) if note else TransitionView(),
        addresses=tuple(_address(core, tenure, name, at_ns) for name in tenure.runner.addresses),
        resources=tuple(_resource(r, at_ns) for r in tenure.runner.records.values() if not r.is_address),
        explain=tuple(explain(core, tenure, owner, candidates, at_ns)),
        unasked_1h=tenure.history.count(3600 * SECOND, at_ns, only_unasked=True),
        hold=tenure.holding.note.hold.value,
        hold_node=tenure.holding.node,
        hold_s=(at_ns - tenure.holding.since_ns) // SECOND if tenure.holding.is_held else 0,
    )


def _epoch_text(epoch: Ballot) -> str:
    return f"{epoch.counter}.{epoch.node}.{epoch.incarnation:x}" if epoch != NO_BALLOT else ""


def _transition(note: TransitionNote) -> TransitionView:
    return TransitionView(
        ident=note.ident,
        group=note.group,
        at_ns=note.at_ns,
        kind=note.kind,
        cause=note.cause,
        sentence=note.sentence,
        node_from=note.node_from,
        node_to=note.node_to,
        epoch=note.epoch,
        phases_ms=dict(note.phases_ms),
    )


def _address(core: ClusterCore, tenure: Tenure, name: str, at_ns: int) -> AddressView:
    is_open = name in tenure.runner.opened
    return AddressView(
        name=name,
        holders=holders(tenure, at_ns),
        device="",
        is_present=is_open,
        is_open=is_open,
        duplicate_mac=core.duplicates.get(name, ""),
        competing=core.competing.get(name, 0),
        announcements=0,
    )


def _resource(record: ResourceRecord, at_ns: int) -> ResourceView:
    return ResourceView(
        name=record.spec.name,
        kind=record.spec.kind.value,
        run=record.spec.run.value,
        state=record.state.value,
        detail=record.detail,
        since_s=(at_ns - record.since_ns) // SECOND,
        start_ms=record.start_ms,
        stop_ms=record.stop_ms,
        stop_failed=record.stop_failed,
        failures=record.failures,
    )
