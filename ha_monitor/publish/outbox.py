"""What waits for a sink: in which order, how much of it, and what goes first when there is too much.

Nagios keeps the last result it is given, whatever its stamp: so of a service's states only the newest
waits, and nothing older than what was sent follows. Zabbix keeps history: states wait in order and may be
thinned, a transition is given up only beyond TRANSITIONS_MAX.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TRANSITIONS_MAX = 10_000
STATES_MAX = 5_000
BYTES_MAX = 64 * 1024 * 1024
REMEMBERED_MAX = 10_000  # idents of transitions that were sent: a repeated one is not sent again
TRIES_MAX = 6  # a state that was refused so often is given up: after about half a minute


@dataclass(frozen=True)
class Parcel:
    """One value on its way. ``slot``: what it is a value of; two of one slot are older and newer.

    ``ident``: a transition's own name; empty for a state. ``body``: what the sink sends.
    """

    slot: str
    at_ns: int
    body: str
    ident: str = ""

    @property
    def is_event(self) -> bool:
        """Whether it is a transition: never replaced, never thinned."""
        return bool(self.ident)


def slot_of(host: str, what: str) -> str:
    """The slot of a service or item. Hosts come first: what waits for one host can be told from the rest."""
    return f"{host}\t{what}"


@dataclass(frozen=True)
class Waiting:
    """A parcel that waits: ``row`` is its place in the outbox, ``tries`` how often it was refused."""

    row: int
    parcel: Parcel
    tries: int = 0


@dataclass(frozen=True)
class Delivery:
    """What became of a batch, by rows. What is in neither was not tried and waits on."""

    taken: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()
    detail: str = ""


@dataclass(frozen=True)
class Policy:
    """``keeps_history``: states are values in time (Zabbix), not one newest each (Nagios)."""

    keeps_history: bool
    states_max: int = STATES_MAX
    transitions_max: int = TRANSITIONS_MAX
    bytes_max: int = BYTES_MAX


NAGIOS = Policy(keeps_history=False)
ZABBIX = Policy(keeps_history=True)


def in_order(waiting: Iterable[Waiting]) -> list[Waiting]:
    """The order of sending: by stamp; of equal stamps transitions last, so that they are not overwritten."""
    return sorted(waiting, key=lambda w: (w.parcel.at_ns, w.parcel.is_event, w.row))


def superseded(policy: Policy, waiting: Sequence[Waiting]) -> list[Waiting]:
    """States that a newer one of their slot makes pointless. Zabbix wants them all."""
    if policy.keeps_history:
        return []
    newest: dict[str, Waiting] = {}
    out: list[Waiting] = []
    for entry in in_order(w for w in waiting if not w.parcel.is_event):
        if entry.parcel.slot in newest:
            out.append(newest[entry.parcel.slot])
        newest[entry.parcel.slot] = entry
    return out


def thinned(states: Sequence[Waiting], states_max: int) -> list[Waiting]:
    """Which states to give up so that at most ``states_max`` remain: every second of the older half first.

    The newest of each slot is never given up before all others, and the picture stays whole in time.
    """
    excess = len(states) - states_max
    if excess <= 0:
        return []
    ordered = in_order(states)
    newest = {w.parcel.slot: w.row for w in ordered}
    old = [w for w in ordered if newest[w.parcel.slot] != w.row]
    older_half = old[: max(len(old) // 2, excess)]
    gone = older_half[::2][:excess]
    rows = {w.row for w in gone}
    gone += [w for w in old if w.row not in rows][: excess - len(gone)]
    rows |= {w.row for w in gone}
    return gone + [w for w in ordered if w.row not in rows][: excess - len(gone)]


def overflowing(events: Sequence[Waiting], transitions_max: int) -> list[Waiting]:
    """The oldest transitions beyond the bound: the only way in which one is ever lost."""
    return in_order(events)[: max(0, len(events) - transitions_max)]


def runs(batch: Sequence[Waiting]) -> list[list[Waiting]]:
    """A batch cut into what may go in one call: neighbouring states together, each transition alone.

    When a call fails half-way nobody knows what was taken: a state told twice does no harm, a transition
    told twice does.
    """
    cut: list[list[Waiting]] = []
    for entry in batch:
        if cut and not entry.parcel.is_event and not cut[-1][-1].parcel.is_event:
            cut[-1].append(entry)
        else:
            cut.append([entry])
    return cut


def retry_after_s(tries: int) -> float:
    """How long something refused waits: 1, 2, 4 ... 60 seconds."""
    return float(min(60, 2 ** max(0, tries - 1)))


def is_given_up(parcel: Parcel, tries: int) -> bool:
    """Whether a refused parcel is thrown away. A transition is tried again for as long as there is room."""
    return not parcel.is_event and tries >= TRIES_MAX
