"""What goes wrong in a seed's world: an explicit list, drawn before anything happens.

So any of it can be left out again. What a fault does is in faults_network, faults_machines and faults_people.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ha_monitor.timebase import MS, SECOND


@dataclass(frozen=True)
class Fault:
    """One thing that happens. ``dice``: what else it needs to choose, each from 0 to 1."""

    number: int  # its place in the seed's list
    at_ns: int  # true time
    kind: str
    host: int
    length_ns: int
    dice: tuple[float, float]

    def pick(self, which: int, choices: Sequence[object]) -> int:
        """The place of its choice among some."""
        return int(self.dice[which] * len(choices))

    def line(self, host: str, detail: str) -> str:
        """It as people read it."""
        length = f" for {self.length_ns / SECOND:.3f} s" if self.length_ns else ""
        more = f": {detail}" if detail else ""
        return f"{self.at_ns / SECOND:9.3f} s  {host}  {self.kind}{length}{more}  (#{self.number})"


@dataclass(frozen=True)
class Mix:
    """Which faults a seed knows, and how many. ``always``: at the beginning, for the whole time."""

    kinds: tuple[str, ...]
    always: tuple[str, ...] = ()
    gap_leases: tuple[float, float] = (0.05, 1.0)  # between two faults
    stumbles: int = 0  # stalls between two instructions
    replays: int = 0


def draw_faults(rng: random.Random, mix: Mix, hosts: int, lease_ns: int, bad_ns: int) -> tuple[Fault, ...]:
    """The seed's list, in the order of time."""
    drawn: list[tuple[int, str, int]] = [(0, kind, bad_ns) for kind in mix.always]
    least, most = mix.gap_leases
    at_ns = 0
    while True:
        at_ns += int(rng.uniform(least, most) * lease_ns)
        if at_ns >= bad_ns:
            break
        drawn.append((at_ns, rng.choice(mix.kinds), rng.randint(0, 3 * lease_ns)))
    for _ in range(mix.stumbles):
        length_ns = rng.randint(0, MS) if rng.random() < 0.3 else rng.randint(0, 3 * lease_ns // 2)
        drawn.append((rng.randint(0, bad_ns), "stumble", length_ns))
    drawn.extend((rng.randint(0, bad_ns), "replay", 0) for _ in range(mix.replays))
    drawn.sort()
    return tuple(
        Fault(number, at, kind, rng.randrange(hosts), length, (rng.random(), rng.random()))
        for number, (at, kind, length) in enumerate(drawn)
    )


def kept(faults: Iterable[Fault], only: Collection[int] | None) -> tuple[Fault, ...]:
    """Those that are to happen; None keeps all."""
    return tuple(f for f in faults if only is None or f.number in only)
