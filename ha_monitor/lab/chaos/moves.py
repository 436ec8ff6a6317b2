"""Which faults justify which moves of a group: the table, and the judgement. Pure.

The table is printed by ``ha-monitor lab chaos --table`` and stands in docs/chaos.md. A move that no
fault in force, none that was healed a moment ago and no order explains is a needless Takeover.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ha_monitor.lab.chaos.ledger import Told

# A fault goes on to have effects after its healing: a host starts, a voter abstains, a peer is heard
# again. What comes later than this has to be explained by something else.
HEALING_NS = 6_000_000_000
# A group that nobody owned any more is taken from nobody: its start may wait for the slowest host.
STARTING_NS = 60_000_000_000
# Transition stamps and the moments that the runner notes are taken by different processes.
SLACK_NS = 50_000_000

SILENT = frozenset({"node-silent", "lease-lost"})
HANGS = frozenset({"node-silent", "lease-lost", "daemon-died", "higher-epoch"})
DIES = frozenset({"node-silent", "lease-lost", "daemon-died", "daemon-restarted"})
ENDS = frozenset({"daemon-stopped", "daemon-died", "daemon-restarted", "node-silent", "lease-lost"})
ISOLATED = frozenset({"carrier-lost", "link-isolated"})
STARVED = HANGS | ENDS | frozenset({"resource-failed", "start-failed"})
NOTHING: frozenset[str] = frozenset()

# Fault -> (causes of moves away from the struck host, whether it takes a vote or the way to one).
JUSTIFIED: Mapping[str, tuple[frozenset[str], bool]] = {
    "power-off": (SILENT, True),
    "kill": (DIES, True),
    "kill guard": (ENDS, True),
    "kill core": (DIES, True),
    "kill worker": (NOTHING, False),
    "kill publisher": (NOTHING, False),
    "kill one by one": (ENDS, True),
    "freeze": (HANGS, True),
    "freeze guard": (NOTHING, False),
    "freeze core": (HANGS, True),
    "freeze worker": (NOTHING, False),
    "freeze publisher": (NOTHING, False),
    "unplug lan": (ISOLATED, True),
    "unplug direct": (NOTHING, True),
    "flap lan": (ISOLATED | SILENT, True),
    "flap direct": (NOTHING, True),
    "blackhole lan": (ISOLATED | SILENT, True),
    "blackhole direct": (NOTHING, True),
    "partition near": (NOTHING, True),
    "partition far": (SILENT, True),
    "one-way": (NOTHING, True),
    "lose": (NOTHING, True),
    "service-crash": (frozenset({"resource-failed"}), False),
    "monitoring-down": (NOTHING, False),
    "witness-down": (NOTHING, True),
    "switch": (frozenset({"switchover-ordered"}), False),
    "stop": (ENDS, True),
    "standby": (frozenset({"standby-ordered"}), False),
    "restart": (frozenset({"daemon-restarted"}), True),
    "reload": (frozenset({"daemon-restarted"}), True),
    "upgrade": (frozenset({"daemon-restarted"}), True),
    "disk-full": (NOTHING, False),
    "no-memory": (STARVED, True),
    "no-files": (frozenset({"resource-failed", "start-failed"}), False),
    "clock-step": (NOTHING, False),
    # Not faults: the beginning of the run, and everything anew after a failure.
    "start": (frozenset({"cluster-started"}), False),
}
# Two faults at once that each take a vote, or the way to one, may leave no majority: then every
# Owner falls silent, and somebody starts the groups again when it is back.
NO_MAJORITY = SILENT | frozenset({"cluster-started", "higher-epoch"})
# A group is handed over to a Node that is struck as well: it comes back, or is started anew.
HANDED_INTO_A_FAULT = NO_MAJORITY | ENDS
# What an Owner's own stall looks like to the others.
OF_A_STALL = HANGS | frozenset({"link-isolated"})


@dataclass(frozen=True)
class InForce:
    """One fault that was struck: where, on which group (switch only), from when until healed."""

    name: str
    host: str
    from_ns: int
    healed_ns: int
    group: str = ""

    def covers(self, at_ns: int, healing_ns: int = HEALING_NS) -> bool:
        """Whether its effects may show at a moment."""
        return self.from_ns - SLACK_NS <= at_ns <= self.healed_ns + healing_ns


@dataclass(frozen=True)
class Stall:
    """The recorder on a host stood still."""

    host: str
    from_ns: int
    until_ns: int


def is_a_move(told: Told) -> bool:
    """Whether service was interrupted or went elsewhere: taking up what one holds is no move."""
    if told.cause in ("held", "livelock"):
        return False
    return told.cause != "daemon-restarted" or told.old != told.new


def explanation(told: Told, faults: Sequence[InForce], failback: Mapping[str, str]) -> str:
    """What justifies a move, for people; empty when nothing does."""
    if told.cause == "failback":
        return "its failback policy" if failback.get(told.group) == told.new else ""
    healing_ns = STARTING_NS if told.cause == "cluster-started" else HEALING_NS
    near = [fault for fault in faults if fault.covers(told.at_ns, healing_ns)]
    for fault in near:
        causes = JUSTIFIED[fault.name][0]
        if told.cause in causes and fault.host == told.old and fault.group in ("", told.group):
            return f"{fault.name} at {fault.host}"
    if told.cause in NO_MAJORITY and (both := _votes_taken(near)):
        return f"no majority during {' and '.join(both)}"
    others = {f.host: f"{f.name} at {f.host}" for f in near if f.host != told.old and JUSTIFIED[f.name][1]}
    if told.cause == "link-isolated" and len(others) > 1:
        return f"nobody to hear during {' and '.join(others.values())}"
    into = [fault.name for fault in near if fault.host == told.new and JUSTIFIED[fault.name][0]]
    if len(near) > 1 and into and told.cause in HANDED_INTO_A_FAULT:
        return f"handed into {into[0]} at {told.new}"
    home = failback.get(told.group)
    back = [fault.name for fault in near if fault.host == home and JUSTIFIED[fault.name][0]]
    if told.old == told.new != home and back and told.cause in NO_MAJORITY:
        return f"on its way back to {home}, into {back[0]}"
    return ""


def excuse(told: Told, stalls: Iterable[Stall], lease_ns: int) -> str:
    """The stall of the machine beside which an unexplained move stands; empty when there is none.

    A stall of more than half the Lease that ended two Leases before the address was opened, or later.
    """
    if told.cause not in OF_A_STALL:
        return ""
    for stall in stalls:
        opened_ns = told.at_ns - told.start_ns
        is_near = stall.until_ns >= opened_ns - 2 * lease_ns and stall.from_ns <= told.at_ns
        if is_near and stall.until_ns - stall.from_ns > lease_ns // 2:
            return f"{stall.host} stood still for {(stall.until_ns - stall.from_ns) / 1e6:.0f} ms"
    return ""


def _votes_taken(near: Sequence[InForce]) -> list[str]:
    """Two faults at least take a vote, or the way to one; their names."""
    takers = [fault for fault in near if JUSTIFIED[fault.name][1]]
    return [f"{f.name} at {f.host}" for f in takers] if len(takers) > 1 else []


def table_text() -> str:
    """The table for docs and people."""
    rows = ["| fault | moves away from the struck host that it explains | takes a vote or the way to it |"]
    rows.append("|---|---|---|")
    for name, (causes, takes_vote) in list(JUSTIFIED.items())[:-1]:
        told = ", ".join(sorted(causes)) or "none"
        rows.append(f"| {name} | {told} | {'yes' if takes_vote else 'no'} |")
    return "\n".join(rows)
