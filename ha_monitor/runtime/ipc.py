"""How the processes of one host talk: JSON objects over inherited SOCK_SEQPACKET pairs.

One packet is one object with a ``kind``. Nobody waits: a full socket drops the packet and counts it,
so a publisher that hangs costs facts and never a beat. A closed peer shows as ``is_closed``.
Descriptors that came with a packet stand in its object as ``fds``; who handles the object takes them over.

What every child finds in its environment (file descriptors as decimal numbers):

- ``HA_MONITOR_CONFIG_FD``: the checked configuration as JSON (a memfd, see `read_config_text`)
- ``HA_MONITOR_CORE_FD``: worker and publisher: the pair to the core
- ``HA_MONITOR_SELF``: this voter's name

Worker and publisher end when their pair is closed: guard and core are both gone then.

| from, to | kind | other members |
|---|---|---|
| core, worker | start, stop, probe | group, resource, operation_id; start: epoch, a list of three |
| core, worker | note | group, resource, expected (a ResourceState value) |
| worker, core | report | the members of events.ResourceReported; state as its value |
| core, publisher | view | view: view.View as JSON |
| core, publisher | transition | transition: view.TransitionView as JSON; sent again until acknowledged |
| publisher, core | ack | ident: of the transition, once it is in the outbox on disk |
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

CONFIG_FD = "HA_MONITOR_CONFIG_FD"
CORE_FD = "HA_MONITOR_CORE_FD"
SELF_NAME = "HA_MONITOR_SELF"

PACKET_MAX = 1 << 20
RECEIVE_MAX = 64  # packets taken in one go, so that a flood cannot keep the others waiting
FDS_MAX = 250  # SCM_MAX_FD is 253


class Channel:
    """One end of a pair. Never blocks."""

    def __init__(self, sock: socket.socket, packet_max: int = PACKET_MAX) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._packet_max = packet_max
        self.dropped = 0
        self.is_closed = False

    def fileno(self) -> int:
        """For `select`."""
        return self._sock.fileno()

    def send(self, message: Mapping[str, Any], fds: Sequence[int] = ()) -> bool:
        """Send one object; False if it was dropped (counted) because the socket is full or closed."""
        return self.send_text(json.dumps(message, separators=(",", ":")).encode(), fds)

    def send_text(self, text: bytes, fds: Sequence[int] = ()) -> bool:
        """Send one object that is JSON already."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._sock.sendmsg([text], rights)
        except (BrokenPipeError, ConnectionResetError):
            self.is_closed = True
        except OSError:  # EAGAIN: full; EMSGSIZE: too long; ENOBUFS
            self.dropped += 1
        else:
            return True
        return False

    def receive(self) -> list[Json]:
        """What has arrived, oldest first, at most RECEIVE_MAX; what is no JSON object is dropped, counted.

        An object that came with descriptors holds them as ``fds``; no other one has that member.
        """
        messages: list[Json] = []
        while len(messages) < RECEIVE_MAX and not self.is_closed:
            try:
                packet, rights, _, _ = self._sock.recvmsg(self._packet_max, socket.CMSG_SPACE(FDS_MAX * 4))
            except BlockingIOError:
                break
            except OSError:
                self.is_closed = True
                break
            if not packet:
                self.is_closed = True
                break
            message = _object(packet, _descriptors(rights))
            if message is None:
                self.dropped += 1
            else:
                messages.append(message)
        return messages

    def detach(self) -> None:
        """Close this copy of the descriptor; the channel itself lives on in others."""
        self._sock.close()

    def close(self) -> None:
        """Close this end."""
        self.is_closed = True
        self._sock.close()


def _descriptors(rights: Sequence[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, data in rights:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


def _object(packet: bytes, fds: Sequence[int]) -> Json | None:
    """The object with its descriptors; None, and these closed, if the packet is no object."""
    try:
        message = json.loads(packet)
    except ValueError:
        message = None
    if not isinstance(message, dict) or "kind" not in message:
        for fd in fds:
            os.close(fd)
        return None
    message.pop("fds", None)  # a number that the sender wrote is no descriptor of ours
    return {**message, "fds": list(fds)} if fds else message


def make_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends with room for a few large views."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PACKET_MAX)
    return ends


def inherited_channel(name: str = CORE_FD) -> Channel:
    """The channel whose descriptor stands in the environment. Raises KeyError when nothing was inherited."""
    return Channel(socket.socket(fileno=int(os.environ[name])))


def read_config_text(name: str = CONFIG_FD) -> bytes:
    """The configuration's JSON, for `plain.from_plain`."""
    return read_text(int(os.environ[name]))


def read_text(fd: int) -> bytes:
    """What a memfd holds. Read by position: the offset is shared with the other children."""
    return os.pread(fd, os.fstat(fd).st_size, 0)


def text_fd(name: str, text: bytes) -> int:
    """An inheritable memfd that holds ``text``."""
    fd = os.memfd_create(name, 0)
    try:
        os.pwrite(fd, text, 0)
    except OSError:
        os.close(fd)
        raise
    return fd
