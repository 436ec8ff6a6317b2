"""Facts about ResourceGroups and their service addresses, told on the cluster's host by the reporter."""

from __future__ import annotations

from ha_monitor.publish.declare import Above, Below, Fact, Is, Kind, Service, Subject, safe_name
from ha_monitor.publish.scopes import GROUP, VIP
from ha_monitor.publish.shapes import BAD, GRAVE, MILD, POOR, SICK, WORST, alarm, flag, number, state, words
from ha_monitor.publish.words import GROUP_HOLDS, GROUP_STATES

HOLD_WORDS = {"none": "no", "moves": "held, asks", "livelock": "frozen, asks"}
PHASES = ("detect", "decide", "stop", "start")


def _group_says(s: Subject) -> str:
    g = s.row
    if not g.owner:
        return f"{g.state}, owned by nobody"
    candidates = ", ".join(g.candidates) or "nobody"
    held = "" if g.hold == "none" else f", {HOLD_WORDS[g.hold].replace(',', f' on {g.hold_node} and')}"
    return f"{g.state} on {g.owner}, could be taken over by {candidates}{held}"


def _phase(name: str) -> Fact:
    return number(
        "ha.group.phase",
        HA_GROUP,
        f"Last transition, {name}",
        f"How long the last change of Owner took for: {name}.",
        name,
        lambda s: s.row.last.phases_ms.get(name),
        unit="ms",
        kind=Kind.FLOAT,
        args=(name,),
    )


HA_GROUP = Service("HA group {}", GROUP, _group_says)
HA_VIP = Service("HA vip {}", VIP, lambda s: f"of {s.group.name}, open on {s.group.owner or 'no Node'}")

