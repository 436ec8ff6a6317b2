"""Facts about a Node's own Links, groups, addresses and Resources, told on the Node's host."""

from __future__ import annotations

from ha_monitor.publish.declare import Above, Below, Fact, Is, Kind, Rose, Service, Subject
from ha_monitor.publish.scopes import ADDRESS, LINK, OWN_GROUP, PEER, RESOURCE
from ha_monitor.publish.shapes import BAD, GRAVE, MILD, POOR, SICK, alarm, counter, flag, number, state, words
from ha_monitor.publish.words import LINK_STATES, RESOURCE_STATES


def _up(s: Subject) -> int:
    # One that is late still is up; a one-way Link is not.
    return sum(link.state in {"up", "late"} for link in s.row)


def _link_says(s: Subject) -> str:
    rtt = f", round trip {s.row.rtt_ms:.1f} ms" if s.row.rtt_ms >= 0 else ""
    return f"{s.row.state}{rtt}, loss {max(s.row.loss_pct, 0):.1f} %"


def _owns(s: Subject) -> bool:
    return bool(s.group.owner == s.view.self_name)


def _group_says(s: Subject) -> str:
    if _owns(s):
        return f"{s.row.state} here"
    ready = (
        "ready to take it over" if s.row.eligible else (s.row.eligible_reason or "not ready to take it over")
    )
    return f"{ready}, owned by {s.row.owner or 'nobody'}"


def _address_says(s: Subject) -> str:
    if s.row.is_open:
        return f"open on {s.row.device}, announced {s.row.announcements} times"
    return "closed here"


def _is_absent(s: Subject) -> bool:
    must_run = s.row.run == "everywhere" or (_owns(s) and s.group.state == "running")
    return must_run and s.row.state == "stopped"


def _is_foreign(s: Subject) -> bool:
    return s.row.run == "owner" and not _owns(s) and s.row.state == "running"


def _resource_says(s: Subject) -> str:
    return f"{s.row.state}{' (' + s.row.detail + ')' if s.row.detail else ''}, {s.row.kind} of {s.group.name}"


HA_LINKS = Service("HA links {}", PEER, lambda s: f"{_up(s)} of {len(s.row)} Links up")
HA_LINK = Service("HA link {} {}", LINK, _link_says)
HA_GROUP_SELF = Service("HA group {}", OWN_GROUP, _group_says)
HA_ADDRESS = Service("HA vip {}", ADDRESS, _address_says)
HA_RESOURCE = Service("HA res {}", RESOURCE, _resource_says)

LINK_FACTS: tuple[Fact, ...] = (
    number(
        "ha.links.up",
        HA_LINKS,
        "Links up",
        "Links to this peer that carry heartbeats both ways.",
        "up",
        _up,
        alarm(
            Below(1), "no Link is up", BAD, "Look at the peer first, then at cables and switches.", hold_s=10
        ),
        alarm(
            Below("ha.links.configured"),
            "a Link is missing",
            MILD,
            "`HA link` names it: look at its cable, switch and firewall.",
            hold_s=60,
        ),
        is_state=True,
    ),
    number(
        "ha.links.configured",
        HA_LINKS,
        "Links configured",
        "Links to this peer that the configuration names.",
        "configured",
        lambda s: len(s.row),
    ),
    flag(
        "ha.link.oneway",
        HA_LINKS,
        "One-way Link",
        "Whether a Link to this peer carries packets in one direction only.",
        "oneway",
        lambda s: any(link.state == "one-way" for link in s.row),
        alarm(
            Above(0),
            "a Link carries one way only",
            POOR,
            "Look at firewalls and at the switch port.",
            hold_s=60,
        ),
    ),
    state(
        "ha.link.state",
        HA_LINK,
        "State",
        "What the Link carries.",
        "HA link state",
        lambda s: s.row.state,
        alarm(Is(LINK_STATES["down"]), "down", POOR, "Look at the cable, the switch, the peer.", hold_s=10),
        alarm(
            Is(LINK_STATES["one-way"]),
            "heard, but not heard by the peer",
            POOR,
            "Look at firewalls.",
            hold_s=60,
        ),
        alarm(
            Is(LINK_STATES["unknown"]),
            "nothing heard since start",
            POOR,
            "Look at address and key.",
            hold_s=120,
        ),
        alarm(Is(LINK_STATES["late"]), "heartbeats are late", MILD, "Look at loss and load.", hold_s=60),
    ),
    number(
        "ha.link.loss",
        HA_LINK,
        "Loss",
        "Heartbeats lost within the last minute.",
        "loss",
        lambda s: s.row.loss_pct,
        alarm(
            Above(20),
            "loses very many packets",
            SICK,
            "Look at the cable and the switch's counters.",
            hold_s=120,
        ),
        alarm(Above(5), "loses packets", MILD, "Look at the cable and the switch's counters.", hold_s=120),
        unit="%",
        kind=Kind.FLOAT,
    ),
    number(
        "ha.link.rtt",
        HA_LINK,
        "Round trip",
        "Round trip of heartbeats.",
        "rtt",
        lambda s: s.row.rtt_ms,
        alarm(Above(200), "very slow", SICK, "Look at load of the network and of both hosts.", hold_s=60),
        alarm(Above(50), "slow", MILD, "Look at load of the network and of both hosts.", hold_s=60),
        unit="ms",
        kind=Kind.FLOAT,
    ),
    number(
        "ha.link.jitter",
        HA_LINK,
        "Jitter",
        "How much the round trip varies.",
        "jitter",
        lambda s: s.row.jitter_ms,
        unit="ms",
        kind=Kind.FLOAT,
    ),
    counter(
        "ha.link.late",
        HA_LINK,
        "Late heartbeats",
        "Heartbeats that came later than they should, but before the Link counted as silent.",
        "late",
        lambda s: s.row.late,
        alarm(
            Rose(300, 600), "many heartbeats are late", MILD, "The peer stalls, or the network is overloaded."
        ),
    ),
)

