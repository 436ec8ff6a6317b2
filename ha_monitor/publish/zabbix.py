"""What Zabbix is told: one master item with everything, a tick, and each transition as a value of its own.

``ha.raw`` is JSON, kept nowhere on the server: dependent items and discovery rules pick from it. So a value
can be refused for one reason only: the host or its template is missing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from ha_monitor.publish.declare import safe_name
from ha_monitor.publish.facts import EVENT_KEY, RAW_KEY, TICK_KEY, scopes
from ha_monitor.publish.judge import S_NS
from ha_monitor.publish.outbox import Parcel, slot_of
from ha_monitor.publish.snapshot import Snapshot
from ha_monitor.view import TransitionView


@dataclass(frozen=True)
class TrapValue:
    """One value for the trapper. ``is_event``: kept until it was taken, in order."""

    host: str
    key: str
    value: str
    at_ns: int
    is_event: bool = False
    ident: str = ""  # an event's, unique

    @property
    def clock(self) -> int:
        """Whole seconds since 1970."""
        return self.at_ns // S_NS

    @property
    def ns(self) -> int:
        """The nanoseconds beside `clock`."""
        return self.at_ns % S_NS

    def parcel(self) -> Parcel:
        """For the outbox."""
        body = json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False)
        return Parcel(slot_of(self.host, self.key), self.at_ns, body, self.ident)


def read_value(body: str) -> TrapValue:
    """What `TrapValue.parcel` packed. Raises ValueError for anything else."""
    try:
        return TrapValue(**json.loads(body))
    except TypeError as error:
        raise ValueError(f"no trapper value: {error}") from error


def trap_values(snapshot: Snapshot) -> tuple[TrapValue, ...]:
    """The master item and the tick of one host."""
    raw = json.dumps(raw_item(snapshot), separators=(",", ":"), ensure_ascii=False)
    return (
        TrapValue(snapshot.host, RAW_KEY, raw, snapshot.at_ns),
        TrapValue(snapshot.host, TICK_KEY, str(snapshot.at_ns // S_NS), snapshot.at_ns),
    )


def raw_item(snapshot: Snapshot) -> dict[str, object]:
    """``v``: each known value under its item's key. ``lld``: for each Scope what there is, as macros."""
    values = {fact.full_key(told.names): value for told in snapshot.told for fact, value in told.readings()}
    # Each Scope of the host, also an empty one: what has gone must be seen to have gone.
    discovered: dict[str, list[dict[str, str]]] = {s.name: [] for s in scopes(snapshot.kind) if s.macros}
    for told in snapshot.told:
        if told.scope.macros:
            row = dict(zip(told.scope.macros, told.names, strict=True))
            discovered[told.scope.name].append(row)
    return {"v": values, "lld": discovered}


def event_value(cluster: str, transition: TransitionView) -> TrapValue:
    """One transition for the cluster's host, with its own clock and ns.

    The same transition sent twice has the same host, key, clock and ns: Zabbix stores it once.
    """
    plain = asdict(transition)
    line = json.dumps(plain, separators=(",", ":"), ensure_ascii=False)
    return TrapValue(
        safe_name(cluster), EVENT_KEY, line, transition.at_ns, is_event=True, ident=transition.ident
    )
