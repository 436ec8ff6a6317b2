"""Runs in the client: asks the web server at the service address for a page a hundred times a second.

For faults of the web server, which the probe's own responder survives. Each request is a new
connection and is given up after a second.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time
from dataclasses import dataclass

from ha_monitor.lab.observers import realtime
from ha_monitor.lab.observers.records import ANSWER, Recorder

EVERY_NS = 10_000_000
_GIVEN_UP_AFTER_NS = 1_000_000_000
_REQUEST = b"GET / HTTP/1.0\r\nHost: www01.example\r\n\r\n"


@dataclass
class _Request:
    sent_ns: int
    reply: bytes = b""
    asked: bool = False


def main() -> None:
    """``python -m ha_monitor.lab.observers.webprobe ADDRESS FILE``: until standard input closes."""
    address, path = sys.argv[1:]
    realtime.become_punctual()
    now_ns = due_ns = time.monotonic_ns()
    recorder = Recorder(path, now_ns)
    with selectors.DefaultSelector() as open_requests:
        while True:
            recorder.awake(now_ns, EVERY_NS)
            _begin(open_requests, address, now_ns)
            due_ns = max(due_ns + EVERY_NS, now_ns)
            while (left_ns := due_ns - time.monotonic_ns()) > 0:
                for key, _events in open_requests.select(left_ns / 1e9):
                    _go_on(open_requests, key, recorder)
            now_ns = time.monotonic_ns()
            _give_up(open_requests, now_ns)
            if recorder.is_flush_due(now_ns):
                recorder.flush(now_ns)
                if realtime.is_over():
                    return


def _begin(open_requests: selectors.BaseSelector, address: str, now_ns: int) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    # Refused at once or not, its outcome is read when the socket becomes writable.
    try:
        sock.connect((address, 80))
    except BlockingIOError:
        pass
    except OSError:
        sock.close()  # no way to the address
        return
    open_requests.register(sock, selectors.EVENT_WRITE, _Request(now_ns))


def _go_on(open_requests: selectors.BaseSelector, key: selectors.SelectorKey, recorder: Recorder) -> None:
    sock, request = key.fileobj, key.data
    assert isinstance(sock, socket.socket)
    try:
        if not request.asked:
            sock.send(_REQUEST)
            request.asked = True
            open_requests.modify(sock, selectors.EVENT_READ, request)
            return
        more = sock.recv(4096)
    except BlockingIOError:
        return
    except OSError:
        more, request.reply = b"", b""  # refused or cut off: no answer
    request.reply += more
    if more:
        return
    if host := host_named(request.reply):
        recorder.add(ANSWER, host, request.sent_ns, time.monotonic_ns())
    open_requests.unregister(sock)
    sock.close()


def host_named(reply: bytes) -> bytes:
    """The Node that a page names as its last word; empty when it is no such page."""
    head, _, page = reply.partition(b"\r\n\r\n")
    return page.split()[-1][:15] if b" 200 " in head.split(b"\r\n")[0] and page.split() else b""


def _give_up(open_requests: selectors.BaseSelector, now_ns: int) -> None:
    for key in list(open_requests.get_map().values()):
        if now_ns - key.data.sent_ns > _GIVEN_UP_AFTER_NS:
            assert isinstance(key.fileobj, socket.socket)
            open_requests.unregister(key.fileobj)
            key.fileobj.close()


if __name__ == "__main__":
    main()
