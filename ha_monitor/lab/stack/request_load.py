"""A client outside the pair that asks the 80 names in turn, at a steady rate, and counts the losses.

It runs in the lab's host `client`: a new connection for every request, each given up after one
second, none repeated. A reply counts only if it names the virtual host that was asked. Counts are
kept for windows of sending time, so that a step of a story finds its own losses.
"""

import contextlib
import json
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

NS = 1_000_000_000
WINDOW_NS = 100_000_000
REPLY_MAX = 4096
IN_FLIGHT_MAX = 1024


@dataclass
class Window:
    """Requests sent in one window; times on the machine's monotonic clock, the same in every host."""

    at_ns: int
    sent: int = 0
    answered: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    open: int = 0

    def settle(self, host: str | None, reason: str) -> None:
        """Count the end of one request: answered by `host`, or lost for `reason`."""
        self.open -= 1
        counts, key = (self.lost, reason) if host is None else (self.answered, host)
        counts[key] = counts.get(key, 0) + 1


@dataclass(frozen=True)
class Tally:
    """What became of the requests of a stretch of time."""

    sent: int
    lost: int
    answered: dict[str, int]
    reasons: dict[str, int]


@dataclass
class _Request:
    socket: socket.socket
    name: str
    deadline_ns: int
    window: Window
    reply: bytes = b""


def tally(windows: Iterable[Window], since_ns: int, until_ns: int) -> Tally:
    """Sum the windows that begin at or after `since_ns` and before `until_ns`."""
    sent, answered, reasons = 0, Counter[str](), Counter[str]()
    for window in windows:
        if since_ns <= window.at_ns < until_ns:
            sent += window.sent
            answered.update(window.answered)
            reasons.update(window.lost)
    return Tally(sent, reasons.total(), dict(answered), dict(reasons))


def judge(reply: bytes, name: str) -> tuple[str | None, str]:
    """Return the host that answered, or None and the reason why the reply does not count."""
    head, _, body = reply.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        return None, "status" if head.startswith(b"HTTP/") else "no-reply"
    words = body.decode(errors="replace").split()
    if len(words) != 2 or words[0] != name:
        return None, "wrong-name"
    return words[1], ""


class RequestLoad:
    """Sends on time, never faster to catch up: what a stall of its own swallowed was not sent."""

    def __init__(
        self, target: tuple[str, int], names: Sequence[str], rate: int, timeout_ns: int, out: TextIO
    ) -> None:
        self._target = target
        self._family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        self._names = names
        self._interval_ns = NS // rate
        self._timeout_ns = timeout_ns
        self._out = out
        self._selector = selectors.DefaultSelector()
        # In order of sending, so deadlines are in order too.
        self._in_flight: dict[socket.socket, _Request] = {}
        self._windows: dict[int, Window] = {}
        self._turn = 0

    def run(self) -> None:
        """Send until the process is ended."""
        due_ns = time.monotonic_ns()
        while True:
            now_ns = time.monotonic_ns()
            if now_ns >= due_ns:
                self._send(now_ns)
                due_ns = max(due_ns + self._interval_ns, now_ns)
            self._give_up(now_ns)
            self._write_finished(now_ns)
            wait_ns = max(0, due_ns - time.monotonic_ns())
            for key, _ in self._selector.select(wait_ns / NS):
                self._advance(key)

    def _send(self, now_ns: int) -> None:
        start_ns = now_ns - now_ns % WINDOW_NS
        window = self._windows.setdefault(start_ns, Window(start_ns))
        window.sent += 1
        window.open += 1
        name = self._names[self._turn % len(self._names)]
        self._turn += 1
        if len(self._in_flight) >= IN_FLIGHT_MAX:
            window.settle(None, "too-many")
            return
        link = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        request = _Request(link, name, now_ns + self._timeout_ns, window)
        self._in_flight[link] = request
        try:
            with contextlib.suppress(BlockingIOError):
                link.connect(self._target)
        except OSError as error:
            self._end(request, None, _reason(error))
            return
        self._selector.register(link, selectors.EVENT_WRITE, request)

    def _advance(self, key: selectors.SelectorKey) -> None:
        request: _Request = key.data
        try:
            if key.events & selectors.EVENT_WRITE:
                self._ask(request)
                return
            chunk = request.socket.recv(REPLY_MAX)
        except OSError as error:
            self._end(request, None, _reason(error))
            return
        request.reply += chunk
        if not chunk or len(request.reply) > REPLY_MAX:
            self._end(request, *judge(request.reply, request.name))

    def _ask(self, request: _Request) -> None:
        error = request.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, "")
        text = f"GET / HTTP/1.1\r\nHost: {request.name}\r\nConnection: close\r\n\r\n"
        request.socket.send(text.encode())
        self._selector.modify(request.socket, selectors.EVENT_READ, request)

    def _give_up(self, now_ns: int) -> None:
        for request in list(self._in_flight.values()):
            if request.deadline_ns > now_ns:
                return
            self._end(request, None, "timeout")

    def _end(self, request: _Request, host: str | None, reason: str) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(request.socket)
        request.socket.close()
        del self._in_flight[request.socket]
        request.window.settle(host, reason)

    def _write_finished(self, now_ns: int) -> None:
        """Write windows that are past and whose requests have all ended; each is written once."""
        for start_ns, window in list(self._windows.items()):
            if window.open or start_ns + WINDOW_NS > now_ns:
                return
            self._out.write(json.dumps(asdict(window)) + "\n")
            self._out.flush()
            del self._windows[start_ns]


def read_windows(file: Path) -> list[Window]:
    """Read back what a running or ended client wrote; a line being written is left out."""
    text = file.read_text()
    complete = text[: text.rfind("\n") + 1]
    return [Window(**json.loads(line)) for line in complete.splitlines()]


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return "reset" if isinstance(error, ConnectionError) else f"error-{error.errno}"


def main() -> None:
    """Arguments: address, port, requests a second, timeout in ms, output file, names."""
    address, port, rate, timeout_ms, output, *names = sys.argv[1:]
    with open(output, "a") as out:
        target = (address, int(port))
        RequestLoad(target, names, int(rate), int(timeout_ms) * 1_000_000, out).run()


if __name__ == "__main__":
    main()
