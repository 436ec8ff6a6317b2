"""A Heartbeat that is too long for one packet becomes several; the words of the Lease come first."""

from __future__ import annotations

from dataclasses import replace

from ha_monitor.messages import Heartbeat
from ha_monitor.wire.layout import MESSAGES_MAX, REQUESTS_MAX, TRANSITIONS_MAX, body_of


def _without_reasons(heartbeat: Heartbeat) -> Heartbeat:
    groups = tuple(replace(group, reason="") for group in heartbeat.report.groups)
    return replace(heartbeat, report=replace(heartbeat.report, groups=groups))


def fits(heartbeat: Heartbeat, room: int) -> bool:
    """Whether its body takes at most ``room`` bytes and no count goes over its bound."""
    counts = (
        (heartbeat.messages, MESSAGES_MAX),
        (heartbeat.requests, REQUESTS_MAX),
        (heartbeat.transitions, TRANSITIONS_MAX),
    )
    return all(len(values) <= most for values, most in counts) and len(body_of(heartbeat)) <= room


def split(heartbeat: Heartbeat, room: int) -> tuple[Heartbeat, ...]:
    """The same content in as many Heartbeats as it takes for each to fit; usually itself alone.

    Each part bears the whole report, the order of messages is kept, notes of transitions come last. Where a
    report alone is too long, its reasons are left out. Requests beyond their bound are left out: they
    are repeated anyway.
    """
    if fits(heartbeat, room):
        return (heartbeat,)
    bare = replace(heartbeat, messages=(), requests=(), transitions=())
    if not fits(bare, room):
        bare = _without_reasons(bare)
    parts = [replace(bare, requests=heartbeat.requests[:REQUESTS_MAX])]
    if not fits(parts[0], room):
        parts = [bare]
    for message in heartbeat.messages:
        _append(parts, bare, replace(parts[-1], messages=(*parts[-1].messages, message)), room)
    for note in heartbeat.transitions:
        _append(parts, bare, replace(parts[-1], transitions=(*parts[-1].transitions, note)), room)
    return tuple(parts)


def _append(parts: list[Heartbeat], bare: Heartbeat, longer: Heartbeat, room: int) -> None:
    """Let the last part grow to ``longer``, or begin another one with what was added."""
    if fits(longer, room):
        parts[-1] = longer
    elif longer.transitions:
        parts.append(replace(bare, transitions=longer.transitions[-1:]))
    else:
        parts.append(replace(bare, messages=longer.messages[-1:]))
