"""Children of the guard: started with the descriptors they need and no other, watched by pidfd."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ha_monitor
from ha_monitor.timebase import MS, SECOND

PACKAGE_ROOT = str(Path(ha_monitor.__file__).resolve().parent.parent)
BACK_OFF_FIRST_NS = 100 * MS
BACK_OFF_MAX_NS = 10 * SECOND
SETTLED_NS = 60 * SECOND  # after so long alive the next death counts as the first


def stdlib_python(module: str) -> list[str]:
    """The command for a process that may load the standard library and this package, nothing else."""
    return [sys.executable, "-S", "-P", "-m", module]


def full_python(module: str) -> list[str]:
    """The command for a process that may import the project's libraries."""
    return [sys.executable, "-P", "-m", module]


@dataclass(frozen=True)
class Account:
    """An unprivileged user for a child; ``groups`` beside its own."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


class Child:
    """A started process. Ends only by its own will, `kill`, or the kernel."""

    def __init__(
        self,
        role: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        fds: Sequence[int],
        account: Account | None = None,
    ) -> None:
        self.role = role
        names = {} if account is None else _as_user(account)
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **names,  # type: ignore[call-overload]
        )
        self.pid: int = self._process.pid
        self.pidfd = os.pidfd_open(self.pid)

    def fileno(self) -> int:
        """Readable when the process has ended."""
        return self.pidfd

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Signal this very process: a pidfd never means another one."""
        if self.pidfd < 0:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def reap(self, timeout_s: float | None = None) -> int | None:
        """Its exit code (negative: signal), None if it lives on after ``timeout_s``."""
        try:
            code: int = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        return code

    def expose_to_oom(self) -> None:
        """Undo the guard's own protection, which children inherit: services must not outlive the core."""
        with contextlib.suppress(OSError):
            Path(f"/proc/{self.pid}/oom_score_adj").write_text("0", encoding="ascii")


def _as_user(account: Account) -> dict[str, object]:
    return {"user": account.uid, "group": account.gid, "extra_groups": list(account.groups)}


def end_text(code: int) -> str:
    """How a process ended, for people."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


@dataclass
class BackOff:
    """When a child may be started again: at once after a long life, later and later after short ones."""

    delay_ns: int = 0
    not_before_ns: int = 0
    started_ns: int = 0
    restarts: int = 0

    def started(self, at_ns: int) -> None:
        """It was started."""
        self.started_ns = at_ns

    def ended(self, at_ns: int) -> None:
        """It ended unasked."""
        self.restarts += 1
        if at_ns - self.started_ns >= SETTLED_NS:
            self.delay_ns = 0
        self.not_before_ns = at_ns + self.delay_ns
        self.delay_ns = min(BACK_OFF_MAX_NS, max(BACK_OFF_FIRST_NS, 2 * self.delay_ns))
