"""Classic BPF: the few instructions that keep uninteresting packets from waking the core."""

from __future__ import annotations

import array
import socket
import struct

LOAD_WORD, LOAD_HALF, LOAD_BYTE, JUMP_IF_EQUAL, RETURN = 0x20, 0x28, 0x30, 0x15, 0x06
WHOLE_PACKET = 0xFFFF
SO_ATTACH_FILTER = 26


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction; jumps count from the next one. Values are read big endian."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


def attach_filter(sock: socket.socket, program: list[bytes]) -> None:
    """Put a program on a socket. Raises OSError."""
    code = array.array("B", b"".join(program))
    where, _ = code.buffer_info()
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program), where))
