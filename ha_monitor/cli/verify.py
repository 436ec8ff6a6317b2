"""Waiting for what an order should bring about, by the daemon's own view, with a bound."""

from __future__ import annotations

import time
from collections.abc import Callable

from ha_monitor import client
from ha_monitor.errors import ControlError
from ha_monitor.view import GroupView, NodeView, View

POLL_S = 0.03


def wait_until(is_so: Callable[[View], bool], bound_s: float) -> View | None:
    """The first view in which it is so; None if there was none within ``bound_s``.

    A daemon that does not answer for a moment (it restarts) is asked again.
    """
    until = time.monotonic() + bound_s
    while True:
        try:
            view = client.fetch_view(max(0.1, until - time.monotonic()))
            if is_so(view):
                return view
        except ControlError:
            if time.monotonic() >= until:
                raise
        if time.monotonic() >= until:
            return None
        time.sleep(POLL_S)


def group_of(view: View, name: str) -> GroupView:
    """The group of that name. Raises ControlError that names those there are."""
    for group in view.groups:
        if group.name == name:
            return group
    names = ", ".join(group.name for group in view.groups)
    raise ControlError(f"{name!r} is no group of this cluster; there are: {names}")


def self_node(view: View) -> NodeView:
    """This host's own row."""
    return next(node for node in view.nodes if node.is_self)


def owned_by(view: View, node: str) -> list[str]:
    """The groups that a Node owns."""
    return [group.name for group in view.groups if group.owner == node]


def is_settled_on(group: GroupView, node: str) -> bool:
    """Whether the Node runs the group and nobody else has any of its addresses open."""
    holders = all(address.holders == 1 for address in group.addresses)
    return group.owner == node and group.state == "running" and group.owners == 1 and holders
