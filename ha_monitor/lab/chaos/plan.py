"""What is struck, when and for how long: rounds drawn from one seed. Pure.

Nothing here knows how the cluster fares, so the same seed gives the same rounds. Whom a fault
strikes is drawn as a part ("the Owner of six"), for who that is depends on what came before.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from ha_monitor.lab.chaos.catalog import ORDERS, Named

SINGLE, PAIR, TAKEOVER = "single", "pair", "during-takeover"
_SHAPES = {SINGLE: 5, PAIR: 3, TAKEOVER: 2}
# A Takeover is over some tens of milliseconds after a clean stop and one Lease after a crash: the
# second fault begins at any moment of that, measured in Leases.
_TAKEOVER_LEASES = 1.3


@dataclass(frozen=True)
class Strike:
    """One fault of a round: begins ``after_s`` the round's start, healed after ``hold_s``."""

    fault: str
    whom: str
    group: str
    after_s: float
    hold_s: float
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Round:
    """Strikes that belong together; before the next round all is healed and healthy."""

    number: int
    shape: str
    quiet_s: float
    strikes: tuple[Strike, ...]


class Plan:
    """An endless sequence of rounds, the same for the same seed, faults and groups."""

    def __init__(self, seed: int, faults: Mapping[str, Named], groups: Sequence[str], lease_s: float) -> None:
        self._random = random.Random(seed)
        self._faults, self._groups, self._lease_s = dict(faults), list(groups), lease_s
        self._number = 0
        self._turns: defaultdict[str, Iterator[int]] = defaultdict(count)  # of singles, by fault

    def rounds(self) -> Iterator[Round]:
        """Random rounds of every shape."""
        while True:
            yield self.draw()

    def draw(self) -> Round:
        """The next random round."""
        shape = self._random.choices(list(_SHAPES), list(_SHAPES.values()))[0]
        if shape == SINGLE:
            return self._round(shape, [self._strike(self._any(), 0.0)])
        if shape == PAIR:
            first = self._strike(self._any(), 0.0)
            second = self._strike(self._any(), self._random.uniform(0.0, first.hold_s + 0.5))
            return self._round(shape, [first, second])
        movers = [named for named in self._faults.values() if named.moves_groups] or list(
            self._faults.values()
        )
        first = self._strike(self._random.choice(movers), 0.0)
        second = self._strike(self._any(), self._random.uniform(0.0, _TAKEOVER_LEASES * self._lease_s))
        return self._round(shape, [first, second])

    def single(self, named: Named) -> Round:
        """A round of one fault, for counting it by name; what can be drawn for it is taken in turn."""
        strike = self._strike(named, 0.0)
        turn = next(self._turns[named.name])
        in_turn = {key: values[turn % len(values)] for key, values in named.draws.items()}
        return self._round(SINGLE, [replace(strike, fields={**strike.fields, **in_turn})])

    def _round(self, shape: str, strikes: Sequence[Strike]) -> Round:
        self._number += 1
        return Round(self._number, shape, round(self._random.uniform(0.0, 0.4), 3), tuple(strikes))

    def _any(self) -> Named:
        names = list(self._faults.values())
        return self._random.choices(names, [named.weight for named in names])[0]

    def _strike(self, named: Named, after_s: float) -> Strike:
        hold_s = self._random.uniform(*named.hold_s)
        if named.name not in ORDERS and named.hold_s[1] > 1.0:
            # What ends only with the Lease must be held until then now and then.
            hold_s += self._random.choice((0.0, 0.0, 1.2 * self._lease_s))
        fields = {key: self._random.choice(values) for key, values in named.draws.items()}
        return Strike(
            named.name,
            self._random.choice(named.whom),
            self._random.choice(self._groups),
            round(after_s, 3),
            round(hold_s, 3),
            {**named.fields, **fields},
        )
