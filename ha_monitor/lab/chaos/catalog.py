"""Every fault that chaos knows, by the name under which it is counted: whom it strikes, how long. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Whom a fault strikes. ``owner``: who owns the drawn group when the moment has come.
OWNER, OTHER, WITNESS = "owner", "other", "witness"

ORDERS = ("switch", "stop", "standby", "restart", "reload", "upgrade")


@dataclass(frozen=True)
class Named:
    """One fault: its verb in ``lab.faults``, its fields, whom it may strike, how long it is held (s)."""

    name: str
    verb: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    whom: tuple[str, ...] = (OWNER, OWNER, OTHER)
    hold_s: tuple[float, float] = (0.5, 2.5)
    weight: int = 2
    draws: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # fields that the seed draws

    @property
    def moves_groups(self) -> bool:
        """Whether the struck Owner's groups go elsewhere: what a second fault can meet on its way."""
        return self.name in MOVING


_LAN, _DIRECT = {"link": "lan"}, {"link": "direct"}
_ROLES = ("guard", "core", "worker", "publisher")
_NO_TIME = (0.0, 0.3)
_AT_ONCE = (0.1, 1.0)


def _orders_of(items: tuple[str, ...]) -> tuple[str, ...]:
    if len(items) < 2:
        return items
    return tuple(
        f"{first} {rest}"
        for position, first in enumerate(items)
        for rest in _orders_of(items[:position] + items[position + 1 :])
    )


CATALOG: Mapping[str, Named] = {
    named.name: named
    for named in (
        Named("power-off", "power-off", weight=3),
        Named("kill", "kill", weight=3),
        *(Named(f"kill {role}", "kill", {"process": role}, hold_s=_AT_ONCE) for role in _ROLES),
        Named(
            "kill one by one", "kill-each", hold_s=_AT_ONCE,
            draws={"what": _orders_of(_ROLES), "amount": (0, 10, 50, 100)},
        ),
        Named("freeze", "freeze", hold_s=(0.3, 3.0)),
        *(
            Named(f"freeze {role}", "freeze", {"process": role}, hold_s=(0.3, 3.0), weight=1)
            for role in _ROLES
        ),
        Named("unplug lan", "unplug", _LAN),
        Named("unplug direct", "unplug", _DIRECT, weight=1),
        Named("flap lan", "flicker", _LAN, draws={"amount": (5, 20, 50, 200, 500)}),
        Named("flap direct", "flicker", _DIRECT, draws={"amount": (5, 20, 50, 200, 500)}, weight=1),
        Named("blackhole lan", "blackhole", _LAN),
        Named("blackhole direct", "blackhole", _DIRECT, weight=1),
        Named("partition near", "partition", {"witness": "near"}),
        Named("partition far", "partition", {"witness": "far"}),
        Named("one-way", "one-way"),
        Named("lose", "lose", {"percent": 20}),
        Named("service-crash", "service-crash", hold_s=_NO_TIME),
        Named("monitoring-down", "trapper-down", whom=(WITNESS,)),
        Named("witness-down", "witness-down", whom=(WITNESS,)),
        Named("switch", "switch", whom=(OWNER,), hold_s=_NO_TIME, weight=3),
        Named("stop", "stop", hold_s=_AT_ONCE),
        Named("standby", "standby", whom=(OWNER,), hold_s=_AT_ONCE),
        Named("restart", "restart", whom=(OWNER, OTHER, WITNESS), hold_s=_NO_TIME),
        Named("reload", "reload", whom=(OWNER,), hold_s=_NO_TIME, weight=1),
        Named("upgrade", "upgrade", whom=(OWNER,), hold_s=_NO_TIME, weight=1),
        Named("disk-full", "disk-full", whom=(OWNER, OTHER, WITNESS)),
        Named("no-memory", "no-memory"),
        Named("no-files", "no-files"),
        Named(
            "clock-step", "clock-step", whom=(OWNER, OTHER, WITNESS),
            draws={"amount": (-86400, -3600, -60, -2, 2, 60, 3600, 86400)},
        ),
    )
}  # fmt: skip
MOVING = frozenset(
    ("power-off", "kill", "kill guard", "kill core", "freeze", "freeze core", "unplug lan", "blackhole lan",
     "partition far", "service-crash", "switch", "stop", "standby")
)  # fmt: skip


def chosen(names: Sequence[str]) -> dict[str, Named]:
    """The faults of these names; ``kill`` means ``kill core`` and the like as well. Raises KeyError."""
    for name in names:
        if not any(name in (named.name, named.verb) for named in CATALOG.values()):
            raise KeyError(name)
    return {name: named for name, named in CATALOG.items() if {name, named.verb} & set(names)}
