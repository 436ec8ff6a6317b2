"""Carries TCP connections from 127.0.0.1 of the machine to a port inside a lab host.

A socket belongs to the network namespace in which it was made: the listening socket is made on the
machine and handed to this process, which runs inside the host and connects from there. So it needs
no privilege over namespaces, and it ends with the host whatever becomes of the caller.
"""

import contextlib
import socket
import sys
import threading
from pathlib import Path

CONNECTIONS_MAX = 64
CHUNK = 65536
CONNECT_TIMEOUT_S = 5.0
LISTEN_BACKLOG = 32


def listen_locally(port: int) -> socket.socket:
    """Return a listening socket at 127.0.0.1; port 0 lets the kernel choose one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(LISTEN_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def command(fd: int, address: str, port: int) -> tuple[str, ...]:
    """Return the command line of a forwarder that inherits the listening socket as descriptor `fd`."""
    # -P and -S: nothing from the caller's directory or site packages is needed here.
    return (sys.executable, "-P", "-S", str(Path(__file__)), str(fd), address, str(port))


def serve(listener: socket.socket, target: tuple[str, int]) -> None:
    """Accept for ever; more than CONNECTIONS_MAX at once are closed at the door."""
    seats = threading.BoundedSemaphore(CONNECTIONS_MAX)
    while True:
        client, _ = listener.accept()
        if not seats.acquire(blocking=False):
            client.close()
            continue
        threading.Thread(target=_carry, args=(client, target, seats), daemon=True).start()


def _carry(client: socket.socket, target: tuple[str, int], seats: threading.BoundedSemaphore) -> None:
    try:
        with client, socket.create_connection(target, CONNECT_TIMEOUT_S) as server:
            server.settimeout(None)
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join()
    except OSError:
        pass  # The target is down: the client sees its connection closed.
    finally:
        seats.release()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def main() -> None:
    """Serve the inherited socket: arguments are its number, the target's address and port."""
    number, address, port = sys.argv[1:]
    serve(socket.socket(fileno=int(number)), (address, int(port)))


if __name__ == "__main__":
    main()
