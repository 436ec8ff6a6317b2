"""A path through the explored world for people: one line for each choice, and what stands after it."""

from __future__ import annotations

from collections.abc import Iterator

from ha_monitor.sim.explore_world import Choice, Facts, Machines, State
from ha_monitor.timebase import MS


def told(machines: Machines, before: State, choice: Choice | None, after: State | None) -> Iterator[str]:
    """The choice, then the three machines; ``after`` None: what it led to must not be."""
    if choice is not None:
        yield f"- {_choice(machines, choice)}"
    if after is None:
        return
    for index, number in enumerate(after.machines):
        if choice is None or number != before.machines[index]:
            yield f"    {_name(machines, index):5} {_machine(machines.facts[number])}"


def _choice(machines: Machines, choice: Choice) -> str:
    parts = [choice.what]
    if choice.packet is not None:
        packet = choice.packet
        content = machines.packets[packet.content][0]
        said = ", ".join(type(message).__name__.upper() for message in content.messages) or "heartbeat"
        way = f"{_name(machines, packet.source)} -> {_name(machines, packet.target)}"
        parts = [f"arrives: {way}, {packet.age_ns // MS} ms old: {said}"]
    elif choice.machine >= 0:
        parts.append(_name(machines, choice.machine))
    if choice.stop:
        parts.append(f"and {_name(machines, choice.machine)} stands still at its point {choice.stop}")
    return " ".join(parts)


def _machine(facts: Facts) -> str:
    words = []
    if facts.holds:
        words.append(f"holds the Lease under {facts.epoch.counter}.{facts.epoch.node}")
    if facts.serves:
        words.append("its kernel answers")
    if facts.is_paused:
        words.append("stands still")
    if facts.todo:
        words.append(f"its core is dead, next: {', '.join(facts.todo)}")
    return ", ".join(words) or "runs"


def _name(machines: Machines, index: int) -> str:
    return machines.config.voters[index].name
