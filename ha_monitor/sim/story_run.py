"""Plays stories: each command in its turn, each block's trace against what the story expects.

    play(read_story(text, name))    what happened, block by block; raises StoryFailed where it must not go on

Safety is checked after every event, as in every simulated world.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ha_monitor.errors import ConfigError, ConfigErrors, HaMonitorError
from ha_monitor.sim import story_fencing, story_machines, story_verbs
from ha_monitor.sim.story import Block, Line, Story, read_story, retold
from ha_monitor.sim.story_cast import Cast, read_cast
from ha_monitor.sim.story_looks import LOOKS, NotSo
from ha_monitor.sim.story_words import VERBS, Form, Impossible, Names, bind
from ha_monitor.sim.story_world import StoryWorld

WITH_VERBS = (story_machines, story_verbs, story_fencing)  # to import them enters what they know
FORMS: Sequence[Form] = (*VERBS, *LOOKS)
Step = tuple[Line, Form, tuple[Any, ...]]


class StoryFailed(HaMonitorError):
    """A story does not go as it is told: an expectation is false, or a promise was broken."""


@dataclass(frozen=True)
class Outcome:
    """What happened: one trace for each block, and how many events it took."""

    traces: tuple[tuple[str, ...], ...]
    events: int


def play(story: Story) -> Outcome:
    """Play it. Raises ConfigErrors for lines that do not fit, StoryFailed where it goes wrong."""
    cast = read_cast(story)
    steps = _bind_all(story, cast)
    world = StoryWorld(cast)
    traces = []
    for block in steps:
        world.begin_block()
        for step in block:
            _take(world, story, step)
        traces.append(tuple(world.teller.lines()))
    return Outcome(tuple(traces), world.events)


def _bind_all(story: Story, cast: Cast) -> list[list[Step]]:
    names, errors = Names.of(cast.config()), []
    blocks: list[list[Step]] = []
    for block in story.blocks:
        steps: list[Step] = []
        for line in block.commands:
            try:
                form, values = bind(FORMS, names, line.words, story.where(line))
                steps.append((line, form, values))
            except ConfigError as error:
                errors.append(error)
        blocks.append(steps)
    if errors:
        raise ConfigErrors(errors)
    return blocks


def _take(world: StoryWorld, story: Story, step: Step) -> None:
    line, form, values = step
    is_time = form.usage.startswith("run")
    try:
        form.do(world, *values) if is_time else world.by_hand(form.do, *values)
    except NotSo as false:
        raise StoryFailed(f"{story.where(line)}: {line.text.strip()}: but {false}") from false
    except Impossible as reason:
        raise StoryFailed(f"{story.where(line)}: {line.text.strip()}: {reason}") from reason
    except AssertionError as broken:
        raise StoryFailed(f"{story.where(line)}: {type(broken).__name__}: {broken}") from broken


def differences(story: Story, outcome: Outcome) -> list[str]:
    """What was told and did not happen (-), what happened and was not told (+); empty if all is as told."""
    found: list[str] = []
    for block, trace in zip(story.blocks, outcome.traces, strict=True):
        if block.trace is None:
            found.append(f"{story.where(block.commands[0])}: no trace is told below these commands")
        elif block.expected != trace:
            found.append(f"{story.where(block.commands[0])}: {block.commands[0].text.strip()}")
            found.extend(_marked(block, trace))
    return found


def _marked(block: Block, trace: Sequence[str]) -> Iterable[str]:
    marks = difflib.ndiff(block.expected, trace)
    return (mark.rstrip() for mark in marks if not mark.startswith("?"))


class Verdict(enum.IntEnum):
    """How a file's story went; the number is an exit code."""

    AS_TOLD = 0
    OTHERWISE = 1
    UNREADABLE = 2


def play_file(path: Path, rewrite: bool = False, say: Callable[[str], None] = lambda _: None) -> Verdict:
    """Play one file and say what differs; with ``rewrite`` put what happened in the place of its traces.

    A story whose expectations are false, or that breaks a promise, is never rewritten.
    """
    try:
        story = read_story(path.read_text(encoding="utf-8"), str(path))
        outcome = play(story)
    except (ConfigErrors, OSError, UnicodeDecodeError) as error:
        say(str(error))
        return Verdict.UNREADABLE
    except StoryFailed as failed:
        say(str(failed))
        return Verdict.OTHERWISE
    found = differences(story, outcome)
    if found and rewrite:
        path.write_text(retold(story, outcome.traces), encoding="utf-8")
        say(f"{path}: rewritten; read the difference before you keep it")
        return Verdict.AS_TOLD
    for line in found:
        say(line)
    return Verdict.OTHERWISE if found else Verdict.AS_TOLD
