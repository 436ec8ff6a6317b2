"""How programs on this host ask the daemon and give it orders: for the command line and the plugins.

Import-light on purpose: a plugin is started every minute on every host. Answers come from status.sock; where
nobody answers, from the file that the publisher writes, as long as that is fresh.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ha_monitor import paths
from ha_monitor.errors import ControlError
from ha_monitor.view import SinkView, View, read_view

ANSWER_MAX = 4 << 20
TIMEOUT_S = 3.0
STALE_S = 5.0  # the publisher writes at least once a second
_SECOND_NS = 1_000_000_000


class DaemonEndedError(ControlError):
    """The daemon closed the connection instead of answering: it ended, or its core was replaced."""


def fetch_view(timeout_s: float = TIMEOUT_S) -> View:
    """What this host's daemon knows now. Raises ControlError when nobody tells, or only old news."""
    try:
        text = ask(paths.status_socket(), b"", timeout_s)
    except ControlError as error:
        return _view_of_file(error)
    view = parse_view(text)
    return replace(view, sinks=_told_sinks(view)) if not view.sinks else view


def _told_sinks(view: View) -> tuple[SinkView, ...]:
    """The core does not know the sinks: the publisher adds them to its file, while it lives."""
    try:
        told = parse_view(paths.view_file().read_bytes())
    except (OSError, ControlError):
        return ()
    return told.sinks if abs(view.stamp_ns - told.stamp_ns) <= STALE_S * _SECOND_NS else ()


def parse_view(text: bytes | str) -> View:
    """A view from its JSON. Raises ControlError."""
    try:
        return read_view(json.loads(text))
    except ValueError as error:
        raise ControlError(f"the daemon's answer cannot be read: {error}") from error


def _view_of_file(why: ControlError) -> View:
    path = paths.view_file()
    try:
        view = parse_view(path.read_bytes())
    except OSError:
        raise why from None
    age_s = age_ns(view, time.time_ns()) / _SECOND_NS
    if not -STALE_S <= age_s <= STALE_S:
        raise ControlError(f"{why}; {path} is {age_s:.0f} s old, which is too old to believe")
    return view


def age_ns(view: View, wall_ns: int) -> int:
    """How old a view is by the wall clock, in ns."""
    return wall_ns - view.stamp_ns


def order(verb: str, timeout_s: float = TIMEOUT_S, **arguments: Any) -> Mapping[str, Any]:
    """Give an order to this host's daemon and return its answer.

    The daemon took it, no more: see `cli.verify` for whether it came true. Raises ControlError with the
    daemon's own reason when it refuses.
    """
    line = json.dumps({"order": verb, **arguments}).encode() + b"\n"
    answer = _object(ask(paths.control_socket(), line, timeout_s))
    if not answer.get("ok"):
        raise ControlError(str(answer.get("reason") or "the daemon refused without a reason"))
    return answer


def ask(path: Path, line: bytes, timeout_s: float) -> bytes:
    """Connect, send one line, read to the end. Raises ControlError in words for people."""
    until = time.monotonic() + timeout_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.settimeout(timeout_s)
            sock.connect(str(path))
            if line:
                sock.sendall(line)
            return _read_all(sock, until)
        except FileNotFoundError:
            raise ControlError(f"no ha-monitor daemon runs on this host ({path} does not exist)") from None
        except ConnectionRefusedError:
            raise ControlError(
                f"no ha-monitor daemon answers on this host (nobody listens on {path})"
            ) from None
        except PermissionError:
            hint = "be root or a member of the group ha-monitor"
            raise ControlError(f"{path}: user {os.geteuid()} may not do this: {hint}") from None
        except TimeoutError:
            raise ControlError(f"the daemon did not answer within {timeout_s:.0f} s ({path})") from None
        except OSError as error:
            raise ControlError(f"the daemon cannot be asked ({path}): {error.strerror}") from None


def _read_all(sock: socket.socket, until: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size <= ANSWER_MAX:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        part = sock.recv(1 << 16)
        if not part:
            if not parts:
                raise DaemonEndedError("the daemon ended while it was asked")
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    raise ControlError(f"the daemon's answer is longer than {ANSWER_MAX} bytes")


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ControlError("the daemon's answer is no JSON object")
    return answer