OWN_GROUP_FACTS: tuple[Fact, ...] = (
    flag(
        "ha.group.own",
        HA_GROUP_SELF,
        "Owned here",
        "Whether this Node says that it owns the group. The sum over the Nodes must be one.",
        "own",
        _owns,
    ),
    flag(
        "ha.group.eligible",
        HA_GROUP_SELF,
        "Could be taken over here",
        "Whether this Node could own the group now.",
        "eligible",
        lambda s: s.row.eligible,
    ),
    words(
        "ha.group.eligible.reason",
        HA_GROUP_SELF,
        "Why not",
        "What keeps this Node from owning the group.",
        lambda s: s.row.eligible_reason or "none",
    ),
    number(
        "ha.group.lease.left",
        HA_GROUP_SELF,
        "Renewal margin",
        "Least part of the Lease that was left at a renewal within the last minute; on the Owner only.",
        "left",
        lambda s: s.row.renewal_margin_pct if _owns(s) else None,
        alarm(
            Below(15), "almost lost its Lease", BAD, "Look at loss of the Links and at stalls of the voters."
        ),
        alarm(
            Below(30), "renews its Lease late", MILD, "Look at loss of the Links and at stalls of the voters."
        ),
        unit="%",
    ),
)

ADDRESS_FACTS: tuple[Fact, ...] = (
    flag(
        "ha.vip.open",
        HA_ADDRESS,
        "Open here",
        "Whether packets for the address pass on this Node.",
        "open",
        lambda s: s.row.is_open,
    ),
    flag(
        "ha.vip.present",
        HA_ADDRESS,
        "Present here",
        "Whether the address stands on a device of this Node.",
        "present",
        lambda s: s.row.is_present,
    ),
    flag(
        "ha.vip.duplicate",
        HA_ADDRESS,
        "Duplicate address",
        "Whether a host outside the cluster answers for the address.",
        "dup",
        lambda s: bool(s.row.duplicate_mac),
        alarm(
            Above(0),
            "another host has this address",
            BAD,
            "The text names its MAC: take that host off the net.",
        ),
    ),
    words(
        "ha.vip.duplicate.mac",
        HA_ADDRESS,
        "Duplicate address, MAC",
        "Who answers for the address.",
        lambda s: s.row.duplicate_mac or "none",
    ),
    counter(
        "ha.vip.competing",
        HA_ADDRESS,
        "Competing claims heard",
        "Announcements of the address by hosts outside the cluster.",
        "competing",
        lambda s: s.row.competing,
        alarm(Rose(0, 600), "another host claims this address", GRAVE, "Find it by its MAC in the journal."),
    ),
    counter(
        "ha.vip.announcements",
        HA_ADDRESS,
        "Announcements sent",
        "Gratuitous ARP and unsolicited neighbour advertisements sent.",
        "announced",
        lambda s: s.row.announcements,
    ),
)

RESOURCE_FACTS: tuple[Fact, ...] = (
    state(
        "ha.res.state",
        HA_RESOURCE,
        "State",
        "What the Resource's agent says on this Node.",
        "HA resource state",
        lambda s: s.row.state,
        alarm(
            Is(RESOURCE_STATES["blocked"]), "its stop failed", BAD, "Stop it by hand, then clear the block."
        ),
        alarm(Is(RESOURCE_STATES["failed"]), "failed", POOR, "Its own log says why."),
        alarm(
            Is(RESOURCE_STATES["unknown"]),
            "its agent does not answer",
            MILD,
            "Run its status by hand.",
            hold_s=60,
        ),
    ),
    flag(
        "ha.res.absent",
        HA_RESOURCE,
        "Stopped though it must run",
        "Whether it is stopped where the configuration wants it to run.",
        "absent",
        _is_absent,
        alarm(Above(0), "stopped though it must run", POOR, "Its own log says why.", hold_s=60),
    ),
    flag(
        "ha.res.foreign",
        HA_RESOURCE,
        "Runs where it must not",
        "Whether it runs on a Node that does not own its group.",
        "foreign",
        _is_foreign,
        alarm(
            Above(0), "runs where it must not", BAD, "Disable its automatic start; stop it here.", hold_s=60
        ),
    ),
    number(
        "ha.res.fails",
        HA_RESOURCE,
        "Failures",
        "How often it failed lately.",
        "fails",
        lambda s: s.row.failures,
        alarm(Above(2), "fails again and again", MILD, "Its own log says why."),
    ),
    number(
        "ha.res.start.time",
        HA_RESOURCE,
        "Time of the last start",
        "How long its last start took.",
        "start",
        lambda s: s.row.start_ms / 1000 if s.row.start_ms >= 0 else None,
        unit="s",
        kind=Kind.FLOAT,
    ),
    number(
        "ha.res.stop.time",
        HA_RESOURCE,
        "Time of the last stop",
        "How long its last stop took.",
        "stop",
        lambda s: s.row.stop_ms / 1000 if s.row.stop_ms >= 0 else None,
        unit="s",
        kind=Kind.FLOAT,
    ),
    flag(
        "ha.res.stop.failed",
        HA_RESOURCE,
        "Stop failed",
        "Whether its last stop failed, which blocks the group.",
        "stopfail",
        lambda s: s.row.stop_failed,
        alarm(Above(0), "its last stop failed", BAD, "Stop it by hand, then clear the block."),
    ),
    words(
        "ha.res.detail",
        HA_RESOURCE,
        "Agent's answer",
        "First line of what its agent said.",
        lambda s: s.row.detail or "none",
        is_state=False,
    ),
)
