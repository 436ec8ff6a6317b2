"""A strict reader of one TOML table: every setting is asked for by name, what nobody asked for is an error.

Errors are collected, not raised: an operator sees all of them at once. For config.py and its parts.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ha_monitor.errors import MISSING, ConfigError
from ha_monitor.model import Address, Interface
from ha_monitor.timebase import format_duration, parse_duration_ns

T = TypeVar("T")


class Unfit(Exception):
    """A value cannot be used: what should stand there, and a hint. Table makes a ConfigError of it."""

    def __init__(self, expected: str, hint: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.hint = hint


class Table:
    """One table of the file. ``where``: file and table, as errors name it."""

    def __init__(self, where: str, values: Mapping[str, Any], errors: list[ConfigError]) -> None:
        self.where = where
        self.errors = errors
        self._values = values
        self._asked: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def keys(self) -> tuple[str, ...]:
        """What stands in the table, in the file's order."""
        return tuple(self._values)

    def peek(self, key: str) -> Any:
        """What stands there, unread: for a judgement about another setting."""
        return self._values.get(key)

    def report(self, key: str, found: object, expected: str, hint: str = "") -> None:
        """Note an error about one setting."""
        self.errors.append(ConfigError(f"{self.where} {key}".rstrip(), found, expected, hint))

    def check(self, key: str, value: object, read: Callable[[Any], object]) -> None:
        """Note it if the value is unfit."""
        try:
            read(value)
        except Unfit as unfit:
            self.report(key, value, unfit.expected, unfit.hint)

    def take(self, key: str, read: Callable[[Any], T], default: T) -> T:
        """The setting's value; ``default`` where it is absent, or unfit, which is noted."""
        self._asked[key] = None
        if key not in self._values:
            return default
        try:
            return read(self._values[key])
        except Unfit as unfit:
            self.report(key, self._values[key], unfit.expected, unfit.hint)
            return default

    def need(self, key: str, read: Callable[[Any], T], default: T, expected: str) -> T:
        """Like ``take``, but absence is an error too."""
        if key not in self._values:
            self._asked[key] = None
            self.report(key, MISSING, expected)
        return self.take(key, read, default)

    def table(self, key: str) -> Table | None:
        """The table under ``key``, or None where it is absent or something else, which is noted."""
        self._asked[key] = None
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.report(key, value, "a table")
            return None
        where = f"{self.where[:-1]}.{key}]" if self.where.endswith("]") else f"{self.where} [{key}]"
        return Table(where, value, self.errors)

    def finish(self) -> None:
        """Note every setting that nobody asked for."""
        for key, value in self._values.items():
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(self._asked)}"
                kind = "a table" if isinstance(value, dict) else "a setting"
                self.report("", key, f"{kind} of ha-monitor", hint)


def text(value: Any) -> str:
    """Any text on one line, not empty."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise Unfit("a text on one line")
    return value


def name_like(pattern: str, expected: str) -> Callable[[Any], str]:
    """A text that the pattern matches as a whole."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise Unfit(expected)
        return value

    return read


def one_of(*words: str) -> Callable[[Any], str]:
    """One of these words."""

    def read(value: Any) -> str:
        if value not in words:
            near = difflib.get_close_matches(str(value), words, n=1)
            raise Unfit(f"one of {', '.join(words)}", f"did you mean {near[0]!r}?" if near else "")
        return str(value)

    return read


def whole_number(least: int, most: int) -> Callable[[Any], int]:
    """A number within bounds; true and false are none."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Unfit(f"a whole number from {least} to {most}")
        return value

    return read


def duration(least_ns: int, most_ns: int) -> Callable[[Any], int]:
    """A length of time such as "100ms", in ns."""
    bounds = f"a time from {format_duration(least_ns)} to {format_duration(most_ns)}"

    def read(value: Any) -> int:
        try:
            length_ns = parse_duration_ns(value) if isinstance(value, str) else -1
        except ValueError:
            length_ns = -1
        if not least_ns <= length_ns <= most_ns:
            raise Unfit(bounds, 'write a whole number and ms, s, m, h or d in quotes, such as "500ms"')
        return length_ns

    return read


def address(value: Any) -> Address:
    """An address that a host can have."""
    try:
        found = ipaddress.ip_address(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.is_multicast or found.is_unspecified or int(found) == 2**32 - 1:
        hint = "a name with dots needs quotes around it" if isinstance(value, dict) else ""
        raise Unfit("an IPv4 or IPv6 address in quotes", hint)
    if isinstance(found, ipaddress.IPv6Address) and found.is_link_local:
        raise Unfit("an address that is the same from everywhere", "link-local addresses are not")
    return found


def service_address(value: Any) -> Interface:
    """An address with its network's length: 192.0.2.100/24."""
    try:
        found = ipaddress.ip_interface(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None:
        raise Unfit('a service address with the length of its network, such as "192.0.2.100/24"')
    address(str(found.ip))
    if "/" not in value:
        raise Unfit("a service address with the length of its network", f'such as "{value}/24"')
    has_edges = found.network.num_addresses > 2 and found.version == 4
    if has_edges and found.ip in (found.network.network_address, found.network.broadcast_address):
        raise Unfit(f"the address of a host in {found.network}")
    return found


def host_port(default_port: int) -> Callable[[Any], str]:
    """``host``, ``host:port`` or ``[IPv6]:port``, always given back with its port."""
    form = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?")

    def read(value: Any) -> str:
        match = form.fullmatch(value) if isinstance(value, str) else None
        port = int(match[2] or default_port) if match else 0
        if not match or not 0 < port < 65536:
            raise Unfit(
                f'a host and port such as "192.0.2.9:{default_port}" or "[2001:db8::9]:{default_port}"'
            )
        return f"{match[1]}:{port}"

    return read


def file_path(value: Any) -> str:
    """A path from the root on."""
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable():
        raise Unfit("the path of a file, beginning with /")
    return value


def url(value: Any) -> str:
    """An http or https address; what it asks must not hold a password."""
    form = re.compile(r"https?://[^\s/@]+(/\S*)?")
    if not isinstance(value, str) or not form.fullmatch(value):
        raise Unfit(
            'an address such as "https://192.0.2.9/zabbix"', "user and password go into `credentials`"
        )
    return value
