"""Process 1 of a lab host: mounts what is the host's own, then reaps children until it is killed.

Started by ``ha_monitor.lab.host`` inside new mount, pid, uts and ipc namespaces, with the
description of the host as JSON on standard input. It says ``ready`` on standard output.
Killing it is a power-off: the kernel kills every process of the pid namespace at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import Any

from ha_monitor.lab import kernel


def main() -> None:
    """Become the host, report, and reap for as long as it lives."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    description = json.load(sys.stdin)
    _become(description)
    os.write(1, b"ready\n")
    _let_go_of_the_caller()
    while True:
        signal.sigwait({signal.SIGCHLD})
        _reap()


def _become(description: dict[str, Any]) -> None:
    kernel.mount("none", "/", kernel.MS_REC | kernel.MS_PRIVATE)
    # Names of other namespaces would be held here after their deletion outside.
    with contextlib.suppress(OSError):
        kernel.unmount_lazily("/run/netns")
    # Sources first: the lab's own directory vanishes once the host's /run covers it. But what the
    # program needs is taken as the overlays show it, where no closed directory is in the way.
    trees, binds = (
        [(kernel.pick_up(source), target) for source, target in description[kind]]
        for kind in ("mounts", "binds")
    )
    for target, upper, work in description["overlays"]:
        kernel.mount_overlay(target, upper, work)
    trees += [(kernel.pick_up(path), path) for path in description["needed"]]
    for tree, target in (*trees, *binds):  # the last may lie in what is needed: another program version
        _put_down(tree, target)
    kernel.mount("proc", "/proc")
    kernel.mount("sysfs", "/sys")
    kernel.sethostname(description["name"])
    for path, value in description["sysctls"].items():
        with open(f"/proc/sys/{path}", "w") as file:
            file.write(value)
    os.chdir("/")


def _put_down(tree: int, target: str) -> None:
    is_directory = os.stat(tree).st_mode & 0o040000
    if not os.path.exists(target):
        os.makedirs(target if is_directory else os.path.dirname(target), exist_ok=True)
        if not is_directory:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
    kernel.put_down(tree, target)
    os.close(tree)


def _let_go_of_the_caller() -> None:
    nowhere = os.open("/dev/null", os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    main()
