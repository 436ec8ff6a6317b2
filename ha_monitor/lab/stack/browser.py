"""A headless Chromium inside a lab host, driven over a pipe by its DevTools protocol.

The browser runs in the host's network, so it reaches the lab's pages and nothing else. One browser
takes all pictures: its start costs more than a page.
"""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ha_monitor.lab.stack.hosts import StackError, StackHost

WIDTH, HEIGHT, HEIGHT_MAX = 1400, 900, 3000
ANSWER_WITHIN_S = 60.0
STOP_WITHIN_S = 5.0
CHUNK = 1 << 16
EVENTS_MAX = 10_000
FIRST_FREE_FD = 20

_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--mute-audio",
)
# What a person would see, and what tells an error or a login page from the wanted one.
_LOOK = """JSON.stringify({
    title: document.title,
    text: document.body ? document.body.innerText : "",
    asks_password: document.querySelector("input[type=password]") !== null,
    complaints: Array.from(document.querySelectorAll(".msg-bad, .msg-global")).map(e => e.innerText),
    is_loading: document.readyState !== "complete" || document.querySelector("[class*=is-loading]") !== null,
})"""
# Zabbix scrolls inside of its wrapper, other pages as a whole.
_HEIGHT = """Math.max(document.documentElement.scrollHeight,
    ...Array.from(document.querySelectorAll(".wrapper, main")).map(each => each.scrollHeight))"""


@dataclass(frozen=True)
class Page:
    """What the browser shows: the status of its document, and the words a person would read."""

    url: str
    status: int
    title: str
    text: str
    asks_password: bool
    complaints: tuple[str, ...] = ()
    is_loading: bool = False


class Browser:
    """A running Chromium with one tab; a context manager, for it must be ended."""

    def __init__(self, host: StackHost) -> None:
        self._host = host
        self._next_id = 0
        self._session: str | None = None
        self._buffer = b""
        self._events: list[dict[str, Any]] = []
        self._profile = Path(tempfile.mkdtemp(prefix="browser-", dir=host.path("/tmp")))
        self._orders, self._answers, self._process = self._start()

    def __enter__(self) -> "Browser":
        try:
            self._open_tab()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the browser with its helpers and remove its profile."""
        with contextlib.suppress(StackError):
            self._call("Browser.close")
        os.close(self._orders)
        os.close(self._answers)
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def set_cookie(self, url: str, name: str, value: str) -> None:
        """Give the browser a cookie for the site of `url`."""
        self._call("Network.setCookie", name=name, value=value, url=url)

    def open(self, url: str, within_s: float = ANSWER_WITHIN_S) -> int:
        """Load a page and return the HTTP status of its document, 0 if nobody answered."""
        self._set_height(HEIGHT)
        self._events.clear()
        answer = self._call("Page.navigate", url=url)
        if answer.get("errorText"):
            return 0
        self._wait_for_event("Page.loadEventFired", within_s)
        for event in self._events:
            seen = event["params"]
            if event["method"] == "Network.responseReceived" and seen["type"] == "Document":
                return int(seen["response"]["status"])
        return 0

    def look(self, url: str, status: int) -> Page:
        """Return what the tab shows now; `url` and `status` are those of `open`."""
        seen = json.loads(self._evaluate(_LOOK))
        seen["complaints"] = tuple(seen["complaints"])
        return Page(url=url, status=status, **seen)

    def click(self, selector: str) -> None:
        """Click the first element that the CSS selector finds, if there is one."""
        self._evaluate(f"document.querySelector({json.dumps(selector)})?.click()")

    def grow(self) -> None:
        """Make the tab as high as its page, up to HEIGHT_MAX; what it shows may load again."""
        self._set_height(min(max(HEIGHT, int(self._evaluate(_HEIGHT))), HEIGHT_MAX))

    def picture(self) -> bytes:
        """Return the tab as PNG."""
        answer = self._call("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])

    def _start(self) -> tuple[int, int, subprocess.Popen[Any]]:
        inside_in, orders = _pipe()
        answers, inside_out = _pipe()
        profile = f"/tmp/{self._profile.name}"
        command = ["chromium", *_FLAGS, f"--window-size={WIDTH},{HEIGHT}", f"--user-data-dir={profile}"]
        # Chromium takes orders on descriptor 3 and answers on 4.
        renumber = f'exec "$@" 3<&{inside_in} 4>&{inside_out}'
        process = self._host.popen(
            ["bash", "-c", renumber, "browser", *command, "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(inside_in, inside_out),
            env={"PATH": "/usr/bin:/bin", "HOME": profile, "LANG": "C.UTF-8"},
        )
        os.close(inside_in)
        os.close(inside_out)
        return orders, answers, process

    def _open_tab(self) -> None:
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self._call(f"{domain}.enable")
        self._set_height(HEIGHT)

    def _evaluate(self, expression: str) -> Any:
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise StackError(f"the page cannot be looked at: {answer['exceptionDetails'].get('text')}")
        return answer["result"].get("value")

    def _set_height(self, height: int) -> None:
        size = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._next_id += 1
        order: dict[str, Any] = {"id": self._next_id, "method": method, "params": params}
        if self._session is not None and not method.startswith("Browser."):
            order["sessionId"] = self._session
        try:
            os.write(self._orders, json.dumps(order).encode() + b"\0")
        except OSError as error:
            raise StackError(f"Chromium has ended before {method}: {error}") from error
        for message in self._messages(method, ANSWER_WITHIN_S):
            if message.get("id") == self._next_id:
                return _result_of(method, message)
        raise AssertionError("messages end with an answer or with an error")

    def _wait_for_event(self, name: str, within_s: float) -> None:
        if any(event["method"] == name for event in self._events):
            return
        for message in self._messages(name, within_s):
            if message.get("method") == name:
                return

    def _messages(self, awaited: str, within_s: float) -> Iterator[dict[str, Any]]:
        """Yield what Chromium says; events are kept too. Raises StackError when time is up."""
        deadline = time.monotonic() + within_s
        while True:
            while b"\0" in self._buffer:
                raw, _, self._buffer = self._buffer.partition(b"\0")
                message: dict[str, Any] = json.loads(raw)
                if "method" in message and len(self._events) < EVENTS_MAX:
                    self._events.append(message)
                yield message
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise StackError(f"Chromium gave no {awaited} within {within_s:g} s")
            chunk = os.read(self._answers, CHUNK)
            if not chunk:
                raise StackError(f"Chromium ended while {awaited} was awaited")
            self._buffer += chunk


def _result_of(method: str, message: dict[str, Any]) -> dict[str, Any]:
    if "error" in message:
        raise StackError(f"Chromium refused {method}: {message['error']['message']}")
    result: dict[str, Any] = message["result"]
    return result


def _pipe() -> tuple[int, int]:
    """Return a pipe's two ends, with numbers that stay clear of those Chromium expects."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FD) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
