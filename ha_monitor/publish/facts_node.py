"""Facts that each voter tells of itself, on its own host, also when it hears nobody."""

from __future__ import annotations

from ha_monitor.model import STALLS_PER_LEASE
from ha_monitor.publish.declare import Above, Below, Fact, Is, Kind, Rose, Service, Subject
from ha_monitor.publish.scopes import SELF, SELF_NODE, is_ready
from ha_monitor.publish.shapes import (
    BAD,
    GRAVE,
    MILD,
    NOTED,
    POOR,
    SICK,
    alarm,
    counter,
    flag,
    number,
    state,
    words,
)
from ha_monitor.publish.words import WATCHDOG_STATES, word_of

# Reasons of refused packets, see the wire's REASONS.
FORGED = ("tag", "key", "size")
FOREIGN = ("magic", "addressing")
UNREADABLE = ("version", "layout")  # a peer's, but of another program
REPEATED = ("replay", "retired")
UNCOVERED = ("none", "missing", "failing")  # states of the watchdog


def _self_says(s: Subject) -> str:
    v = s.view
    role = "Witness" if v.role == "witness" else "Node"
    who = f", majority of {v.votes} votes" if v.is_quorate else ", sees no majority of voters"
    return f"{role} {s.row.state}{who}, version {v.version}, up for {s.row.uptime_s} s"


def _ready_says(s: Subject) -> str:
    return "could take a group over" if is_ready(s.row) else (s.row.eligible_reason or "not ready")


def _protection_says(s: Subject) -> str:
    says = s.view.protection_detail
    if s.view.watchdog in UNCOVERED:
        says += "; no watchdog: exclusive data is not covered when guard and core die at once"
    elif s.view.watchdog == "withheld":
        says += f"; the watchdog is not fed any more: {s.view.watchdog_detail}"
    return says


def _sum_of(s: Subject, reasons: tuple[str, ...]) -> int:
    return sum(s.view.rejected.get(reason, 0) for reason in reasons)


def _security_says(s: Subject) -> str:
    unreadable = _sum_of(s, UNREADABLE)
    other = f", {unreadable} of them because of another program version" if unreadable else ""
    return f"{sum(s.view.rejected.values())} packets refused since start{other}"


HA_NODE_SELF = Service("HA node", SELF, _self_says, is_parent=True)
HA_READY = Service("HA standby ready", SELF_NODE, _ready_says)
HA_PROTECTION_SELF = Service("HA protection", SELF_NODE, _protection_says)
HA_TIMING = Service(
    "HA timing", SELF, lambda s: f"worst stall {s.view.stall_max_ms} ms in a Lease of {s.view.lease_ms} ms"
)
HA_SECURITY = Service("HA security", SELF, _security_says)


def readiness(service: Service, meaning: str) -> tuple[Fact, Fact]:
    """Whether a Node could take a group over and why not, as itself and as the reporter tell it."""
    return (
        flag(
            "ha.node.eligible",
            service,
            "Ready for a Takeover",
            meaning,
            "eligible",
            lambda s: is_ready(s.row),
            alarm(
                Below(1),
                "not ready for a Takeover",
                POOR,
                "The reason stands beside it: mend what it names.",
                hold_s=300,
            ),
        ),
        words(
            "ha.node.eligible.reason",
            service,
            "Why not ready",
            "What keeps it from taking a group over.",
            lambda s: s.row.eligible_reason or "none",
        ),
    )


