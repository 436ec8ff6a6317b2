"""How the guard ends an exclusive group: the stop lines in order and in time, then death for its cgroup.

Written as steps that are taken one by one, because the guard waits for nobody while a line runs: it goes on
feeding the watchdog and watching its core. It ends only when the cgroup is removed and every status that was
asked after that says stopped: until the removal a start that was held up can still mount something and leave
no process. A mount that would not go while a process used it is asked again once that process is dead.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

from ha_monitor.model import Resource, ResourceKind
from ha_monitor.runtime.cgroup import Cgroup
from ha_monitor.timebase import MS

AGAIN_NS = 100 * MS  # between two looks at what would not end
REAP_GRACE_NS = 200 * MS  # a line that was killed and sleeps in the kernel is not waited for any longer
OUTPUT_MAX = 4096
PIPE_MAX = 64 * 1024  # what a pipe holds
STOPPED_CODE = 3  # of a status line, as LSB says
SYSTEMCTL = "/usr/bin/systemctl"
SHELL = ("/bin/sh", "-c")


@dataclass(frozen=True)
class Run:
    """One command line, for at most so long."""

    argv: tuple[str, ...]
    timeout_ns: int


@dataclass(frozen=True)
class Pause:
    """Nothing for so long. ``trouble``: what is not ended yet, and why."""

    length_ns: int
    trouble: str


@dataclass(frozen=True)
class Outcome:
    """How a line ended: its exit code, None when it did not in its time, and what it wrote first."""

    code: int | None
    output: str = ""


Steps = Generator[Run | Pause, Outcome, None]


@dataclass(frozen=True)
class Member:
    """One Resource as the guard ends it."""

    name: str
    stop: Run
    status: Run
    is_stopped: Callable[[Outcome], bool]
    kill: Run | None = None  # for what lives in a cgroup of somebody else's


def member_of(resource: Resource) -> Member:
    """By the Resource's convention."""
    stop_ns, status_ns = resource.stop_timeout_ns, resource.status_timeout_ns
    if resource.kind is ResourceKind.SYSTEMD:
        unit = resource.unit
        return Member(
            resource.name,
            Run((SYSTEMCTL, "stop", unit), stop_ns),
            Run((SYSTEMCTL, "show", "--property=ActiveState,ControlGroup,Job", unit), status_ns),
            is_unit_stopped,
            Run((SYSTEMCTL, "kill", "--kill-who=all", "--signal=SIGKILL", unit), status_ns),
        )
    assert resource.kind is ResourceKind.COMMAND, "service addresses are closed by the kernel"
    stop, status = Run((*SHELL, resource.stop), stop_ns), Run((*SHELL, resource.status), status_ns)
    return Member(resource.name, stop, status, lambda outcome: outcome.code == STOPPED_CODE)


def is_unit_stopped(outcome: Outcome) -> bool:
    """Inactive or failed, systemd has no cgroup for it any more, and no job that waits to start it."""
    told = dict(line.partition("=")[::2] for line in outcome.output.splitlines())
    return (
        outcome.code == 0
        and told.get("ActiveState") in ("inactive", "failed")
        and not told.get("ControlGroup")
        and not told.get("Job")
    )


def ending_steps(members: Sequence[Member], cgroup: Cgroup, looks_first: bool) -> Steps:
    """Stop in reverse order, kill, prove. ``looks_first``: what is stopped already is not stopped again."""
    for member in reversed(members):
        if looks_first and member.is_stopped((yield member.status)):
            continue
        outcome = yield member.stop
        if outcome.code != 0:
            cgroup.kill()  # what would not go by itself is in the way of what comes next
    while True:
        cgroup.kill()
        is_gone = cgroup.remove()  # what is asked before that proves nothing: a late start may still mount
        trouble = yield from _prove(members)
        if is_gone and not trouble:
            return
        if trouble or not cgroup.remove():
            yield Pause(AGAIN_NS, trouble or f"processes are left: {cgroup.pids()[:8]}")


