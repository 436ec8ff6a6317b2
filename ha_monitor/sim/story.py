"""A story as text: a sentence of intent, the cluster if it is not the usual one, and blocks of commands with
the trace that is expected below each.

    pub2 loses power: pub3 takes over when the Lease of pub2 has run out.

    group www 192.0.2.100 nginx@everywhere, failback after 2s

    # A comment stands in front of what it explains.
    power-off pub2
    run 3s
    expect www on pub3
    ----
         0  www: nobody answers
       960  www: pub3 answers

Paragraphs are separated by empty lines. What the words mean is in `story_cast` and `story_verbs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ha_monitor.errors import MISSING, ConfigError, ConfigErrors

TRACE_BELOW = "----"
INTENT = "a sentence that says what the story shows, with its full stop"
SETUP_WORDS = (
    "nodes",
    "witness",
    "links",
    "timing",
    "group",
    "start-grace",
    "clock",
    "quorum",
    "fence-delay",
    "fence-levels",
    "watchdog",
    "seed",
    "tell",
    "cold",
    "plant",
)


@dataclass(frozen=True)
class Line:
    """One line of a story's text; ``number`` counts from 1."""

    number: int
    text: str

    @property
    def words(self) -> tuple[str, ...]:
        """What stands there, word by word."""
        return tuple(self.text.split())


@dataclass(frozen=True)
class Block:
    """Commands that belong together, and the trace that is expected of them; None if none was written yet."""

    commands: tuple[Line, ...]
    trace: tuple[Line, ...] | None = None

    @property
    def expected(self) -> tuple[str, ...]:
        """The trace's text without the space at its ends."""
        return tuple(line.text.rstrip() for line in self.trace or ())


@dataclass(frozen=True)
class Story:
    """A whole file. ``name`` stands in front of every complaint about it."""

    name: str
    intent: str
    setup: tuple[Line, ...]
    blocks: tuple[Block, ...]
    text: tuple[str, ...]

    def where(self, line: Line) -> str:
        """For a complaint about that line."""
        return f"{self.name}:{line.number}"


def read_story(text: str, name: str) -> Story:
    """Take a story's text apart. Raises ConfigErrors with every line that does not fit."""
    lines = [Line(number, line) for number, line in enumerate(text.splitlines(), 1)]
    paragraphs = [tuple(p) for is_text, p in groupby(lines, key=lambda x: bool(x.text.strip())) if is_text]
    errors: list[ConfigError] = []
    intent = _intent(paragraphs, name, errors)
    setup: list[Line] = []
    blocks: list[Block] = []
    for paragraph in paragraphs[1:]:
        told = _without_comments(paragraph)
        if told and all(line.words[0] in SETUP_WORDS for line in told):
            if blocks:
                hint = "what describes the cluster stands above all commands"
                errors.append(ConfigError(f"{name}:{told[0].number}", told[0].text, "a command", hint))
            setup.extend(told)
        elif told:
            blocks.append(_block(told, name, errors))
    if not blocks:
        errors.append(ConfigError(name, MISSING, "a command"))
    if errors:
        raise ConfigErrors(errors)
    return Story(name, intent, tuple(setup), tuple(blocks), tuple(line.text for line in lines))


def _intent(paragraphs: Sequence[Sequence[Line]], name: str, errors: list[ConfigError]) -> str:
    if not paragraphs:
        errors.append(ConfigError(name, MISSING, INTENT))
        return ""
    first = paragraphs[0]
    text = " ".join(line.text.strip() for line in first)
    if text[-1] not in ".?!" or any(line.text.strip() == TRACE_BELOW for line in first):
        errors.append(ConfigError(f"{name}:{first[0].number}", first[0].text, INTENT))
    return text


def _without_comments(paragraph: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(line for line in paragraph if not line.text.startswith("#"))


def _block(told: Sequence[Line], name: str, errors: list[ConfigError]) -> Block:
    marks = [place for place, line in enumerate(told) if line.text.strip() == TRACE_BELOW]
    if not marks:
        return Block(tuple(told))
    if marks[0] == 0 or len(marks) > 1:
        line = told[marks[-1]]
        errors.append(ConfigError(f"{name}:{line.number}", line.text, "preceded by commands of its own"))
    return Block(tuple(told[: marks[0]]), tuple(told[marks[0] + 1 :]))


def retold(story: Story, traces: Sequence[Sequence[str]]) -> str:
    """The story's text with these traces, one for each block, in the place of those that it has."""
    text = list(story.text)
    for block, trace in reversed(list(zip(story.blocks, traces, strict=True))):
        last = block.commands[-1].number  # the trace begins behind this line
        old = 0 if block.trace is None else 1 + len(block.trace)
        text[last : last + old] = [TRACE_BELOW, *trace]
    return "\n".join(text).rstrip() + "\n"


def without_traces(story: Story) -> Story:
    """The same with nothing expected: to be played and looked at."""
    return replace(story, blocks=tuple(replace(block, trace=None) for block in story.blocks))