SELF_FACTS: tuple[Fact, ...] = (
    state(
        "ha.node.state",
        HA_NODE_SELF,
        "State",
        "The voter as it sees itself.",
        "HA node state",
        lambda s: s.row.state,
    ),
    number(
        "ha.node.uptime",
        HA_NODE_SELF,
        "Uptime of the daemon",
        "Since the core process started.",
        "uptime",
        lambda s: s.row.uptime_s,
        unit="s",
    ),
    counter(
        "ha.node.restarts",
        HA_NODE_SELF,
        "Restarts",
        "How often the guard had to start a process of the daemon again.",
        "restarts",
        lambda s: s.view.restarts,
        alarm(
            Rose(2, 3600),
            "processes die again and again",
            MILD,
            "The journal of ha-monitor says which and why.",
        ),
    ),
    flag(
        "ha.node.quorate",
        HA_NODE_SELF,
        "Sees a majority",
        "Whether this voter hears a majority of voters, itself included.",
        "quorate",
        lambda s: s.view.is_quorate,
        alarm(
            Below(1),
            "sees no majority of voters",
            BAD,
            "It may own nothing. Look at its Links.",
            hold_s=30,
        ),
    ),
    flag(
        "ha.node.abstaining",
        HA_NODE_SELF,
        "Abstains",
        "Whether it votes for nobody yet, because it lost its memory of earlier votes.",
        "abstaining",
        lambda s: s.view.is_abstaining,
        alarm(Above(0), "abstains from votes for long", MILD, "It ends after the longest Lease.", hold_s=300),
    ),
    flag(
        "ha.node.rt",
        HA_NODE_SELF,
        "Real-time priority",
        "Whether a Node's core runs with real-time priority and locked memory.",
        "rt",
        lambda s: s.view.is_realtime if s.view.role == "node" else None,
        alarm(
            Below(1), "no real-time priority", NOTED, "Start it with the unit of `ha-monitor export systemd`."
        ),
    ),
    words("ha.node.version", HA_NODE_SELF, "Version", "Version of its daemon.", lambda s: s.view.version),
    words(
        "ha.node.digest",
        HA_NODE_SELF,
        "Configuration digest",
        "Digest of the configuration in force.",
        lambda s: s.view.config_digest,
    ),
    number(
        "ha.node.stall.max",
        HA_TIMING,
        "Worst stall",
        "How late the core was called at worst within the last minute.",
        "stall",
        lambda s: s.view.stall_max_ms,
        unit="ms",
    ),
    number(
        "ha.node.stall.pct",
        HA_TIMING,
        "Worst stall in per cent of the Lease",
        "A stall of a whole Lease costs the ownership.",
        "stall_pct",
        lambda s: 100 * s.view.stall_max_ms / s.view.lease_ms if s.view.lease_ms else None,
        alarm(Above(80), "stalled for almost a Lease", SICK, "The host is overloaded, or was paused."),
        alarm(
            Above(50),
            "stalled for half a Lease",
            MILD,
            "The host is overloaded, or the Lease is too short for it.",
        ),
        unit="%",
        kind=Kind.FLOAT,
    ),
    number(
        "ha.node.stall.worst",
        HA_TIMING,
        "Worst stall of the last day",
        "How late the core was called at worst within a day, measured at its start and ever since.",
        "stall_day",
        lambda s: s.view.stall_worst_ms,
        unit="ms",
    ),
    flag(
        "ha.node.timing.fits",
        HA_TIMING,
        "Lease long enough",
        "Whether the Lease is at least twice the worst stall of the last day.",
        "fits",
        lambda s: STALLS_PER_LEASE * s.view.stall_worst_ms <= s.view.lease_ms,
        alarm(
            Below(1),
            "the Lease is too short for this host",
            MILD,
            "Choose a gentler timing, or find what stalls: it would cost the Lease without any fault.",
        ),
    ),
    counter(
        "ha.node.pauses",
        HA_TIMING,
        "Pauses",
        "How often the whole process stood still for longer than it may (a suspended machine, a SIGSTOP).",
        "pauses",
        lambda s: s.view.pauses,
        alarm(
            Rose(0, 600), "was paused", MILD, "Look for snapshots, suspends and overload of the hypervisor."
        ),
    ),
    counter(
        "ha.link.authfail",
        HA_SECURITY,
        "Packets with a wrong tag",
        "Packets that no key of this cluster sealed.",
        "authfail",
        lambda s: _sum_of(s, FORGED),
        alarm(
            Rose(0, 600),
            "refused packets with a wrong tag",
            MILD,
            "Compare the key files; else somebody knocks.",
        ),
    ),
    counter(
        "ha.link.foreign",
        HA_SECURITY,
        "Packets of strangers",
        "Packets of another cluster, or under the name of somebody else.",
        "foreign",
        lambda s: _sum_of(s, FOREIGN),
        alarm(
            Rose(0, 600),
            "hears another cluster or a second host of the same name",
            POOR,
            "Two clusters share a port and addresses, or a host was cloned.",
        ),
    ),
    counter(
        "ha.link.unreadable",
        HA_SECURITY,
        "Packets of another program version",
        "Packets whose format this program does not know: their sender is not heard.",
        "unreadable",
        lambda s: _sum_of(s, UNREADABLE),
        alarm(
            Rose(0, 600),
            "cannot read what a host with another program version sends",
            POOR,
            "Bring all hosts to the same version of ha-monitor; `ha-monitor status` names each one's.",
        ),
    ),
    counter(
        "ha.link.replays",
        HA_SECURITY,
        "Packets heard twice",
        "Packets that were not new. A few are normal on a network that repeats packets.",
        "replays",
        lambda s: _sum_of(s, REPEATED),
        alarm(
            Rose(1000, 600), "many packets are repeated", MILD, "A loop in the network, or somebody replays."
        ),
    ),
)

SELF_NODE_FACTS: tuple[Fact, ...] = (
    *readiness(HA_READY, "Whether this Node could take a group over now."),
    state(
        "ha.node.protection",
        HA_PROTECTION_SELF,
        "Protection",
        "How far the promise of at most one Owner is enforced on this Node.",
        "HA protection",
        lambda s: word_of("HA protection", s.view.protection),
        alarm(
            Below(1),
            "best effort only",
            GRAVE,
            "In quorum mode ping this stays. Else install nftables; see `ha-monitor check`.",
            hold_s=30,
        ),
        alarm(
            Below(2),
            "the kernel does not enforce the Lease",
            MILD,
            "Install nftables and the kernel's nf_tables; see `ha-monitor check`.",
            hold_s=30,
        ),
        label="level",
    ),
    state(
        "ha.node.watchdog",
        HA_PROTECTION_SELF,
        "Watchdog",
        "What resets this Node when nothing else ends its exclusive groups; not needed where it owns none.",
        "HA watchdog",
        lambda s: s.view.watchdog or "not needed",
        alarm(
            Is(WATCHDOG_STATES["none"]),
            "no watchdog covers the exclusive data",
            MILD,
            "The promise does not hold for it when guard and core die at once: configure [watchdog].",
            hold_s=60,
        ),
        alarm(
            Is(WATCHDOG_STATES["missing"]),
            "the configured watchdog cannot be used",
            POOR,
            "The reason stands in the journal: load the driver's module, or mend [watchdog].",
            hold_s=60,
        ),
        alarm(
            Is(WATCHDOG_STATES["failing"]),
            "the watchdog takes no food",
            GRAVE,
            "This Node will be reset: look at the driver, move its groups away.",
        ),
        alarm(
            Is(WATCHDOG_STATES["withheld"]),
            "an exclusive group did not end in time",
            GRAVE,
            "This Node will be reset. Find out afterwards what kept the group from stopping.",
        ),
        label="watchdog",
    ),
)
