"""Facts about each Node as the reporter sees it, told on the cluster's host."""

from __future__ import annotations

from ha_monitor.publish.declare import Above, Fact, Is, Kind, Service, Subject
from ha_monitor.publish.facts_node import readiness
from ha_monitor.publish.scopes import NODE, is_ready
from ha_monitor.publish.shapes import BAD, MILD, POOR, SICK, alarm, number, state, words
from ha_monitor.publish.words import NODE_STATES


def _node_says(s: Subject) -> str:
    n = s.row
    load = f"owns {n.groups_active} groups" if n.groups_active else "owns nothing"
    ready = "" if is_ready(n) else f", takes nothing over: {n.eligible_reason or 'no reason known'}"
    return f"{n.state}, {load}{ready}"


HA_NODE = Service("HA node {}", NODE, _node_says)

NODE_FACTS: tuple[Fact, ...] = (
    state(
        "ha.node.state",
        HA_NODE,
        "State",
        "The Node as the reporter sees it.",
        "HA node state",
        lambda s: s.row.state,
        alarm(
            Is(NODE_STATES["fenced"]),
            "powered off by a fence",
            BAD,
            "Find out why it was fenced before you power it on again; it joins by itself.",
        ),
        alarm(
            Is(NODE_STATES["lost"]),
            "lost",
            BAD,
            "It was heard on no Link until its grace time was over: look at the host, then at its Links.",
        ),
        alarm(
            Is(NODE_STATES["suspect"]),
            "silent on every Link",
            MILD,
            "Usually followed by lost or by online within the Lease.",
            hold_s=30,
        ),
        alarm(
            Is(NODE_STATES["joining"]),
            "never heard since the reporter started",
            POOR,
            "Start its daemon, or look at its Links and at the key.",
            hold_s=120,
        ),
    ),
    number(
        "ha.node.age",
        HA_NODE,
        "Last report",
        "Time since the reporter last heard it.",
        "age",
        lambda s: s.row.age_ms / 1000 if s.row.age_ms >= 0 else None,
        alarm(Above(30), "silent for long", SICK, "See the Node's state."),
        alarm(Above(10), "silent", MILD, "See the Node's state."),
        unit="s",
        kind=Kind.FLOAT,
    ),
    number(
        "ha.node.groups.active",
        HA_NODE,
        "Groups owned",
        "How many ResourceGroups it owns.",
        "groups",
        lambda s: s.row.groups_active,
        is_state=True,
    ),
    *readiness(HA_NODE, "Whether it could take a group over now."),
    words(
        "ha.node.version",
        HA_NODE,
        "Version",
        "Version of its daemon.",
        lambda s: s.row.version or None,
    ),
    words(
        "ha.node.digest",
        HA_NODE,
        "Configuration digest",
        "Digest of the configuration that it has in force.",
        lambda s: s.row.config_digest or None,
    ),
)
