"""A daemon made of two sockets: its view is changed by a function when an order comes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading

from ha_monitor.view import View


class PlayedDaemon:
    """Serves status.sock and control.sock in a directory. ``react``: view and order to view, or a refusal."""

    def __init__(self, directory, view: View, react) -> None:
        self.view = view
        self.orders: list = []
        self._react = react
        self._listeners = [self._listen(directory / name) for name in ("status.sock", "control.sock")]
        for listener, serve in zip(self._listeners, (self._status, self._control), strict=True):
            threading.Thread(target=self._serve, args=(listener, serve), daemon=True).start()

    def _listen(self, path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(8)
        return listener

    def _serve(self, listener, serve):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                serve(client)

    def _status(self, client):
        client.sendall(json.dumps(self.view, default=vars).encode() + b"\n")

    def _control(self, client):
        order = json.loads(client.makefile().readline())
        self.orders.append(order)
        changed = self._react(self.view, order)
        if changed is None:
            return  # ends without an answer, as a core that is replaced
        if isinstance(changed, str):
            client.sendall(json.dumps({"ok": False, "reason": changed}).encode())
            return
        self.view = changed
        client.sendall(b'{"ok": true, "reason": ""}')

    def close(self):
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
