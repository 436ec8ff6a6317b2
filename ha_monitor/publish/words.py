"""Value maps: every state as a number that both systems show as a word. Numbers are never given twice.

Gaps belong to states of facts.md that later versions have (fenced, drill, foreign ...).
"""

from __future__ import annotations

from collections.abc import Mapping

YES_NO = {"no": 0, "yes": 1}
CLUSTER_STATES = {"ok": 0, "degraded": 1, "at-risk": 2, "down": 3}
NODE_STATES = {
    "online": 0,
    "standby": 1,
    "maintenance": 2,
    "joining": 3,
    "suspect": 4,
    "lost": 5,
    "fenced": 6,
    "stopped": 7,
}
LINK_STATES = {"up": 0, "late": 1, "down": 2, "one-way": 3, "unknown": 4}
GROUP_STATES = {
    "running": 0,
    "starting": 1,
    "stopping": 2,
    "stopped": 3,
    "degraded": 4,
    "failed": 5,
    "moving": 6,
    "blocked": 7,
    "unmanaged": 8,
}
GROUP_HOLDS = {"no": 0, "held, asks": 1, "frozen, asks": 2}
RESOURCE_STATES = {
    "running": 0,
    "stopped": 1,
    "failed": 2,
    "unknown": 3,
    "blocked": 4,
    "foreign": 5,
    "starting": 6,
    "stopping": 7,
}
TRANSITION_KINDS = {"planned": 0, "failure": 1, "drill": 2, "failback": 3, "operator": 4}
PROTECTIONS = {"best effort": 0, "user-space Lease": 1, "kernel Lease": 2, "watchdog": 3, "fencing": 4}
FENCE_STATES = {"idle": 0, "waiting": 1, "running": 2, "fenced": 3, "failed": 4}
# What keeps exclusive data from two writers when guard and core die at once.
WATCHDOG_STATES = {
    "not needed": 0,
    "fed": 1,
    "closed": 2,
    "none": 3,
    "missing": 4,
    "failing": 5,
    "withheld": 6,
}
SINK_STATES = {"ok": 0, "backlog": 1, "down": 2}

VALUE_MAPS: Mapping[str, Mapping[str, int]] = {
    "HA yes or no": YES_NO,
    "HA cluster state": CLUSTER_STATES,
    "HA node state": NODE_STATES,
    "HA link state": LINK_STATES,
    "HA group state": GROUP_STATES,
    "HA group hold": GROUP_HOLDS,
    "HA resource state": RESOURCE_STATES,
    "HA transition kind": TRANSITION_KINDS,
    "HA protection": PROTECTIONS,
    "HA fence state": FENCE_STATES,
    "HA sink state": SINK_STATES,
    "HA watchdog": WATCHDOG_STATES,
}


def word_of(value_map: str, code: object) -> str:
    """The word for a code; the code itself where the map has none."""
    return next((word for word, c in VALUE_MAPS[value_map].items() if c == code), str(code))
