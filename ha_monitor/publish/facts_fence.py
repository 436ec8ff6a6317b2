"""Facts about fences and their devices, as each Node finds them, told on that Node's host."""

from __future__ import annotations

from ha_monitor.publish.declare import Above, Below, Fact, Is, Kind, Rose, Service, Subject
from ha_monitor.publish.scopes import FENCE, FENCE_DEVICE
from ha_monitor.publish.shapes import BAD, GRAVE, MILD, POOR, alarm, counter, flag, number, state, words
from ha_monitor.publish.words import FENCE_STATES


def _fence_says(s: Subject) -> str:
    f = s.row
    if f.state == "idle":
        return f"could be powered off by {f.levels} level{'s' if f.levels > 1 else ''}"
    return f"{f.state}, by {f.who}: {f.why}{'; ' + f.detail if f.detail else ''}"


def _device_says(s: Subject) -> str:
    d = s.row
    age = f"tested {d.age_s // 60} min ago" if d.age_s >= 0 else "not tested yet"
    return f"powers {', '.join(d.nodes)}, {age}: {d.detail}"


HA_FENCING = Service("HA fencing {}", FENCE, _fence_says)
HA_FENCE_DEVICE = Service("HA fence device {}", FENCE_DEVICE, _device_says)

FENCE_FACTS: tuple[Fact, ...] = (
    state(
        "ha.fence.state",
        HA_FENCING,
        "Fence",
        "How far this Node is with powering that Node off. fenced lasts until it votes again; failed means"
        " that every level failed and that in mode fencing nobody takes over.",
        "HA fence state",
        lambda s: s.row.state,
        alarm(
            Is(FENCE_STATES["failed"]),
            "could not be powered off",
            BAD,
            "In mode fencing its groups wait for it. Mend the fence device; or make sure by hand that the"
            " Node is off and run `ha-monitor confirm-fenced NODE`.",
        ),
        alarm(
            Is(FENCE_STATES["fenced"]),
            "is powered off",
            GRAVE,
            "Find out why it was fenced before you power it on again; it joins by itself.",
        ),
        alarm(
            Is(FENCE_STATES["running"]), "is being powered off", MILD, "Wait for what comes of it.", hold_s=10
        ),
        alarm(
            Is(FENCE_STATES["waiting"]),
            "is about to be powered off",
            MILD,
            "Wait for the delay to end.",
            hold_s=30,
        ),
    ),
    counter(
        "ha.fence.count",
        HA_FENCING,
        "Confirmed fences",
        "How often it was known to be off by a fence, since the core of this Node started.",
        "fences",
        lambda s: s.row.count,
        alarm(Rose(1, 86_400), "is fenced again and again", BAD, "It comes back and falls silent: look why."),
    ),
    number(
        "ha.fence.took",
        HA_FENCING,
        "Duration of the last fence",
        "From the order to the confirmation or the last failure.",
        "took",
        lambda s: s.row.took_ms / 1000 if s.row.took_ms else -1,
        unit="s",
        kind=Kind.FLOAT,
    ),
    words(
        "ha.fence.cause",
        HA_FENCING,
        "Cause and outcome",
        "Who ordered the last fence and why, and what came of it.",
        lambda s: f"{s.row.who}: {s.row.why}; {s.row.detail or s.row.state}" if s.row.who else "none",
        kind=Kind.TEXT,
    ),
)

FENCE_DEVICE_FACTS: tuple[Fact, ...] = (
    flag(
        "ha.fence.up",
        HA_FENCE_DEVICE,
        "Works",
        "Whether the last test of the device passed and is not too old: its monitor, its plugs' status.",
        "works",
        lambda s: s.row.is_working if s.row.age_s >= 0 else None,
        alarm(
            Below(1),
            "does not pass its test",
            BAD,
            "A fence would fail. Its text stands beside it: look at the device's power, address, password.",
        ),
    ),
    number(
        "ha.fence.test.age",
        HA_FENCE_DEVICE,
        "Age of the test",
        "Since the last test of the device ended; -1: not tested yet.",
        "test_age",
        lambda s: s.row.age_s,
        alarm(Above(172_800), "was not tested for two days", MILD, "Look whether this Node's worker runs."),
        alarm(Below(0), "was never tested", POOR, "Look whether this Node's worker runs.", hold_s=600),
        unit="s",
    ),
    words(
        "ha.fence.test.text",
        HA_FENCE_DEVICE,
        "Text of the test",
        "What the device's agent said.",
        lambda s: s.row.detail,
        kind=Kind.TEXT,
    ),
)