GROUP_FACTS: tuple[Fact, ...] = (
    state(
        "ha.group.state",
        HA_GROUP,
        "State",
        "What the group does on its Owner; stopped when nobody owns it.",
        "HA group state",
        lambda s: s.row.state,
        alarm(
            Is(GROUP_STATES["blocked"]),
            "blocked: a stop failed",
            BAD,
            "Nobody starts it until an operator looked: stop the Resource by hand, then clear the block.",
        ),
        alarm(
            Is(GROUP_STATES["failed"]),
            "could not be started",
            BAD,
            "`ha-monitor explain GROUP` names the Resource; its own log says more.",
        ),
        alarm(
            Is(GROUP_STATES["degraded"]),
            "served, but a Resource failed",
            SICK,
            "`ha-monitor explain GROUP` names the Resource.",
        ),
    ),
    words(
        "ha.group.owner",
        HA_GROUP,
        "Owner",
        "The Node that holds the group's Lease.",
        lambda s: s.row.owner or "nobody",
    ),
    number(
        "ha.group.owners",
        HA_GROUP,
        "Owners",
        "How many Nodes say that they own it. Must be one.",
        "owners",
        lambda s: s.row.owners,
        alarm(
            Above(1),
            "more than one Node says that it owns it",
            WORST,
            "Must never happen. Take the address off one of the Nodes by hand and keep both logs.",
        ),
        alarm(
            Below(1),
            "nobody owns it",
            WORST,
            "`ha-monitor explain GROUP` says why no Node takes it.",
            hold_s=60,
        ),
        is_state=True,
    ),
    flag(
        "ha.group.preferred",
        HA_GROUP,
        "On its preferred Node",
        "Whether the Owner is the first of the group's preferred Nodes.",
        "preferred",
        lambda s: s.row.preferred if s.row.owner else None,
    ),
    number(
        "ha.group.candidates",
        HA_GROUP,
        "Candidates",
        "How many other Nodes could take it over now.",
        "candidates",
        lambda s: None if s.view.quorum == "single" else len(s.row.candidates),
        alarm(
            Below(1),
            "no other Node could take it over",
            GRAVE,
            "See `HA standby ready` of the other Nodes.",
            hold_s=60,
        ),
        is_state=True,
    ),
    words(
        "ha.group.epoch",
        HA_GROUP,
        "Epoch",
        "The fencing token of the present ownership: counter, Node, incarnation.",
        lambda s: s.row.epoch or None,
    ),
    number(
        "ha.group.moves",
        HA_GROUP,
        "Transitions in the last hour",
        "How often the Owner changed within an hour, ordered or not.",
        "moves_1h",
        lambda s: s.row.moves_1h,
        args=("1h",),
    ),
    number(
        "ha.group.moves.unasked",
        HA_GROUP,
        "Transitions that nobody ordered in the last hour",
        "How often a failure or a Failback changed the Owner within an hour.",
        "unasked_1h",
        lambda s: s.row.unasked_1h,
        alarm(Above(4), "changes its Owner again and again", BAD, "Look at the causes in HA event."),
        alarm(Above(2), "changed its Owner repeatedly", MILD, "Look at the causes in HA event."),
        args=("1h",),
    ),
    state(
        "ha.group.flap.held",
        HA_GROUP,
        "Held",
        "Whether it stays where it is because it moved too often (held), or because Nodes passed it round and"
        " none served it (frozen). It asks an operator.",
        "HA group hold",
        lambda s: HOLD_WORDS[s.row.hold],
        alarm(
            Is(GROUP_HOLDS["frozen, asks"]),
            "passed round by Nodes that cannot serve it, frozen on one of them",
            BAD,
            "`ha-monitor explain GROUP`; mend the cause, then `ha-monitor clear GROUP` or `switch GROUP`.",
        ),
        alarm(
            Is(GROUP_HOLDS["held, asks"]),
            "moved too often, held where it is",
            POOR,
            "`ha-monitor explain GROUP`; mend the cause, then `ha-monitor clear GROUP` or `switch GROUP`.",
        ),
        label="held",
    ),
    flag(
        "ha.group.failback.pending",
        HA_GROUP,
        "Failback pending",
        "Whether it will go back to its preferred Node by itself.",
        "failback_pending",
        lambda s: s.row.failback_pending,
    ),
    number(
        "ha.group.failback.eta",
        HA_GROUP,
        "Failback in",
        "When it will go back to its preferred Node, if that Node stays healthy.",
        "failback",
        lambda s: s.row.failback_eta_s if s.row.failback_pending else None,
        unit="s",
    ),
    state(
        "ha.group.last.kind",
        HA_GROUP,
        "Last transition, kind",
        "How the last change of Owner is to be read.",
        "HA transition kind",
        lambda s: s.row.last.kind,
        label="",
    ),
    words(
        "ha.group.last.cause",
        HA_GROUP,
        "Last transition, cause",
        "Cause code and sentence of the last change of Owner.",
        lambda s: f"{s.row.last.cause}: {s.row.last.sentence}" if s.row.last.cause else None,
        kind=Kind.TEXT,
    ),
    number(
        "ha.group.rto",
        HA_GROUP,
        "Last transition, total",
        "From the last sign of the old Owner to the opening of the addresses at the new one.",
        "rto",
        lambda s: s.row.last.phases_ms["total"] / 1000 if "total" in s.row.last.phases_ms else None,
        unit="s",
        kind=Kind.FLOAT,
    ),
    *(_phase(name) for name in PHASES),
)

VIP_FACTS: tuple[Fact, ...] = (
    number(
        "ha.vip.holders",
        HA_VIP,
        "Holders",
        "How many Nodes say that they have the address open. Must be one.",
        "holders",
        lambda s: s.row.holders,
        alarm(
            Above(1),
            "open on more than one Node",
            WORST,
            "Must never happen. Take the address off one of the Nodes by hand and keep both logs.",
        ),
        alarm(
            Below(1),
            "open on no Node",
            BAD,
            "See the group: `ha-monitor explain GROUP`.",
            hold_s=60,
        ),
        is_state=True,
    ),
    words(
        "ha.vip.group",
        HA_VIP,
        "Group",
        "The ResourceGroup that the address belongs to.",
        lambda s: safe_name(s.group.name),
    ),
)
