"""Orders of operators: what may be asked on the control socket, read strictly, turned into events. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ha_monitor.core import events as ev
from ha_monitor.core.fencing import bound_ns
from ha_monitor.errors import ControlError
from ha_monitor.messages import MaintenanceNote
from ha_monitor.model import ClusterConfig, Voter
from ha_monitor.timebase import SECOND

MAINTENANCE_MAX_NS = 7 * 86_400 * SECOND
WHY_MAX = 80


@dataclass(frozen=True)
class ToCore:
    """An event for the core. ``is_answered``: an OrderAnswered with this order's number will come."""

    event: ev.Event
    is_answered: bool = False
    answer_ns: int = 0  # how long the answer may take, 0 for the usual time


@dataclass(frozen=True)
class ToGuard:
    """A message for the guard."""

    kind: str


@dataclass(frozen=True)
class ShowView:
    """The view is the answer."""


Order = ToCore | ToGuard | ShowView


class OrderReader:
    """Reads requests for one configuration on one voter."""

    def __init__(self, config: ClusterConfig, me: Voter) -> None:
        self._config = config
        self._me = me

    def read(self, request: Mapping[str, Any], order_id: int, who: str) -> Order:
        """What the request asks for. Raises ControlError with a sentence for the operator."""
        verb = request.get("order")
        make = self._VERBS.get(verb) if isinstance(verb, str) else None
        if make is None:
            raise ControlError(f"{verb!r} is no order; there are: {', '.join(sorted(self._VERBS))}")
        return make(self, request, order_id, who)

    def _status(self, _request: Mapping[str, Any], _order_id: int, _who: str) -> Order:
        return ShowView()

    def _switch(self, request: Mapping[str, Any], order_id: int, who: str) -> Order:
        target = _text(request, "target", "")
        names = [node.name for node in self._config.nodes]
        if target and target not in names:
            raise ControlError(f"{target!r} is no Node of this cluster; there are: {', '.join(names)}")
        return ToCore(ev.SwitchOrdered(order_id, self._group(request), target, who), is_answered=True)

    def _standby(self, _request: Mapping[str, Any], _order_id: int, who: str) -> Order:
        return self._stand(True, who)

    def _online(self, _request: Mapping[str, Any], _order_id: int, who: str) -> Order:
        return self._stand(False, who)

    def _stand(self, is_standby: bool, who: str) -> Order:
        if self._me.is_witness:
            raise ControlError("the Witness owns no groups: give this order on a Node")
        return ToCore(ev.StandbyOrdered(is_standby, who))

    def _maintenance(self, request: Mapping[str, Any], _order_id: int, who: str) -> Order:
        length = request.get("remaining_ns")
        if not isinstance(length, int) or isinstance(length, bool) or not 0 <= length <= MAINTENANCE_MAX_NS:
            raise ControlError(f"maintenance for {length!r} ns: give a length of up to seven days")
        why = _text(request, "why", "")
        if length and not why:
            raise ControlError("maintenance needs a reason: --why TEXT")
        return ToCore(ev.MaintenanceOrdered(MaintenanceNote(0, length, why[:WHY_MAX], who)))

    def _fence(self, request: Mapping[str, Any], order_id: int, who: str) -> Order:
        why = _text(request, "why", "")
        if not why:
            raise ControlError("a fence needs a reason: --why TEXT")
        event = ev.FenceOrdered(order_id, self._node(request), why[:WHY_MAX], who)
        return ToCore(event, is_answered=True, answer_ns=fence_answer_ns(self._config, event.node))

    def _confirm_fenced(self, request: Mapping[str, Any], order_id: int, who: str) -> Order:
        why = _text(request, "why", "") or "seen to be off"
        return ToCore(ev.FenceConfirmed(order_id, self._node(request), why[:WHY_MAX], who), is_answered=True)

    def _node(self, request: Mapping[str, Any]) -> str:
        name = _text(request, "node", "")
        names = [node.name for node in self._config.nodes]
        if name not in names:
            raise ControlError(f"{name!r} is no Node of this cluster; there are: {', '.join(names)}")
        return name

    def _clear(self, request: Mapping[str, Any], _order_id: int, who: str) -> Order:
        if self._me.is_witness:
            raise ControlError(
                "the Witness owns no groups: give this order on the Node where the stop failed"
            )
        return ToCore(ev.BlockCleared(self._group(request), who))

    def _stop(self, _request: Mapping[str, Any], _order_id: int, _who: str) -> Order:
        return ToGuard("stop-asked")

    def _restart(self, _request: Mapping[str, Any], _order_id: int, _who: str) -> Order:
        return ToGuard("restart-asked")

    def _group(self, request: Mapping[str, Any]) -> str:
        name = _text(request, "group", "")
        names = [group.name for group in self._config.groups]
        if name not in names:
            raise ControlError(f"{name!r} is no group of this cluster; there are: {', '.join(names)}")
        return name

    _VERBS: Mapping[str, Callable[..., Order]] = {
        "status": _status,
        "switch": _switch,
        "standby": _standby,
        "online": _online,
        "maintenance": _maintenance,
        "clear-block": _clear,
        "fence": _fence,
        "confirm-fenced": _confirm_fenced,
        "stop": _stop,
        "restart": _restart,
    }


def fence_answer_ns(config: ClusterConfig, node: str) -> int:
    """By when a fence of that Node has ended, one way or the other."""
    return bound_ns(config.fencing, node) + SECOND


def _text(request: Mapping[str, Any], key: str, default: str) -> str:
    value = request.get(key, default)
    if not isinstance(value, str) or len(value) > 1000:
        raise ControlError(f"{key}: {value!r} is no short text")
    return value
