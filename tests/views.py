"""Views for tests: a healthy pair with its Witness, and ways to spoil it with `dataclasses.replace`."""

from __future__ import annotations

from dataclasses import replace

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

T0_NS = 1_700_000_000_000_000_000

STARTED = TransitionView(
    ident="pub2-1-1",
    group="www",
    at_ns=T0_NS - 5_000_000_000,
    kind="planned",
    cause="cluster-started",
    sentence="www started on pub2: the cluster started",
    node_to="pub2",
    epoch="1.0.1",
)


def node(name: str, is_self: bool = False, **changes) -> NodeView:
    fresh = NodeView(
        name=name,
        is_self=is_self,
        is_witness=name == "mon",
        state="online",
        age_ms=0 if is_self else 60,
        eligible=name != "mon",
        eligible_reason="",
        groups_active=0,
        stall_max_ms=3,
        uptime_s=5,
        version="0.1.0",
        config_digest="0123456789abcdef",
        rtt_ms=-1.0 if is_self else 0.3,
    )
    return replace(fresh, **changes)


def link(peer: str, name: str) -> LinkView:
    return LinkView(peer=peer, link=name, state="up", loss_pct=0.0, rtt_ms=0.3, jitter_ms=0.1, late=0)


ADDRESS = AddressView(
    name="192.0.2.100",
    holders=1,
    device="eth0",
    is_present=True,
    is_open=True,
    duplicate_mac="",
    competing=0,
    announcements=4,
)

RESOURCE = ResourceView(
    name="nginx",
    kind="command",
    run="everywhere",
    state="running",
    detail="",
    since_s=5,
    start_ms=40,
    stop_ms=-1,
    stop_failed=False,
    failures=0,
)

GROUP = GroupView(
    name="www",
    state="running",
    owner="pub2",
    owners=1,
    preferred=True,
    candidates=("pub3",),
    eligible=True,
    eligible_reason="",
    epoch="1.0.1",
    lease_left_ms=930,
    renewal_margin_pct=88,
    failback="never",
    failback_pending=False,
    failback_eta_s=-1,
    moves_1h=0,
    last=STARTED,
    addresses=(ADDRESS,),
    resources=(RESOURCE,),
    explain=("pub2 owns www: it is preferred",),
)


def healthy(self_name: str = "pub2") -> View:
    """What `self_name` sees five seconds after the start of a pair with a Witness."""
    is_owner = self_name == "pub2"
    address = ADDRESS if is_owner else replace(ADDRESS, device="", is_present=False, is_open=False)
    group = replace(GROUP, addresses=(address,), lease_left_ms=930 if is_owner else -1)
    if self_name == "mon":
        group = replace(group, addresses=(), resources=(), eligible=False, eligible_reason="a Witness")
    links = {
        "pub2": (link("pub3", "lan"), link("pub3", "direct"), link("mon", "lan")),
        "pub3": (link("pub2", "lan"), link("pub2", "direct"), link("mon", "lan")),
        "mon": (link("pub2", "lan"), link("pub3", "lan")),
    }
    return View(
        cluster="web",
        self_name=self_name,
        role="witness" if self_name == "mon" else "node",
        state="ok",
        state_reason="",
        protection=2,
        protection_detail="at most one Owner",
        nodes_online=2,
        nodes_expected=2,
        votes=3,
        votes_needed=2,
        is_quorate=True,
        witness="mon",
        witness_state="online",
        config_digest="0123456789abcdef",
        config_match=True,
        version="0.1.0",
        version_match=True,
        reporter="pub2",
        reporter_changes=0,
        maintenance=MaintenanceView(False, 0, "", ""),
        interval_ms=100,
        lease_ms=1000,
        incarnation="1",
        is_abstaining=False,
        pauses=0,
        stall_max_ms=3,
        nodes=tuple(
            node(name, name == self_name, groups_active=int(name == "pub2"))
            for name in ("pub2", "pub3", "mon")
        ),
        links=links[self_name],
        groups=(group,),
        is_realtime=True,
        stamp_ns=T0_NS,
    )
