"""When a group goes back to a Node that it prefers."""

from __future__ import annotations

from ha_monitor.core import placement
from ha_monitor.core.nodes import Peer
from ha_monitor.core.situation import Situation
from ha_monitor.model import FailbackKind, Group


class FailbackWatch:
    """One group's policy, for its present Owner."""

    def __init__(self, situation: Situation, spec: Group) -> None:
        self.situation = situation
        self.spec = spec
        self.better_since_ns = 0  # since when a preferred Node could have it
        self.is_placed_by_operator = False  # then it does not go back by itself

    def wants_to_go(self, at_ns: int) -> Peer | None:
        """The better Node, if the time has come to give the group back to it."""
        situation = self.situation
        better = placement.better_peer(self.spec, situation.me.name, situation.node_peers)
        if better is None:
            self.better_since_ns = 0
            return None
        self.better_since_ns = self.better_since_ns or at_ns
        due_ns = self.due_ns()
        return better if due_ns is not None and at_ns >= due_ns else None

    @property
    def is_pending(self) -> bool:
        """Whether a better Node is ready and the policy, or an operator by hand, will give the group back."""
        is_wanted = self.spec.failback.kind is not FailbackKind.NEVER and not self.is_placed_by_operator
        return bool(self.better_since_ns) and is_wanted

    def due_ns(self) -> int | None:
        """When the group goes back to the preferred Node, None if it does not by itself."""
        failback = self.spec.failback
        if not self.better_since_ns or self.is_placed_by_operator:
            return None
        if failback.kind is FailbackKind.AFTER:
            return self.better_since_ns + failback.after_ns
        if failback.kind is FailbackKind.BETWEEN and self.situation.failback_open.get(self.spec.name):
            return self.better_since_ns + self.situation.config.timing.lease_ns
        return None
