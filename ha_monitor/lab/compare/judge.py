"""What the observers' records say of programs that may move the address more than once. Pure.

Times are nanoseconds of one clock; the probe's own stalls are taken out of the gaps.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

from ha_monitor.lab.observers.records import Answer

Interval = tuple[int, int]

_MIXED_WITHIN_NS = 100_000_000
_NOISE_NS = 20_000_000


def mixed_answers_ns(answers: Iterable[Answer], from_ns: int, until_ns: int) -> int:
    """How long one client was answered by both hosts in turn.

    A host that answers again within a tenth of a second never stopped. Moving there and back, one
    after the other, counts nothing.
    """
    spans: dict[str, list[Interval]] = {}
    for answer in sorted(answers, key=lambda answer: answer.first_ns):
        if from_ns <= answer.first_ns <= until_ns:
            its = spans.setdefault(answer.host, [])
            if its and answer.first_ns - its[-1][1] <= _MIXED_WITHIN_NS:
                its[-1] = (its[-1][0], answer.first_ns)
            else:
                its.append((answer.first_ns, answer.first_ns))
    every = list(spans.values())
    return sum(
        max(0, min(mine[1], other[1]) - max(mine[0], other[0]))
        for position, first in enumerate(every)
        for second in every[position + 1 :]
        for mine in first
        for other in second
    )


def moves(answers: Iterable[Answer], from_ns: int, until_ns: int) -> int:
    """How often another host answered: by who answered most in each tenth of a second."""
    tenths: dict[int, Counter[str]] = {}
    for answer in answers:
        if from_ns <= answer.last_ns <= until_ns:
            tenths.setdefault(answer.last_ns // _MIXED_WITHIN_NS, Counter())[answer.host] += 1
    hosts = [tenths[tenth].most_common(1)[0][0] for tenth in sorted(tenths)]
    return sum(1 for before, after in itertools.pairwise(hosts) if before != after)


def missed_ns(answers: Iterable[Answer], stalls: Sequence[Interval], from_ns: int, until_ns: int) -> int:
    """All gaps together that are longer than the noise of the probe."""
    at = [from_ns, *sorted(a.last_ns for a in answers if from_ns < a.last_ns < until_ns), until_ns]
    gaps = [(first, second) for first, second in itertools.pairwise(at) if second - first > _NOISE_NS]
    lengths = [second - first - _stalled_ns(stalls, first, second) for first, second in gaps]
    return sum(length for length in lengths if length > _NOISE_NS)


def _stalled_ns(stalls: Iterable[Interval], from_ns: int, until_ns: int) -> int:
    """Stalls of several parts of the observer at the same time count once."""
    total, end = 0, from_ns
    for start, stop in sorted(stalls):
        total += max(0, min(stop, until_ns) - max(start, end))
        end = max(end, stop)
    return total
