"""A trapper server for tests: real sockets, the protocol's framing, answers as told."""

import json
import socket
import struct
import threading


class FakeTrapper:
    """Listens on loopback. ``known``: the (host, key) pairs it takes. ``mode``: answer, hang, close, junk."""

    def __init__(self, known=None, mode="answer"):
        self.known, self.mode = known, mode
        self.calls = []
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.server = f"127.0.0.1:{self._sock.getsockname()[1]}"
        self._open = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def values(self):
        return [(v["host"], v["key"], v["value"], v["clock"], v["ns"]) for call in self.calls for v in call]

    def close(self):
        self._sock.close()
        for conn in self._open:
            conn.close()

    def _serve(self):
        while True:
            try:
                conn, _ = self._sock.accept()
            except OSError:
                return
            self._answer(conn)

    def _answer(self, conn):
        if self.mode == "hang":
            self._open.append(conn)
            return
        with conn:
            if self.mode == "close":
                return
            head = conn.recv(13, socket.MSG_WAITALL)
            (length, _) = struct.unpack("<II", head[5:])
            data = json.loads(conn.recv(length, socket.MSG_WAITALL))["data"]
            self.calls.append(data)
            if self.mode == "junk":
                conn.sendall(b"HTTP/1.0 400 no\r\n\r\n")
                return
            failed = sum(self.known is not None and (v["host"], v["key"]) not in self.known for v in data)
            info = (
                f"processed: {len(data) - failed}; failed: {failed}; total: {len(data)}; seconds spent: 0.001"
            )
            body = json.dumps({"response": "success", "info": info}).encode()
            conn.sendall(b"ZBXD\x01" + struct.pack("<II", len(body), 0) + body)
