"""What the core's loop listens to besides operators: peers, the kernel, the other processes, time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ha_monitor.core import events as ev
from ha_monitor.errors import PacketRejected
from ha_monitor.model import Cause, ResourceState
from ha_monitor.runtime.ipc import Channel, Json
from ha_monitor.runtime.kernel_io import Kernel
from ha_monitor.runtime.links_io import LinkSockets, Refused
from ha_monitor.timebase import SECOND
from ha_monitor.wire.seal import Endpoint

Feed = Callable[[ev.Event], None]


class LinkSource:
    """Heartbeats: taken from the socket, opened, given to the core one by one."""

    def __init__(self, links: LinkSockets, endpoint: Endpoint, feed: Feed) -> None:
        self._links, self._endpoint, self._feed = links, endpoint, feed

    def filenos(self) -> Sequence[int]:
        """Every open heartbeat socket."""
        return [sock.fileno() for sock in self._links.sockets().values()]

    def next_deadline_ns(self) -> int | None:
        """Nothing by time."""
        return None

    def tick(self, at_ns: int) -> None:
        """Nothing by time."""

    def take(self, fileno: int) -> None:
        """Drain one socket, bounded."""
        keys = [key for key, sock in self._links.sockets().items() if sock.fileno() == fileno]
        for key in keys:
            for item in self._links.drain(key):
                if isinstance(item, Refused):
                    self._feed(ev.PeerRefused(key.peer, key.link))
                    continue
                try:
                    opened = self._endpoint.open(item.packet, key.link, item.arrived_ns)
                except PacketRejected:
                    continue  # counted by the opener: a stranger must not be able to fill a log
                if opened.is_news:
                    self._feed(ev.HeartbeatReceived(opened.heartbeat, item.arrived_ns))


class KernelSource:
    """Netlink and announcements."""

    def __init__(self, kernel: Kernel, feed: Feed, clock: Callable[[], int]) -> None:
        self._kernel, self._feed, self._clock = kernel, feed, clock

    def filenos(self) -> Sequence[int]:
        """The sockets of `net`."""
        return self._kernel.filenos()

    def next_deadline_ns(self) -> int | None:
        """The next announcement or probe."""
        return self._kernel.next_deadline_ns()

    def take(self, fileno: int) -> None:  # noqa: ARG002
        """The kernel has something to tell; `read` looks at all its sockets."""
        for event in self._kernel.read(self._clock()):
            self._feed(event)

    def tick(self, at_ns: int) -> None:
        """Send what is due."""
        for event in self._kernel.tick(at_ns):
            self._feed(event)


class ChannelSource:
    """Messages of another process; ``handlers`` by kind. A wrong message is counted, never fatal."""

    def __init__(
        self,
        channel: Channel,
        handlers: Mapping[str, Callable[[Json], None]],
        when_closed: Callable[[], None] = lambda: None,
    ) -> None:
        self._channel, self._handlers, self._when_closed = channel, handlers, when_closed
        self._is_end_told = False
        self.refused = 0

    def filenos(self) -> Sequence[int]:
        """The channel, while it is open."""
        return [] if self._channel.is_closed else [self._channel.fileno()]

    def next_deadline_ns(self) -> int | None:
        """At once when the end of the channel has still to be told."""
        return 0 if self._channel.is_closed and not self._is_end_told else None

    def tick(self, at_ns: int) -> None:  # noqa: ARG002
        """Tell the end, also if a sending of ours noticed it: then nothing is readable any more."""
        if self._channel.is_closed and not self._is_end_told:
            self._is_end_told = True
            self._when_closed()

    def take(self, fileno: int) -> None:  # noqa: ARG002
        """Everything that waits, bounded by the channel; its end is told with the next tick."""
        for message in self._channel.receive():
            handler = self._handlers.get(message["kind"])
            try:
                if handler is None:
                    self.refused += 1
                else:
                    handler(message)
            except (KeyError, ValueError, TypeError, AttributeError):
                self.refused += 1


class Periodic:
    """Calls ``work`` every ``every_ns``, late rather than twice."""

    def __init__(self, every_ns: int, work: Callable[[int], None]) -> None:
        self._every_ns, self._work = every_ns, work
        self._next_ns = 0

    def filenos(self) -> Sequence[int]:
        """Time alone."""
        return ()

    def take(self, fileno: int) -> None:
        """Time alone."""

    def next_deadline_ns(self) -> int | None:
        """The next call."""
        return self._next_ns

    def tick(self, at_ns: int) -> None:
        """Do it, and again one interval from now."""
        self._next_ns = at_ns + self._every_ns
        self._work(at_ns)


DETAIL_MAX = 400  # of what fence agents say, for people


def report_of(message: Mapping[str, Any], known: Mapping[str, frozenset[str]]) -> ev.ResourceReported:
    """What the worker reports. Raises KeyError, ValueError or TypeError for what it cannot have meant."""
    group, resource = message["group"], message["resource"]
    if resource not in known[group]:
        raise KeyError(resource)
    return ev.ResourceReported(
        group=group,
        resource=resource,
        state=ResourceState(message["state"]),
        operation=str(message["operation"]),
        operation_id=int(message["operation_id"]),
        took_ns=int(message["took_ns"]),
        detail=str(message.get("detail", ""))[:200],
    )


def ended_of(message: Mapping[str, Any]) -> ev.GroupEnded:
    """The guard's word on an exclusive group."""
    return ev.GroupEnded(str(message["group"]), bool(message["is_ended"]), str(message["detail"])[:200])


def fence_end_of(message: Mapping[str, Any]) -> ev.FenceEnded:
    """How the worker's fence of a Node ended."""
    return ev.FenceEnded(
        node=str(message["node"]),
        operation_id=int(message["operation_id"]),
        is_off=message["is_off"] is True,
        detail=str(message["detail"])[:DETAIL_MAX],
        took_ns=int(message["took_ns"]),
    )


def fence_test_of(message: Mapping[str, Any]) -> ev.FenceTested:
    """How the worker's test of a fence device ended."""
    detail = str(message["detail"])[:DETAIL_MAX]
    return ev.FenceTested(str(message["device"]), message["is_working"] is True, detail)


def pinged_of(message: Mapping[str, Any]) -> ev.TargetsPinged:
    """What the ping targets answered."""
    return ev.TargetsPinged(int(message["reached"]), int(message["targets"]), int(message["newest_ns"]))


def stop_of(message: Mapping[str, Any]) -> ev.StopOrdered:
    """The guard's order to end."""
    cause = Cause(message.get("cause", Cause.DAEMON_STOPPED.value))
    return ev.StopOrdered(bool(message["hands_over"]), cause.value)


LINKS_EVERY_NS = SECOND
