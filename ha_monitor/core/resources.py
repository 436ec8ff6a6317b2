"""What is known of each Resource of a group on this Node, and when it may be started again."""

from __future__ import annotations

from dataclasses import dataclass

from ha_monitor.core.events import ResourceReported
from ha_monitor.model import Resource, ResourceKind, ResourceState, Run
from ha_monitor.timebase import MS, SECOND

RESTART_BACKOFF_NS = (0, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 30 * SECOND, 60 * SECOND)
STEADY_AFTER_NS = 60 * SECOND  # running that long forgives earlier failures


@dataclass
class ResourceRecord:
    """One Resource here. Service addresses have no agent: the core opens and closes them itself."""

    spec: Resource
    since_ns: int
    state: ResourceState = ResourceState.UNKNOWN
    detail: str = "not probed yet"
    start_ms: int = -1
    stop_ms: int = -1
    stop_failed: bool = False
    failures: int = 0
    operation: str = ""  # start or stop, while one runs
    operation_id: int = 0
    restart_at_ns: int = 0

    @property
    def is_address(self) -> bool:
        """Whether it is a service address."""
        return self.spec.kind is ResourceKind.VIP

    @property
    def is_everywhere(self) -> bool:
        """Whether it runs on every Node, so that only the address moves."""
        return self.spec.run is Run.EVERYWHERE

    @property
    def must_stop(self) -> bool:
        """Whether it has to be stopped before another Node may have the group."""
        return not self.is_address and not self.is_everywhere

    def begin(self, operation: str, operation_id: int, at_ns: int) -> None:
        """Note that the worker was told to start or stop it."""
        self.operation, self.operation_id = operation, operation_id
        self.set_state(ResourceState.STARTING if operation == "start" else ResourceState.STOPPING, "", at_ns)

    def take(self, report: ResourceReported, at_ns: int) -> bool:
        """Take in what the worker reports; False if it is out of date and means nothing."""
        if self.operation:
            # While an operation runs, only its own outcome counts.
            if report.operation_id != self.operation_id:
                return False
            return self._finish(report, at_ns)
        if report.operation in ("start", "stop"):
            return False  # the outcome of an operation that was given up
        if report.state is ResourceState.UNKNOWN:
            # A probe without an answer moves nothing by itself: the last sure state stands.
            self.detail = report.detail
            return self.state is ResourceState.UNKNOWN
        self._settle(report, at_ns)
        return True

    def _finish(self, report: ResourceReported, at_ns: int) -> bool:
        took_ms = report.took_ns // MS
        if self.operation == "start":
            self.start_ms = took_ms
        else:
            self.stop_ms = took_ms
            self.stop_failed = report.state is not ResourceState.STOPPED
        was_stop, self.operation, self.operation_id = self.operation == "stop", "", 0
        if was_stop and self.stop_failed:
            self.set_state(ResourceState.BLOCKED, report.detail or "its stop was not proved", at_ns)
        elif report.state is ResourceState.UNKNOWN:
            self._fail(report.detail or "no answer in time", at_ns)
        else:
            self._settle(report, at_ns)
        return True

    def _settle(self, report: ResourceReported, at_ns: int) -> None:
        if self.state is ResourceState.BLOCKED and report.state is not ResourceState.STOPPED:
            self.detail = report.detail or self.detail
            return  # only a proved stop, or an operator, ends a block
        if report.state is ResourceState.FAILED:
            self._fail(report.detail, at_ns)
            return
        if report.state is ResourceState.RUNNING and at_ns - self.since_ns > STEADY_AFTER_NS:
            self.failures = 0
        self.set_state(report.state, report.detail, at_ns)

    def _fail(self, detail: str, at_ns: int) -> None:
        if self.state is not ResourceState.FAILED:
            self.note_failure(at_ns)
        self.set_state(ResourceState.FAILED, detail, at_ns)

    def note_failure(self, at_ns: int) -> None:
        """Count a failure and say when the next start may be tried."""
        self.restart_at_ns = at_ns + RESTART_BACKOFF_NS[min(self.failures, len(RESTART_BACKOFF_NS) - 1)]
        self.failures += 1

    def end(self, at_ns: int) -> None:
        """The guard proved that it does not run: an operation under way has nothing more to say."""
        self.operation, self.operation_id, self.stop_failed = "", 0, False
        self.set_state(ResourceState.STOPPED, "", at_ns)

    def set_state(self, state: ResourceState, detail: str, at_ns: int) -> None:
        """Enter a state; ``since_ns`` moves only if it is another one."""
        if state is not self.state:
            self.since_ns = at_ns
        self.state, self.detail = state, detail

    def may_restart(self, at_ns: int) -> bool:
        """Whether it is down, nothing is under way, and its back-off is over."""
        is_down = self.state in (ResourceState.STOPPED, ResourceState.FAILED)
        return is_down and not self.operation and at_ns >= self.restart_at_ns
