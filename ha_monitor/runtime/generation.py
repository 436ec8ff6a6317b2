"""The processes that run under one configuration, and the channels between them.

The guard keeps a copy of every end, so that a child can be replaced and its successor finds the same
channel. So nobody sees a closed channel while the guard lives; when guard and core are gone, all do.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass, replace

from ha_monitor.model import ClusterConfig
from ha_monitor.runtime.children import PACKAGE_ROOT, Account, BackOff, Child, full_python, stdlib_python
from ha_monitor.runtime.core_start import START, CoreStart
from ha_monitor.runtime.goodbye import Goodbye
from ha_monitor.runtime.hang import HangWatch, patience_ns
from ha_monitor.runtime.ipc import CONFIG_FD, CORE_FD, SELF_NAME, Channel, make_pair, text_fd
from ha_monitor.runtime.memory import Memory
from ha_monitor.timebase import MS

TICK_NS = 100 * MS


@dataclass(frozen=True)
class Listeners:
    """The control sockets: opened by the guard once, served by whichever core lives."""

    control: socket.socket
    status: socket.socket


class CoreHandle:
    """One core process as the guard sees it."""

    def __init__(self, child: Child, channel: Channel, lease_ns: int) -> None:
        self.child = child
        self.channel = channel
        self.goodbye = Goodbye()
        self.watch = HangWatch(patience_ns(lease_ns), TICK_NS)
        self.is_ready = False
        self.is_asked_to_end = False
        self.released: tuple[tuple[str, tuple[int, int, int]], ...] = ()  # by us, after its death
        self.user_lease_ends_ns = 0  # user-space Lease only: when the addresses must be gone

    def close(self) -> None:
        """After it was reaped."""
        self.channel.close()
        self.goodbye.close()


class Generation:
    """One configuration, its core, worker and publisher."""

    def __init__(
        self,
        config: ClusterConfig,
        config_text: bytes,
        keys_text: bytes,
        account: Account,
        self_name: str,
        is_witness: bool,
    ) -> None:
        """``account``: the publisher's. Raises OSError, and then nothing stays open."""
        self.config = config
        self.account = account
        self.self_name = self_name
        self.is_witness = is_witness
        self.roles = ("publisher",) if is_witness else ("worker", "publisher")
        with contextlib.ExitStack() as opened:
            self._config_fd = text_fd("ha-monitor-config", config_text)
            opened.callback(os.close, self._config_fd)
            self._keys_fd = text_fd("ha-monitor-keys", keys_text)
            opened.callback(os.close, self._keys_fd)
            self._pairs = {}
            for role in self.roles:
                self._pairs[role] = make_pair()
                for end in self._pairs[role]:
                    opened.callback(end.close)
            opened.pop_all()
        self.children: dict[str, Child] = {}
        self.back_off = {role: BackOff() for role in ("core", *self.roles)}

    def start_core(
        self,
        listeners: Listeners,
        memory: Memory,
        abstain_ns: int,
        old: CoreHandle | None,
        at_ns: int,
    ) -> CoreHandle:
        """Start a core; it warms up and waits for the core before it, ``old``, to end. Raises OSError."""
        ours, theirs = make_pair()
        ends = {role: pair[0].fileno() for role, pair in self._pairs.items()}
        start = CoreStart(
            guard_fd=theirs.fileno(),
            worker_fd=ends.get("worker", -1),
            publisher_fd=ends["publisher"],
            control_fd=listeners.control.fileno(),
            status_fd=listeners.status.fileno(),
            keys_fd=self._keys_fd,
            memory=memory,
            abstain_ns=abstain_ns,
            restarts=self.back_off["core"].restarts,
            released=old.released if old else (),
            sockets=tuple(old.goodbye.inheritable()) if old else (),
        )
        environment = {**self._environment(), START: start.to_text(), "PYTHONPATH": PACKAGE_ROOT}
        command = stdlib_python("ha_monitor.runtime.core_process")
        try:
            child = Child("core", command, environment, [self._config_fd, *start.fds()])
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.back_off["core"].started(at_ns)
        return CoreHandle(child, Channel(ours), self.config.timing.lease_ns)

    def start(self, role: str, at_ns: int) -> Child:
        """Start worker or publisher. Orders left unread are void: the core knows of the loss."""
        end = self._pairs[role][1]
        drain(end)
        account = self.account if role == "publisher" else None
        environment = {**self._environment(), CORE_FD: str(end.fileno())}
        command = full_python(f"ha_monitor.runtime.{role}")
        child = Child(role, command, environment, [self._config_fd, end.fileno()], account)
        child.expose_to_oom()
        self.children[role] = child
        self.back_off[role].started(at_ns)
        return child

    def _environment(self) -> dict[str, str]:
        return {CONFIG_FD: str(self._config_fd), SELF_NAME: self.self_name}

    def close(self) -> None:
        """Give up the guard's copies; children of this generation then see each other's end."""
        os.close(self._config_fd)
        os.close(self._keys_fd)
        for pair in self._pairs.values():
            for end in pair:
                end.close()

    def take_over(self, other: Generation) -> None:
        """Carry the counters of restarts on."""
        for role, back_off in other.back_off.items():
            if role in self.back_off:
                self.back_off[role] = replace(back_off, delay_ns=0, not_before_ns=0)


def drain(end: socket.socket) -> None:
    """Throw away what waits to be read."""
    end.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while end.recv(1):  # a packet is gone as soon as its first byte is read
            pass
