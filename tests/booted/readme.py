"""The README's commands as data: fenced ``sh`` blocks with the hosts for which they are."""

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^```(\w*) *([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block of commands. ``step``: the number of the paragraph before it, as ``**3.``."""

    step: int
    hosts: tuple[str, ...]
    script: str


def section_of(text, title):
    """What stands between this second-level heading and the next one."""
    _, found, rest = text.partition(f"\n## {title}\n")
    assert found, f"no section {title!r}"
    return rest.partition("\n## ")[0]


def blocks_of(section):
    """Every ``sh`` block in order. Raises ValueError for one without a host."""
    blocks = []
    for fence in _FENCE.finditer(section):
        language, hosts, script = fence.groups()
        steps = re.findall(r"^\*\*(\d+)\.", section[: fence.start()], re.MULTILINE)
        if language != "sh":
            continue
        if not hosts:
            raise ValueError(f"a block of commands names no host:\n{script}")
        blocks.append(Block(int(steps[-1]) if steps else 0, tuple(hosts.split()), script))
    return blocks