def _prove(members: Sequence[Member]) -> Generator[Run, Outcome, str]:
    """Ask for each status; what is not stopped is killed and stopped again. What is left, as a sentence."""
    trouble = ""
    for member in reversed(members):
        if member.is_stopped((yield member.status)):
            continue
        if member.kill is not None:
            yield member.kill
        stopped = yield member.stop
        proof = yield member.status
        if not member.is_stopped(proof):
            said = (stopped.output or proof.output).strip().partition("\n")[0][:120]
            trouble = f"{member.name} is not stopped{': ' if said else ''}{said}"
    return trouble


class _Line:
    """A command line that runs."""

    def __init__(self, run: Run, environment: Mapping[str, str], at_ns: int) -> None:
        """Raises OSError; then nothing runs, and no descriptor is left open."""
        self._read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read_fd, False)
        self._kept = b""
        self.deadline_ns = at_ns + run.timeout_ns
        self._is_killed = False
        try:
            self._process = subprocess.Popen(
                run.argv,
                stdin=subprocess.DEVNULL,
                stdout=write_fd,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **environment},
            )
            self.pidfd = self._open_pidfd()
        except OSError:
            os.close(self._read_fd)
            raise
        finally:
            os.close(write_fd)

    def _open_pidfd(self) -> int:
        try:
            return os.pidfd_open(self._process.pid)
        except OSError:
            self._kill()
            raise

    def outcome(self, at_ns: int) -> Outcome | None:
        """How it ended, None while it runs within its time."""
        code = self._process.poll()
        self._read()
        if code is None and at_ns >= self.deadline_ns and not self._is_killed:
            self._is_killed = True
            self.deadline_ns = at_ns + REAP_GRACE_NS
            self._kill()
        if code is None and not (self._is_killed and at_ns >= self.deadline_ns):
            return None
        os.close(self.pidfd)
        os.close(self._read_fd)
        return Outcome(None if self._is_killed else code, self._kept.decode(errors="replace"))

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self) -> None:
        """Keep the head and forget the rest: a line that never stops writing must not fill the memory."""
        with contextlib.suppress(BlockingIOError):
            self._kept += os.read(self._read_fd, PIPE_MAX)[: OUTPUT_MAX - len(self._kept)]


@dataclass
class Ending:
    """Takes the steps of one group. ``trouble``: why it is not ended yet, "" while that is not known."""

    steps: Steps
    environment: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""
    is_done: bool = False
    _line: _Line | None = None
    _resume_ns: int = 0
    _has_begun: bool = False

    def advance(self, at_ns: int) -> bool:
        """As far as it goes now; True when the group is proved ended."""
        while not self.is_done:
            if self._line is not None:
                outcome = self._line.outcome(at_ns)
                if outcome is None:
                    return False
                self._line = None
            elif at_ns < self._resume_ns:
                return False
            else:
                outcome = Outcome(0)
            self._take(outcome, at_ns)
        return True

    def _take(self, outcome: Outcome, at_ns: int) -> None:
        try:
            step = self.steps.send(outcome) if self._has_begun else next(self.steps)
            self._has_begun = True
        except StopIteration:
            self.is_done, self.trouble = True, ""
            return
        self._take_step(step, at_ns)

    def _take_step(self, step: Run | Pause, at_ns: int) -> None:
        if isinstance(step, Pause):
            self.trouble, self._resume_ns = step.trouble, at_ns + step.length_ns
            return
        try:
            self._line = _Line(step, self.environment, at_ns)
        except OSError as error:  # no memory, no process left
            self.trouble, self._resume_ns = f"{step.argv[0]}: {error.strerror}", at_ns + AGAIN_NS

    @property
    def watched(self) -> list[int]:
        """What becomes readable when there is something to take."""
        return [self._line.pidfd] if self._line is not None else []

    @property
    def due_ns(self) -> int | None:
        """When it wants to be called if nothing happens before."""
        return None if self.is_done else self._line.deadline_ns if self._line is not None else self._resume_ns
