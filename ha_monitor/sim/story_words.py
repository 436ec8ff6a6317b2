"""The words of a story's commands: a table of forms; each word is checked before anything runs.

A form is written as people read it: ``cut LINK VOTER``. Small letters stand for themselves, ``a|b`` for one
of several words, capitals for a kind of word, ``VOTER...`` for one or more of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ha_monitor.errors import ConfigError
from ha_monitor.model import Cause, ClusterConfig, NodeState, ResourceKind
from ha_monitor.timebase import parse_duration_ns

MESSAGES = ("ASK", "PREPARE", "PROMISE", "PROPOSE", "ACCEPT", "REFUSE", "RELEASE")
CLUSTER_STATES = ("ok", "degraded", "at-risk", "down")


class Unfit(Exception):
    """A word is not what stands in its place; the text says what should."""


@dataclass(frozen=True)
class Names:
    """What may be named in a story about this cluster."""

    voters: tuple[str, ...]
    nodes: tuple[str, ...]
    links: tuple[str, ...]
    groups: tuple[str, ...]
    resources: tuple[str, ...]  # without service addresses
    devices: tuple[str, ...]  # that fence
    addresses: Mapping[str, str]  # as written in a story (no prefix length) to the Resource's name

    @classmethod
    def of(cls, config: ClusterConfig) -> Names:
        """The names that a configuration gives."""
        resources = [r for group in config.groups for r in group.resources]
        return cls(
            voters=tuple(v.name for v in config.voters),
            nodes=tuple(v.name for v in config.nodes),
            links=tuple(dict.fromkeys(link for v in config.voters for link in v.addresses)),
            groups=tuple(group.name for group in config.groups),
            resources=tuple(r.name for r in resources if r.kind is not ResourceKind.VIP),
            devices=tuple(device.name for device in config.fencing.devices),
            addresses={r.name.partition("/")[0]: r.name for r in resources if r.kind is ResourceKind.VIP},
        )


def _one_of(what: str, known: Sequence[str], word: str) -> str:
    if word not in known:
        raise Unfit(f"{what} ({', '.join(known)})")
    return word


def _length(_: Names, word: str) -> int:
    try:
        return parse_duration_ns(word)
    except ValueError:
        raise Unfit("a length of time such as 3s or 250ms") from None


def _part(_: Names, word: str) -> float:
    number = word.removesuffix("%")
    if number == word or not number.isdecimal() or int(number) > 100:
        raise Unfit("a part such as 20%")
    return int(number) / 100


def _number(_: Names, word: str) -> int:
    if not word.isdecimal():
        raise Unfit("a whole number")
    return int(word)


def _links(names: Names, word: str) -> tuple[str, ...]:
    return names.links if word == "all" else (_one_of("a Link", (*names.links, "all"), word),)


def _address(names: Names, word: str) -> str:
    return names.addresses[_one_of("a service address", tuple(names.addresses), word)]


def _cause(_: Names, word: str) -> Cause:
    return Cause(_one_of("a cause", [cause.value for cause in Cause], word))


def _what(names: Names, word: str) -> str:
    return _one_of("a group or a Resource", (*names.groups, *names.resources), word)


KINDS: Mapping[str, Callable[[Names, str], Any]] = {
    "VOTER": lambda names, word: _one_of("a voter", names.voters, word),
    "NODE": lambda names, word: _one_of("a Node", names.nodes, word),
    "TARGET": lambda _, word: word,  # an operator may name any Node, also one that does not exist
    "LINK": _links,
    "GROUP": lambda names, word: _one_of("a group", names.groups, word),
    "RESOURCE": lambda names, word: _one_of("a Resource", names.resources, word),
    "WHAT": _what,
    "ADDRESS": _address,
    "DEVICE": lambda names, word: _one_of("a fence device", names.devices, word),
    "TIME": _length,
    "PART": _part,
    "NUMBER": _number,
    "MESSAGE": lambda _, word: _one_of("a message of the Lease", MESSAGES, word),
    "CAUSE": _cause,
    "STATE": lambda _, word: _one_of("a Node's state", [s.value for s in NodeState], word),
    "CLUSTER-STATE": lambda _, word: _one_of("a state of the cluster", CLUSTER_STATES, word),
    "FACT": lambda _, word: word,
    "VALUE": lambda _, word: word,
}


@dataclass(frozen=True)
class Mismatch:
    """How far a line fits a form, and what does not."""

    fits: int
    found: str  # "" if the line ends too early
    expected: str


@dataclass(frozen=True)
class Form:
    """One way to say something, what it means for the reader of the manual, and what is done."""

    usage: str
    meaning: str
    do: Callable[..., None]

    def match(self, names: Names, words: Sequence[str]) -> tuple[Any, ...] | Mismatch:
        """The values of the words in capitals (and of choices), in order; or what does not fit."""
        values: list[Any] = []
        pattern = self.usage.split()
        for place, kind in enumerate(pattern):
            is_many = kind.endswith("...")
            if place >= len(words):
                return Mismatch(place, "", f"{kind} ({self.usage})")
            try:
                if is_many:
                    reader = KINDS[kind.removesuffix("...")]
                    return (*values, tuple(reader(names, word) for word in words[place:]))
                _take(kind, names, words[place], values)
            except Unfit as unfit:
                return Mismatch(place, words[place], f"{unfit} ({self.usage})")
        if len(words) > len(pattern):
            return Mismatch(len(pattern), words[len(pattern)], f"the end of the line ({self.usage})")
        return tuple(values)


def _take(kind: str, names: Names, word: str, values: list[Any]) -> None:
    if kind in KINDS:
        values.append(KINDS[kind](names, word))
    elif "|" in kind:
        values.append(_one_of("one of", kind.split("|"), word))
    else:
        _one_of("the word", (kind,), word)


def bind(
    forms: Sequence[Form], names: Names, words: Sequence[str], where: str
) -> tuple[Form, tuple[Any, ...]]:
    """The form that a line has, and its values. Raises ConfigError that names the word that does not fit."""
    same_verb = [form for form in forms if form.usage.split()[0] == words[0]]
    if not same_verb:
        verbs = ", ".join(dict.fromkeys(form.usage.split()[0] for form in forms))
        raise ConfigError(where, words[0], f"one of {verbs}")
    closest: Mismatch | None = None
    for form in same_verb:
        found = form.match(names, words)
        if not isinstance(found, Mismatch):
            return form, found
        if closest is None or found.fits > closest.fits:
            closest = found
    assert closest is not None, "there is at least one form"
    raise ConfigError(where, closest.found or "the end of the line", closest.expected)


Verb = Callable[..., None]
VERBS: list[Form] = []  # each module with verbs enters its own


class Impossible(Exception):
    """A command cannot be carried out as things stand: the text says why."""


def verb(*usages: str) -> Callable[[Verb], Verb]:
    """Enter a function as what these forms do; its docstring is what the manual says."""

    def enter(do: Verb) -> Verb:
        meaning = (do.__doc__ or "").strip()
        VERBS.extend(Form(usage, meaning, do) for usage in usages)
        return do

    return enter
