"""Error families, cut by who can act on them.

A broken promise inside our own code is an ``assert`` with a message, never one of these:
nobody may catch it and carry on.
"""

from __future__ import annotations

from collections.abc import Sequence


class HaMonitorError(Exception):
    """Base of every error that this package raises on purpose."""


MISSING = object()  # what stands there, where nothing does


class ConfigError(HaMonitorError):
    """The configuration cannot be used, an operator can mend it: where, what stands there, what should."""

    def __init__(self, where: str, found: object, expected: str, hint: str = "") -> None:
        message = f"{where}: {found!r} is not {expected}"
        if found is MISSING:
            message = f"{where}: missing, expected {expected}"
        super().__init__(f"{message}; {hint}" if hint else message)
        self.where = where


class ConfigErrors(HaMonitorError):
    """All that is wrong in one file, so that it is mended in one go; one line each."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = tuple(errors)


class PrerequisiteError(HaMonitorError):
    """This machine lacks something (rights, a kernel feature, a program): what, and how to get it."""


class PacketRejected(HaMonitorError):
    """A peer or a stranger sent something unusable; ``reason`` is the name of a counter."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class NetlinkError(HaMonitorError):
    """The kernel refused a request about links, addresses or rules."""


class AgentError(HaMonitorError):
    """A Resource's start, stop or status could not be carried out."""


class SinkError(HaMonitorError):
    """Nagios or Zabbix did not take what was sent: what was tried, what came back."""


class ControlError(HaMonitorError):
    """The daemon could not be asked, or refused an order."""


class UsageError(HaMonitorError):
    """The command line asks for something that is not there: what it asks for, and what there is."""
