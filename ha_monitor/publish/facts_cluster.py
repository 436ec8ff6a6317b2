"""Facts about the cluster and its Witness, told on the cluster's host by the reporter."""

from __future__ import annotations

from ha_monitor.publish.declare import Above, Below, Fact, Is, Kind, Rose, Service, Subject
from ha_monitor.publish.scopes import CLUSTER, witness_node
from ha_monitor.publish.shapes import (
    BAD,
    GRAVE,
    MILD,
    NOTED,
    POOR,
    WORST,
    alarm,
    counter,
    flag,
    number,
    state,
    words,
)
from ha_monitor.publish.words import CLUSTER_STATES, NODE_STATES, word_of


def _cluster_says(s: Subject) -> str:
    v = s.view
    return (
        f"{v.nodes_online} of {v.nodes_expected} Nodes online, {v.votes} votes of {v.votes_needed} needed,"
        f" told by {v.self_name}"
    )


def _witness_says(s: Subject) -> str:
    return f"{s.view.witness} is {s.view.witness_state}" if s.view.witness else "none is configured"


def _mode_says(s: Subject) -> str:
    m = s.view.maintenance
    if not m.is_on:
        return "automatic"
    who, why = m.who or "somebody", m.why or "no reason given"
    return f"maintenance for another {m.left_s // 60} min, ordered by {who}: {why}"


HA_CLUSTER = Service("HA cluster", CLUSTER, _cluster_says, is_parent=True)
HA_PROTECTION = Service("HA protection", CLUSTER, lambda s: s.view.protection_detail)
HA_CONFIG = Service("HA config", CLUSTER, lambda s: f"same files ({s.view.config_digest[:8]}) and versions")
HA_MODE = Service("HA mode", CLUSTER, _mode_says)
HA_WITNESS = Service("HA witness", CLUSTER, _witness_says)

