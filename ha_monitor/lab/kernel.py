"""The few system calls about namespaces and mounts that Python 3.11 does not offer.

For the lab only: it needs root. Every call raises OSError with the call's name.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

# The same numbers on every architecture: these calls came after the numbering was unified.
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_AT_FDCWD = -100
_MOVE_MOUNT_F_EMPTY_PATH = 4

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def setns(fd: int, kind: int) -> None:
    """Join the namespace behind ``fd``; for a pid namespace only later children are in it."""
    _checked(_libc.setns(fd, kind), "setns")


def unshare(kinds: int) -> None:
    """Leave namespaces of these kinds for new ones."""
    _checked(_libc.unshare(kinds), "unshare")


def sethostname(name: str) -> None:
    """Name the host of this uts namespace."""
    raw = name.encode()
    _checked(_libc.sethostname(raw, len(raw)), "sethostname")


def mount(kind: str, target: str, flags: int = 0, options: str = "") -> None:
    """Mount a file system of this kind, or change the propagation of a mount."""
    name = kind.encode()
    result = _libc.mount(name, target.encode(), name, flags, options.encode())
    _checked(result, f"mount {kind} on {target}")


def mount_overlay(target: str, upper: str, work: str) -> None:
    """Keep what ``target`` shows, but let every change go to ``upper``."""
    mount("overlay", target, options=f"lowerdir={target},upperdir={upper},workdir={work}")


def unmount_lazily(target: str) -> None:
    """Detach a mount and all below it now, whoever still uses it."""
    _checked(_libc.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def unmount_below(directory: str) -> None:
    """Detach everything that is mounted on a directory or below it, the innermost first."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        targets = [line.split()[1] for line in mounts]
    for target in reversed(targets):
        if target == directory or target.startswith(directory + "/"):
            unmount_lazily(target)


def pick_up(path: str) -> int:
    """A detached copy of what stands at ``path``: a file descriptor to put down elsewhere.

    Unlike a bind mount it reaches into another mount namespace that does not show ``path``.
    """
    call = _libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, path.encode(), _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC)
    return _checked(call, f"open_tree {path}")


def put_down(tree: int, target: str) -> None:
    """Mount what ``pick_up`` returned over ``target`` in the present mount namespace."""
    call = _libc.syscall(_SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH)
    _checked(call, f"move_mount {target}")


@contextlib.contextmanager
def children_in(enter: Callable[[], None]) -> Iterator[None]:
    """Let this thread's children be born in the pid namespace that ``enter`` chooses.

    The choice belongs to the thread, not to the process, so hosts can be started side by side.
    No thread can be started by this one inside the block: the kernel refuses it.
    """
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter()
        try:
            yield
        finally:
            setns(own, CLONE_NEWPID)
    finally:
        os.close(own)


@contextlib.contextmanager
def in_network(namespace_path: str) -> Iterator[None]:
    """Run the block in another network namespace; sockets made in it stay there."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    other = os.open(namespace_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(other, CLONE_NEWNET)
        try:
            yield
        finally:
            setns(own, CLONE_NEWNET)
    finally:
        os.close(own)
        os.close(other)
