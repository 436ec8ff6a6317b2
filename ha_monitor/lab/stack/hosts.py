"""What this package needs of a lab host; `ha_monitor.lab.Host` has it, and so can a plain namespace."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ha_monitor.errors import HaMonitorError


class StackError(HaMonitorError):
    """A part of the monitoring stack cannot be used: which, what was seen, what was expected."""


class StackHost(Protocol):
    """A host: commands run in its namespaces, files are reached from outside through `path`."""

    @property
    def name(self) -> str:
        """The host's name, as the cluster's configuration has it."""

    def exec(
        self,
        argv: Sequence[str],
        *,
        timeout: float = ...,
        stdin: str = ...,
        env: Mapping[str, str] | None = ...,
        check: bool = ...,
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end inside the host (seconds at most); text in, text out."""

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start inside the host; `options` are those of subprocess.Popen."""

    def path(self, inside: str) -> Path:
        """Where the machine finds the file that the host calls `inside`."""


def make_dir(
    host: StackHost, inside: str, owner: str = "root", group: str = "root", mode: int = 0o755
) -> Path:
    """Make a directory of the host with this owner and mode; return where the machine finds it."""
    directory = host.path(inside)
    directory.mkdir(parents=True, exist_ok=True)
    shutil.chown(directory, owner, group)
    directory.chmod(mode)
    return directory


def write_file(host: StackHost, inside: str, text: str, owner: str = "root", mode: int = 0o644) -> str:
    """Write a file of the host; return its name inside. Made with its mode, so never too open."""
    target = host.path(inside)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    shutil.chown(target, owner)
    target.chmod(mode)
    return inside
