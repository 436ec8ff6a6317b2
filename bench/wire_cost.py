"""What one packet costs: seal and open, for a plain beat and for the fullest packet of a pair.

Run: python -m bench.wire_cost
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from ha_monitor.messages import Accept, GroupReport, Heard, Heartbeat, NodeReport, Propose
from ha_monitor.model import Ballot, GroupState, NodeState
from ha_monitor.wire.seal import Endpoint, Keyring, Opener, Sealer

ROUNDS = 2000
LINKS = ("lan", "direct")


def _endpoint(voter: int) -> Endpoint:
    ring = Keyring({1: bytes(32)}, 1)
    peers = [peer for peer in range(3) if peer != voter]
    opener = Opener(
        "web", ring, receiver=voter, incarnation=voter, peers=peers, links=LINKS, interval_ns=10**8
    )
    return Endpoint(Sealer("web", ring), opener)


def _beat(groups: int) -> Heartbeat:
    names, ballot = [f"group-{number}" for number in range(groups)], Ballot(1 << 40, 1, 1 << 63)
    report = NodeReport(
        state=NodeState.ONLINE,
        groups=tuple(GroupReport(name, GroupState.RUNNING, ballot, True, "", True) for name in names),
        heard=tuple(Heard(voter, link, True) for voter in (1, 2) for link in LINKS),
    )
    messages = tuple(Propose(name, ballot, 1, 1, 10**9) for name in names)
    answers = tuple(Accept(name, ballot, 1, 1) for name in names)
    return Heartbeat(0, 1, "lan", 9, 1, 1, report, messages + answers)


def _microseconds(call: Callable[[], object]) -> list[float]:
    lengths = []
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        call()
        lengths.append((time.perf_counter_ns() - began) / 1000)
    return lengths


def main() -> None:
    """Print bytes and microseconds per packet: median and 99th percentile."""
    for groups in (1, 8):
        source, target, heartbeat = _endpoint(0), _endpoint(1), _beat(groups)
        packets = iter([source.packets(heartbeat)[0] for _ in range(ROUNDS)])
        size = len(source.packets(heartbeat)[0])
        for name, lengths in (
            ("seal", _microseconds(lambda source=source, beat=heartbeat: source.packets(beat))),
            ("open", _microseconds(lambda target=target, rest=packets: target.open(next(rest), "lan", 1))),
        ):
            high = statistics.quantiles(lengths, n=100)[-1]
            print(
                f"{groups} groups, {size} bytes, {name}: {statistics.median(lengths):.0f} us, p99 {high:.0f}"
            )


if __name__ == "__main__":
    main()
