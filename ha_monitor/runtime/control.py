"""The control sockets, served by the core's own loop: bounded in clients, bytes, time, and never waiting.

status.sock: whoever connects gets the view as one line of JSON. control.sock: one line of JSON is an order,
one line answers it; who may connect is said by the socket's owner and mode, who did by the kernel.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ha_monitor.errors import ControlError
from ha_monitor.runtime.ipc import Channel
from ha_monitor.runtime.orders import OrderReader, ShowView, ToCore, ToGuard
from ha_monitor.timebase import MS, SECOND

CLIENTS_MAX = 8
REQUEST_MAX = 64 * 1024
IDLE_NS = SECOND  # to send the request in
ANSWER_NS = 30 * SECOND  # for orders that the guard or the core answers later
STATUS_PER_SLOT = 4
SLOT_NS = 20 * MS
SEND_BUFFER = 1 << 20
SO_SNDBUFFORCE = 32  # asm-generic/socket.h
_CREDENTIALS = struct.Struct("@iII")  # pid, uid, gid
WHO_MAX = 32


@dataclass
class Client:
    """One connection to the control socket."""

    sock: socket.socket
    who: str
    until_ns: int
    request: bytearray = field(default_factory=bytearray)
    order_id: int = 0
    waits_for_guard: bool = False


class ControlServer:
    """Both sockets. ``view``: the view's text at a time; ``feed``: gives an event to the core."""

    def __init__(
        self,
        control: socket.socket,
        status: socket.socket,
        reader: OrderReader,
        view: Callable[[int], bytes],
        feed: Callable[[Any], None],
        guard: Channel,
        clock: Callable[[], int],
        users: Mapping[int, str],
    ) -> None:
        self._control, self._status = control, status
        self._reader = reader
        self._view = view
        self._feed = feed
        self._guard = guard
        self._clock = clock
        self._users = users
        self._clients: dict[int, Client] = {}
        self._last_order_id = 0
        self._slot_ns = 0
        self._in_slot = 0
        self.turned_away = 0

    # --- for the loop

    def filenos(self) -> Sequence[int]:
        """Listeners as far as they may be served now, and clients."""
        own = [] if self._is_slot_used_up() else [self._status.fileno()]
        if own and len(self._clients) < CLIENTS_MAX:
            own.append(self._control.fileno())
        return [*own, *self._clients]

    def next_deadline_ns(self) -> int | None:
        """When the first client's time is up, or the next slot for status begins."""
        times = [client.until_ns for client in self._clients.values()]
        if self._is_slot_used_up():
            times.append(self._slot_ns + SLOT_NS)
        return min(times, default=None)

    def tick(self, at_ns: int) -> None:
        """Drop clients whose time is up."""
        for fileno, client in list(self._clients.items()):
            if at_ns >= client.until_ns:
                self.turned_away += 1
                self._drop(fileno)

    def take(self, fileno: int) -> None:
        """A listener or client is readable."""
        if fileno == self._status.fileno():
            self._show_status()
        elif fileno == self._control.fileno():
            self._accept()
        elif fileno in self._clients:
            self._read(fileno, self._clients[fileno])

    # --- status

    def _is_slot_used_up(self) -> bool:
        """A flood of askers must not keep the core from its beats."""
        if self._clock() >= self._slot_ns + SLOT_NS:
            self._slot_ns, self._in_slot = self._clock(), 0
        return self._in_slot >= STATUS_PER_SLOT

    def _show_status(self) -> None:
        self._in_slot += 1
        with contextlib.suppress(OSError), self._status.accept()[0] as asker:
            _send(asker, self._view(self._clock()))

    # --- orders

    def _accept(self) -> None:
        try:
            sock, _ = self._control.accept()
        except OSError:  # no descriptor left, say: who waits is readable at once again, hence a slot
            self._in_slot += 1
            return
        sock.setblocking(False)
        self._clients[sock.fileno()] = Client(sock, self._name_of(sock), self._clock() + IDLE_NS)

    def _name_of(self, sock: socket.socket) -> str:
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, _ = _CREDENTIALS.unpack(raw)
        return self._users.get(uid, f"uid {uid}")[:WHO_MAX]

    def _read(self, fileno: int, client: Client) -> None:
        try:
            part = client.sock.recv(REQUEST_MAX)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        client.request += part
        if not part or len(client.request) > REQUEST_MAX:
            self._drop(fileno)
        elif b"\n" in client.request and not client.order_id:
            self._obey(fileno, client)

    def _obey(self, fileno: int, client: Client) -> None:
        order_id = self._next_order_id()
        client.order_id = order_id
        try:
            request = _object(bytes(client.request.partition(b"\n")[0]))
            order = self._reader.read(request, order_id, client.who)
        except ControlError as error:
            self._answer(fileno, {"ok": False, "reason": str(error)})
            return
        if isinstance(order, ShowView):
            _send(client.sock, b'{"ok":true,"view":' + self._view(self._clock()) + b"}")
            self._drop(fileno)
        elif isinstance(order, ToGuard):
            self._guard.send({"kind": order.kind, "who": client.who})
            client.waits_for_guard = True
            client.until_ns = self._clock() + ANSWER_NS
        else:
            self._order_core(fileno, client, order)

    def _order_core(self, fileno: int, client: Client, order: ToCore) -> None:
        if order.is_answered:
            client.until_ns = self._clock() + (order.answer_ns or ANSWER_NS)
            self._feed(order.event)
        else:
            self._feed(order.event)
            self._answer(fileno, {"ok": True, "reason": ""})

    def answer_order(self, order_id: int, is_done: bool, reason: str) -> None:
        """The core answered an order; it may be one of a client that went away."""
        for fileno, client in list(self._clients.items()):
            if client.order_id == order_id:
                self._answer(fileno, {"ok": is_done, "reason": reason})

    def answer_guard_orders(self, is_done: bool, reason: str) -> None:
        """The guard answered stop or restart."""
        for fileno, client in list(self._clients.items()):
            if client.waits_for_guard:
                self._answer(fileno, {"ok": is_done, "reason": reason})

    def _next_order_id(self) -> int:
        # The clock, so that a restarted core never uses a number again that still rides on heartbeats.
        self._last_order_id = max(self._last_order_id + 1, self._clock())
        return self._last_order_id

    def _answer(self, fileno: int, answer: Mapping[str, Any]) -> None:
        if fileno in self._clients:
            _send(self._clients[fileno].sock, json.dumps(answer).encode())
            self._drop(fileno)

    def _drop(self, fileno: int) -> None:
        client = self._clients.pop(fileno, None)
        if client:
            client.sock.close()


def _send(sock: socket.socket, text: bytes) -> None:
    """One line, as much as the kernel takes at once: whoever does not read gets no second chance."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER)
    with contextlib.suppress(OSError):
        sock.send(text + b"\n", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        request = json.loads(line)
    except ValueError:
        request = None
    if not isinstance(request, dict):
        raise ControlError("an order is one line with a JSON object")
    return request


def user_names(passwd: Path = Path("/etc/passwd")) -> dict[int, str]:
    """Local users by number, read once: a name service may hang, and the core may not."""
    names: dict[int, str] = {}
    with contextlib.suppress(OSError):
        for line in passwd.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, rest = line.partition(":")
            number = rest.split(":")[1] if rest.count(":") >= 2 else ""
            if number.isdecimal():
                names.setdefault(int(number), name)
    return names
