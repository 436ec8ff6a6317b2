"""Plain values as YAML text: mappings, lists and strings, all strings quoted where there could be doubt.

Zabbix reads every scalar as a string, so there are no numbers here. A reader for this subset is not needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Union

Yaml = Union[str, Mapping[str, "Yaml"], Sequence["Yaml"]]  # noqa: UP007 (a recursive alias)

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.+/ -]*[A-Za-z0-9_]|[A-Za-z]")
_WORDS = {"yes", "no", "true", "false", "null", "on", "off", "y", "n"}


def to_yaml(value: Yaml) -> str:
    """The text, ending with a newline."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Yaml) -> Iterator[str]:
    if isinstance(value, str):
        yield _scalar(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _entry(f"{key}:", item)
    else:
        for item in value:
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)


def _entry(head: str, item: Yaml) -> Iterator[str]:
    if isinstance(item, str):
        yield f"{head} {_scalar(item)}"
        return
    assert item, f"{head} nothing to say: leave it out"
    yield head
    yield from (f"  {line}" for line in _lines(item))


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text, ensure_ascii=False)
