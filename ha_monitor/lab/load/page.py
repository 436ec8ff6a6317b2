"""Writes docs/load.md from the passes that were played. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

HEAD = (
    "| program | timing | dead time | minutes | takeovers | beside a stall | unexplained"
    " | interruptions | worst stall of the machine | own worst stall |"
)
RULE = "|---|---|---|---|---|---|---|---|---|---|"
EVENTS_MAX = 40
PAGE = """\
# Under load

What programs do when nothing fails and the machine is busy: {busy} processes that compute and {writers} that
write and call fsync, on a machine of two cores. Whatever moves is a needless takeover. This page is written
by the command that plays the passes, with root, on a machine that does nothing else:

    sudo .venv/bin/python bench/load_all.py --for {length}

Each program has a pass of its own; its timings stand side by side in labs of their own, under one load. A
client outside asks the service address every millisecond: *takeovers* are changes of the host that answers,
*interruptions* gaps of more than 100 ms after which the same host answers again. A recorder on each CPU, at a
higher real-time priority than everything else here, notes when it could not run: that is the machine's own
stall. A takeover is *beside a stall* if one of more than half the dead time touches the time from one dead
time before the last answer to the first new one; else it is *unexplained*. *Own worst stall* is how late the
program's own loop was called, as ha-monitor's fact `ha.node.stall.worst` tells it.

`ha-monitor lab load --timing lan fast --for 30m --json` plays ours alone.

{table}
{notes}
## Every takeover and interruption

{events}

## What the load was

{loads}
"""


def page(passes: Sequence[Mapping[str, Any]], length: str) -> str:
    """The whole document; lengths of time in ms unless said otherwise."""
    loads = [told["load"] for told in passes]
    rows = [_row(one) for told in passes for one in told["passes"]]
    return PAGE.format(
        busy=max((load["busy"] for load in loads), default=8),
        writers=max((load["writers"] for load in loads), default=3),
        length=length,
        table="\n".join((HEAD, RULE, *rows)) if rows else "Nothing was played yet.",
        notes="".join(f"\n{note}\n" for note in _notes(passes)),
        events="\n".join(_events(passes)) or "None.",
        loads="\n".join(_load(told) for told in passes) or "None yet.",
    )


def _row(one: Mapping[str, Any]) -> str:
    own = one["told"].get("worst_stall_ms")
    cells = (
        one["program"],
        one["timing"],
        f"{one['lease_ms']} ms",
        f"{one['seconds'] / 60:.1f}",
        one["takeovers"],
        one["explained"],
        one["unexplained"],
        one["interruptions"],
        f"{one['worst_stall_ms']:.0f} ms",
        "-" if own is None else f"{own} ms",
    )
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _notes(passes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    short = [told for told in passes if told["seconds"] < 1800]
    if short:
        names = ", ".join(str(told["program"]) for told in short)
        yield f"Passes shorter than 30 minutes, trials and no measurement: {names}."


def _events(passes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for told in passes:
        for one in told["passes"]:
            title = f"{one['program']} at {one['timing']}"
            for event in one["events"][:EVENTS_MAX]:
                yield (
                    f"- {title}, after {event['after_s']:.1f} s: {event['host_from']} -> {event['host_to']},"
                    f" {event['outage_ms']:.0f} ms; the machine stalled for {event['stall_ms']:.0f} ms"
                )
            if (more := len(one["events"]) - EVENTS_MAX) > 0:
                yield f"- {title}: {more} more"


def _load(told: Mapping[str, Any]) -> str:
    load, seconds, longest = told["load"], told["seconds"], told["load"]["longest_fsync_ms"]
    when = f"{told.get('date', 'no date')}, Linux {told.get('kernel', '?')}"
    return (
        f"- {told['program']} ({when}): {load['fsyncs']} calls of fsync in {seconds} s, the longest"
        f" {longest:.0f} ms; load average {load['load_average']:.1f}"
    )
