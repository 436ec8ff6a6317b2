"""One fence agent, by the convention of Debian's fence-agents: what it is told, and what its end means.

Parameters are ``name=value`` lines on standard input, ``action=`` among them; the exit code is the answer.
0 is success. `status` ends with 0 for a plug that is on and with 2 for one that is off; 2 is also what a
wrong argument gives, so only 2 together with a line that ends with the word OFF is taken for off: the list
of actions in a text of usage is none.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from ha_monitor.agents.programs import Ended, PipeOutput, run_line
from ha_monitor.model import FenceDevice

OUTPUT_MAX = 64 * 1024
SECRET_MAX = 1024
DETAIL_MAX = 160
STATUS_OFF = 2
_OFF = re.compile(r"^(?:[^\[\]{}|,]*[\s:=])?off[.\s]*$", re.IGNORECASE | re.MULTILINE)
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d [\d:,]+ (?:ERROR|WARNING|INFO): ")  # of the agents' common library

MEANINGS: Mapping[int, str] = {
    1: "failed",
    2: "wrong arguments",
    3: "login refused",
    4: "connection lost",
    5: "timed out by itself",
    6: "waited in vain for power on",
    7: "waited in vain for power off",
    8: "cannot tell the plug's status",
    9: "cannot tell the plug's status",
    10: "no password was given",
    11: "not allowed with these rights",
    12: "no such machine",
    126: "cannot be run",
    127: "there is no such program",
}


@dataclass(frozen=True)
class Abilities:
    """What an agent says of itself by ``action=metadata``. ``plug``: how it calls the plug."""

    actions: frozenset[str]
    plug: str = "plug"

    def offers(self, action: str) -> bool:
        """Whether it can be asked that. An agent that lists nothing is asked."""
        return action in self.actions or not self.actions


@dataclass(frozen=True)
class Told:
    """What came of one action. ``detail``: for people, without secrets."""

    is_done: bool
    detail: str


class Agent:
    """One device's agent."""

    def __init__(self, device: FenceDevice) -> None:
        self.device = device
        self._abilities: Abilities | None = None

    async def abilities(self) -> Abilities:
        """What it offers; asked once, and again as long as it gives no answer."""
        if self._abilities is None:
            ended = await self._run("metadata", "")
            if ended.code != 0:
                return Abilities(frozenset())
            self._abilities = abilities_of(ended.output)
        return self._abilities

    async def off(self, plug: str) -> Told:
        """Power that plug off. Done when the agent says so; whether it is off, `status` tells."""
        return self._judge("off", await self._run("off", plug))

    async def monitor(self) -> Told:
        """Whether the device answers."""
        return self._judge("monitor", await self._run("monitor", ""))

    async def status(self, plug: str) -> tuple[bool | None, str]:
        """Whether that plug is off; None with the reason where the agent cannot tell."""
        ended = await self._run("status", plug)
        return is_off(ended), self._detail("status", ended)

    async def _run(self, action: str, plug: str) -> Ended:
        plug_name = self._abilities.plug if self._abilities else "plug"
        try:
            secrets = [(name, read_secret(Path(path))) for name, path in self.device.secrets]
            told = parameters(action, [*self.device.options, *secrets], (plug_name, plug))
            with contextlib.ExitStack() as stack:
                stdin = stack.enter_context(os.fdopen(_pipe_with(told), "rb"))
                output = PipeOutput(OUTPUT_MAX)
                timeout_ns = self.device.timeout_ns
                ended = await run_line([self.device.agent], {}, timeout_ns, output, stdin.fileno())
        except (OSError, ValueError) as error:  # ValueError: a secret that is no text
            is_missing = isinstance(error, FileNotFoundError) and error.filename == self.device.agent
            return Ended(127 if is_missing else 126, str(error))
        return Ended(ended.code, without(ended.output, [value for _, value in secrets]))

    def _judge(self, action: str, ended: Ended) -> Told:
        return Told(ended.code == 0, self._detail(action, ended))

    def _detail(self, action: str, ended: Ended) -> str:
        said = first_line(ended.output)
        if ended.code is None:
            return f"{action}: ended after {self.device.timeout_ns // 10**9} s without an answer"
        if ended.code == 0 or (action == "status" and is_off(ended)):
            return f"{action}: {said or 'done'}"
        meaning = MEANINGS.get(ended.code, f"exit code {ended.code}")
        return f"{action}: {meaning}{f' ({said})' if said else ''}"


def is_off(ended: Ended) -> bool | None:
    """What the end of `status` says: off, on, or None for neither."""
    if ended.code == 0:
        return False
    return True if ended.code == STATUS_OFF and _OFF.search(ended.output) else None


def parameters(action: str, options: Sequence[tuple[str, str]], plug: tuple[str, str]) -> bytes:
    """What goes to the agent's standard input."""
    lines = [("action", action), *options]
    if plug[1]:
        lines.append(plug)
    return "".join(f"{name}={value}\n" for name, value in lines).encode()


def abilities_of(metadata: str) -> Abilities:
    """The agent's XML; nothing is known of an agent whose metadata cannot be read."""
    start = metadata.find("<resource-agent")
    try:
        root = ElementTree.fromstring(metadata[start:] if start >= 0 else metadata)
    except ElementTree.ParseError:
        return Abilities(frozenset())
    actions = frozenset(action.get("name", "") for action in root.iter("action"))
    names = {parameter.get("name", "") for parameter in root.iter("parameter")}
    return Abilities(actions, "port" if "port" in names and "plug" not in names else "plug")


def read_secret(path: Path) -> str:
    """The first line of the file. Raises OSError, also for a file that holds none."""
    with path.open(encoding="utf-8", errors="strict") as file:
        line = file.readline(SECRET_MAX).rstrip("\n")
    if not line:
        raise OSError(f"{path}: is empty, expected a secret on its first line")
    return line


def without(text: str, secrets: Sequence[str]) -> str:
    """The text without the secrets that an agent may have repeated."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def first_line(output: str) -> str:
    """The first line that says something, short enough for a log line."""
    lines = (_STAMP.sub("", line.strip()) for line in output.splitlines())
    return next((line[:DETAIL_MAX] for line in lines if line), "")


def _pipe_with(told: bytes) -> int:
    """The reading end of a pipe that holds this; a few kilobytes always fit."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    with os.fdopen(write_fd, "wb", buffering=0) as file:
        file.write(told)
    return read_fd