CLUSTER_FACTS: tuple[Fact, ...] = (
    state(
        "ha.cluster.state",
        HA_CLUSTER,
        "State",
        "The cluster in one word: ok; degraded: something that would be needed for a Takeover is missing;"
        " at-risk: the next failure stops a group; down: a group is served by nobody.",
        "HA cluster state",
        lambda s: s.view.state,
        alarm(
            Is(CLUSTER_STATES["down"]),
            "a group is served by nobody",
            WORST,
            "Run `ha-monitor status` on any Node: it names the group and why no Node may own it.",
            hold_s=30,
        ),
        alarm(
            Is(CLUSTER_STATES["at-risk"]),
            "the next failure stops a group",
            GRAVE,
            "Bring back the Node or the Witness that `ha-monitor status` shows as missing.",
            hold_s=30,
        ),
        alarm(
            Is(CLUSTER_STATES["degraded"]),
            "degraded",
            MILD,
            "`ha-monitor status` names what is missing.",
            hold_s=30,
        ),
    ),
    words(
        "ha.cluster.state.reason",
        HA_CLUSTER,
        "Reason of the state",
        "Why the cluster is not simply ok.",
        lambda s: s.view.state_reason or "none",
        kind=Kind.TEXT,
    ),
    number(
        "ha.cluster.nodes.online",
        HA_CLUSTER,
        "Nodes online",
        "Nodes that the reporter hears and that are neither lost nor stopped.",
        "nodes",
        lambda s: s.view.nodes_online,
        alarm(
            Below(1),
            "no Node is online",
            WORST,
            "Start a Node. This is told by the Witness: if Nodes do run, look at the network between.",
            hold_s=30,
        ),
        alarm(
            Below("ha.cluster.nodes.expected"),
            "a Node is missing",
            POOR,
            "`ha-monitor status` shows which Node is missing and since when; start it or look at its Links.",
            hold_s=30,
        ),
        is_state=True,
    ),
    number(
        "ha.cluster.nodes.expected",
        HA_CLUSTER,
        "Nodes expected",
        "Nodes that the configuration names.",
        "expected",
        lambda s: s.view.nodes_expected,
    ),
    flag(
        "ha.cluster.quorate",
        HA_CLUSTER,
        "Majority of voters",
        "Whether a majority of voters answers, so that Leases can be granted.",
        "quorate",
        lambda s: s.view.is_quorate,
        alarm(
            Below(1),
            "no majority of voters",
            BAD,
            "Without a majority nobody may own a group. Bring back a Node or the Witness.",
            hold_s=30,
        ),
    ),
    number(
        "ha.cluster.votes",
        HA_CLUSTER,
        "Votes present",
        "Voters (Nodes and Witness) that answer.",
        "votes",
        lambda s: s.view.votes,
        alarm(
            Below("ha.cluster.votes.needed"),
            "too few votes",
            BAD,
            "Bring back a Node or the Witness.",
            hold_s=30,
        ),
    ),
    number(
        "ha.cluster.votes.needed",
        HA_CLUSTER,
        "Votes needed",
        "More than half of the configured voters.",
        "needed",
        lambda s: s.view.votes_needed,
    ),
    words(
        "ha.cluster.reporter",
        HA_CLUSTER,
        "Reporter",
        "Who tells these facts: the holder of the Lease _reporter, or the Witness while no Node is online.",
        lambda s: s.view.self_name,
    ),
    counter(
        "ha.cluster.reporter.changes",
        HA_CLUSTER,
        "Changes of the reporter",
        "How often the reporter changed since its daemon started.",
        "reporter_changes",
        lambda s: s.view.reporter_changes,
        alarm(
            Rose(20, 3600),
            "the reporter changes often",
            MILD,
            "Nodes lose their Leases: look at loss and stalls of the Nodes.",
        ),
    ),
    state(
        "ha.cluster.protection",
        HA_PROTECTION,
        "Protection",
        "How far the promise of at most one Owner is enforced on the reporter's host.",
        "HA protection",
        lambda s: word_of("HA protection", s.view.protection),
        alarm(
            Below(1),
            "best effort only",
            POOR,
            "In quorum mode ping this stays. Else install nftables and the kernel's nf_tables; see"
            " `ha-monitor check`.",
            hold_s=30,
        ),
        alarm(
            Below(2),
            "the kernel does not enforce the Lease",
            MILD,
            "Install nftables and the kernel's nf_tables; see `ha-monitor check`.",
            hold_s=30,
        ),
        label="level",
    ),
    words(
        "ha.cluster.protection.text",
        HA_PROTECTION,
        "Promise and condition",
        "What the quorum mode promises and under which condition, and what is missing for it.",
        lambda s: s.view.protection_detail,
        kind=Kind.TEXT,
    ),
    words(
        "ha.cluster.quorum",
        HA_PROTECTION,
        "Quorum mode",
        "Whose votes decide: witness, majority, fencing, ping or single.",
        lambda s: s.view.quorum or "witness",
    ),
    flag(
        "ha.cluster.config.match",
        HA_CONFIG,
        "Configuration identical",
        "Whether all voters that answer have the same cluster.toml in force.",
        "match",
        lambda s: s.view.config_match,
        alarm(
            Below(1),
            "the Nodes' configurations differ",
            MILD,
            "Copy /etc/ha-monitor/cluster.toml to all hosts and run `ha-monitor restart` where it is old.",
            hold_s=300,
        ),
    ),
    flag(
        "ha.cluster.version.match",
        HA_CONFIG,
        "Versions identical",
        "Whether all voters that answer run the same version.",
        "versions",
        lambda s: s.view.version_match,
        alarm(Below(1), "versions differ", MILD, "Finish the upgrade on all hosts.", hold_s=86_400),
    ),
    words(
        "ha.cluster.config.digest",
        HA_CONFIG,
        "Configuration digest",
        "A digest of what must be the same on all hosts.",
        lambda s: s.view.config_digest,
    ),
    flag(
        "ha.cluster.maintenance",
        HA_MODE,
        "Maintenance",
        "Whether an operator ordered maintenance of the cluster: nothing is moved or restarted by itself.",
        "maint",
        lambda s: s.view.maintenance.is_on,
        alarm(Above(0), "maintenance", NOTED, "It ends by itself, or with `ha-monitor maintenance off`."),
    ),
    number(
        "ha.cluster.maintenance.left",
        HA_MODE,
        "Maintenance left",
        "Time until maintenance ends by itself.",
        "maint_left",
        lambda s: s.view.maintenance.left_s,
        unit="s",
    ),
    state(
        "ha.witness.state",
        HA_WITNESS,
        "Witness",
        "The Witness as the reporter sees it. Losing it alone stops nothing, but then no Node may fail.",
        "HA node state",
        lambda s: s.view.witness_state if s.view.witness else "",
        alarm(
            Is(NODE_STATES["lost"]),
            "the Witness is lost",
            POOR,
            "Start `ha-monitor witness` on its host, or look at the network. Until then a Node that fails"
            " takes the service with it.",
            hold_s=120,
        ),
        alarm(
            Is(NODE_STATES["stopped"]),
            "the Witness is stopped",
            POOR,
            "Start `ha-monitor witness` on its host. Until then a Node that fails takes the service with it.",
            hold_s=120,
        ),
        alarm(
            Is(NODE_STATES["joining"]),
            "the Witness was never heard",
            POOR,
            "Start `ha-monitor witness` on its host, or look at the network and the key.",
            hold_s=120,
        ),
        label="state",
    ),
    number(
        "ha.witness.rtt",
        HA_WITNESS,
        "Round trip to the Witness",
        "Round trip of heartbeats between the reporter and the Witness.",
        "rtt",
        lambda s: w.rtt_ms if (w := witness_node(s.view)) else None,
        alarm(Above(200), "slow answers", MILD, "Look at the network to the Witness.", hold_s=300),
        unit="ms",
        kind=Kind.FLOAT,
    ),
)
