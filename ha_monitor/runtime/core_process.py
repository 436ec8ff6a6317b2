"""The process that decides in time: heartbeats, Leases, service addresses. Standard library only.

    python -m ha_monitor.runtime.core_process      (started by the guard)

Warms up, tells the guard, waits until the core before it has ended (a lock that the kernel frees), then runs
the loop until it has let go of everything or is told to leave everything as it is.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

import ha_monitor
from ha_monitor import paths
from ha_monitor.core import events as ev
from ha_monitor.core.bids import ballot_floor
from ha_monitor.core.cluster import ClusterCore
from ha_monitor.errors import HaMonitorError
from ha_monitor.messages import Release
from ha_monitor.model import Ballot, Cause, ClusterConfig, Voter
from ha_monitor.net.service_address import ServiceAddresses
from ha_monitor.runtime import sources
from ha_monitor.runtime.configuration import config_of, keyring_of
from ha_monitor.runtime.control import ControlServer, user_names
from ha_monitor.runtime.core_start import CoreStart, core_start_of
from ha_monitor.runtime.effects import Effects, Outside
from ha_monitor.runtime.instance import CORE_LOCK, ProcessLock
from ha_monitor.runtime.ipc import SELF_NAME, Channel, Json, read_config_text, read_text
from ha_monitor.runtime.kernel_io import Kernel, ServiceKernel
from ha_monitor.runtime.links_io import LinkSockets, socket_keys
from ha_monitor.runtime.loop import Source, Stepper, run
from ha_monitor.runtime.net_names import service_addresses
from ha_monitor.runtime.no_kernel import NoKernel
from ha_monitor.runtime.orders import OrderReader
from ha_monitor.runtime.pulse import PULSE_NS, Pulse
from ha_monitor.runtime.realtime import Realtime, become_realtime, still_garbage, worst_stall_ns
from ha_monitor.runtime.transitions import TransitionOutbox
from ha_monitor.runtime.view_out import ViewOut, process_views
from ha_monitor.runtime.voter_file import VoterFile, is_volatile, new_incarnation, take_seat
from ha_monitor.timebase import MS, SECOND, lease_clock_ns, wall_clock_ns
from ha_monitor.view import AddressView
from ha_monitor.wire.seal import Endpoint, Opener, Sealer

STALLS_EVERY_NS = SECOND
TRANSITIONS_EVERY_NS = 10 * SECOND
BEAT_EVERY_NS = 200 * MS
VALID_LEASES = 4  # an address outlives the last sign of its core by so many Leases


class CoreProcess:
    """Everything of one core, put together; `main` gives it its order in time."""

    def __init__(self, start: CoreStart, config: ClusterConfig, keys: bytes, self_name: str) -> None:
        self._start = start
        self._config = config
        self._me: Voter = config.voter(self_name)
        self._guard = Channel(socket.socket(fileno=start.guard_fd))
        self._worker = Channel(socket.socket(fileno=start.worker_fd)) if start.worker_fd >= 0 else None
        self._publisher = Channel(socket.socket(fileno=start.publisher_fd))
        self._incarnation = new_incarnation()
        self._endpoint = self._make_endpoint(keys)
        keys_wanted = socket_keys(config, self._me.index)
        self._links = LinkSockets(keys_wanted, start.sockets, lease_clock_ns, wall_clock_ns)
        self._voter_file = VoterFile(paths.run_dir())
        self._transitions = TransitionOutbox(paths.run_dir(), self._me.name, self._incarnation)
        self._listeners = socket.socket(fileno=start.control_fd), socket.socket(fileno=start.status_fd)
        ends = {"worker": self._worker, "publisher": self._publisher}
        self._pulses = {role: Pulse(role, end, self._guard) for role, end in ends.items() if end}
        self._devices: dict[str, str] = {}
        self._users = user_names()

    def _make_endpoint(self, keys: bytes) -> Endpoint:
        config, keyring = self._config, keyring_of(keys)
        opener = Opener(
            config.name,
            keyring,
            receiver=self._me.index,
            incarnation=self._incarnation,
            peers=[v.index for v in config.voters if v.index != self._me.index],
            links=sorted({link for voter in config.voters for link in voter.addresses}),
            interval_ns=config.timing.interval_ns,
        )
        return Endpoint(Sealer(config.name, keyring), opener)

    def warm_up(self, realtime: Realtime) -> None:
        """Everything that can be done while another core still works. Raises HaMonitorError."""
        self._realtime = realtime
        self._stall_at_start_ns = worst_stall_ns(lease_clock_ns)
        self._links.open_missing()
        self._kernel = self._make_kernel()

    def _make_kernel(self) -> Kernel:
        addresses = service_addresses(self._config)
        if self._me.is_witness or not addresses:
            return NoKernel()
        valid_ns = VALID_LEASES * self._config.timing.lease_ns
        net = ServiceAddresses(self._config.name, addresses, valid_ns)
        return ServiceKernel(self._config, self._me, net, lease_clock_ns)

    def begin(self) -> None:
        """From here on this core is the only one of its host: take the voter's seat and build the loop."""
        now = lease_clock_ns()
        memory = self._start.memory
        floor = max(memory.counter, ballot_floor(wall_clock_ns()))
        abstain_ns, longest_ns = self._start.abstain_ns, self._config.longest_hold_ns
        seat = take_seat(self._voter_file, self._me.index, abstain_ns, longest_ns, floor, now)
        for group, ballot in self._start.released:
            # What our guard released for the core before is no longer held by our own voter either.
            release = Release(group, Ballot(*ballot), -1, Cause.DAEMON_DIED)
            seat.answer(self._me.index, release, now)
        self._voter_file.write(seat.dump())
        self._core = ClusterCore(
            self._config,
            self._me.index,
            self._incarnation,
            now,
            seat,
            floor,
            memory.is_standby,
            memory.maintenance(wall_clock_ns()),
            ha_monitor.__version__,
        )
        self._core.situation.stalls.note(self._stall_at_start_ns, now)
        self._outside = Outside(
            clock=lease_clock_ns,
            wall=wall_clock_ns,
            endpoint=self._endpoint,
            links=self._links,
            kernel=self._kernel,
            voter_file=self._voter_file,
            guard=self._guard,
            worker=self._worker,
            publisher=self._publisher,
            transitions=self._transitions,
            answer_order=self._answer_order,
        )
        self._stepper = Stepper(self._core, Effects(self._outside), lease_clock_ns)
        self._view_out = self._make_view_out()
        self._control = self._make_control()

    def _answer_order(self, order_id: int, is_done: bool, reason: str) -> None:
        self._control.answer_order(order_id, is_done, reason)

    def _make_view_out(self) -> ViewOut:
        return ViewOut(
            self._core.view,
            self._publisher,
            wall_clock_ns,
            lambda: self._endpoint.rejected,
            self._complete_address,
            self._config.timing.interval_ns,
            self._realtime.is_realtime,
            self._start.restarts,
        )

    def _make_control(self) -> ControlServer:
        return ControlServer(
            *self._listeners,
            OrderReader(self._config, self._me),
            self._view_out.text,
            self._stepper.feed,
            self._guard,
            lease_clock_ns,
            self._users,
        )

    def run(self) -> int:
        """Until the core has stopped; the process's exit code."""
        if isinstance(self._kernel, ServiceKernel):
            for event in self._kernel.prepare():
                self._stepper.feed(event)
        for note in self._transitions.last_notes():
            self._stepper.feed(ev.TransitionStamped(note))
        self._share_sockets()
        self._say_scheduling()
        self._say_where_state_lies()
        self._guard.send({"kind": "ready"})
        run(self._core, self._stepper, self._sources(), lease_clock_ns)
        self._view_out.tick(lease_clock_ns())
        self._kernel.shutdown()
        return self._outside.exit_code or 0

    def _sources(self) -> list[Source]:
        config = self._config
        beat = min(config.timing.interval_ns, BEAT_EVERY_NS)
        found: list[Source] = [
            sources.LinkSource(self._links, self._endpoint, self._stepper.feed),
            sources.KernelSource(self._kernel, self._stepper.feed, lease_clock_ns),
            sources.ChannelSource(self._guard, self._guard_messages(), self._guard_is_gone),
            sources.ChannelSource(
                self._publisher,
                {"ack": self._acknowledged, "pong": self._pulses["publisher"].answered},
            ),
            sources.Periodic(beat, self._beat),
            sources.Periodic(sources.LINKS_EVERY_NS, self._open_links),
            sources.Periodic(STALLS_EVERY_NS, self._judge_stalls),
            sources.Periodic(TRANSITIONS_EVERY_NS, self._repeat_transitions),
            sources.Periodic(max(config.timing.interval_ns, 100 * MS), self._view_out.tick),
            self._control,
        ]
        if self._worker is not None:
            messages = self._worker_messages()
            found.insert(3, sources.ChannelSource(self._worker, messages))
        found += [sources.Periodic(PULSE_NS, pulse.beat) for pulse in self._pulses.values()]
        return found

    # --- what the other processes say

    def _guard_messages(self) -> Mapping[str, Callable[[Json], None]]:
        feed = self._stepper.feed
        return {
            "stop": lambda m: feed(sources.stop_of(m)),
            "worker-started": self._worker_started,
            "worker-lives": lambda _: self._pulses["worker"].started(),
            "worker-lost": self._worker_lost,
            "publisher-started": self._publisher_started,
            "publisher-lives": self._publisher_started,
            "publisher-lost": lambda _: self._pulses["publisher"].ended(),
            "window": lambda m: feed(ev.FailbackWindowChanged(m["group"], bool(m["is_open"]))),
            "group-guarded": lambda m: feed(ev.GroupGuarded(str(m["group"]))),
            "group-ended": lambda m: feed(sources.ended_of(m)),
            "watchdog": self._watchdog,
            "processes": self._processes,
            "restart-refused": lambda m: self._control.answer_guard_orders(False, str(m["reason"])),
        }

    def _worker_messages(self) -> Mapping[str, Callable[[Json], None]]:
        feed = self._stepper.feed
        return {
            "report": self._reported,
            "pong": self._pulses["worker"].answered,
            "fence-ended": lambda m: feed(sources.fence_end_of(m)),
            "fence-tested": lambda m: feed(sources.fence_test_of(m)),
            "pinged": lambda m: feed(sources.pinged_of(m)),
        }

    def _guard_is_gone(self) -> None:
        """Nobody would end us any more: hand over and end, as the guard would have asked."""
        for group in self._config.groups:
            if group.exclusive:
                gone = ev.GroupEnded(group.name, False, "the guard is gone", is_guard_gone=True)
                self._stepper.feed(gone)
        self._stepper.feed(ev.StopOrdered(True, Cause.DAEMON_DIED.value))

    def _watchdog(self, message: Json) -> None:
        self._view_out.watchdog = str(message["state"]), str(message["detail"])

    def _worker_started(self, _message: Json) -> None:
        self._pulses["worker"].started()
        self._stepper.feed(ev.WorkerStarted())

    def _worker_lost(self, _message: Json) -> None:
        self._pulses["worker"].ended()
        self._stepper.feed(ev.WorkerLost())

    def _publisher_started(self, _message: Json) -> None:
        self._pulses["publisher"].started()
        self._repeat_transitions(0)

    def _repeat_transitions(self, _at_ns: int) -> None:
        """What the publisher has not acknowledged: it may have been dropped at a full socket."""
        for row in self._transitions.waiting():
            self._publisher.send({"kind": "transition", "transition": row})

    def _processes(self, message: Json) -> None:
        own = [self._with_own_scheduling(row) for row in message["processes"]]
        self._view_out.processes = process_views(own)

    def _with_own_scheduling(self, row: Json) -> Json:
        if row.get("role") != "core":
            return row
        return {**row, "scheduling": self._realtime.scheduling, "locked": self._realtime.is_locked}

    def _acknowledged(self, message: Json) -> None:
        self._transitions.acknowledge(str(message["ident"]))

    def _reported(self, message: Json) -> None:
        known = {g.name: frozenset(r.name for r in g.resources) for g in self._config.groups}
        self._stepper.feed(sources.report_of(message, known))

    # --- what is due

    def _beat(self, _at_ns: int) -> None:
        self._guard.send({"kind": "beat", "until_ns": self._kernel.user_lease_ends_ns})

    def _open_links(self, _at_ns: int) -> None:
        if self._links.is_complete:
            return
        try:
            if self._links.open_missing():
                self._share_sockets()
        except HaMonitorError as error:
            self._guard.send({"kind": "log", "level": "error", "line": str(error)})

    def _judge_stalls(self, at_ns: int) -> None:
        if complaint := self._core.situation.stalls.complaint(at_ns):
            self._guard.send({"kind": "log", "level": "warning", "line": complaint})

    def _share_sockets(self) -> None:
        opened = self._links.sockets()
        keys = [key.as_list() for key in opened]
        self._guard.send({"kind": "sockets", "keys": keys}, [sock.fileno() for sock in opened.values()])

    def _say_scheduling(self) -> None:
        if not self._realtime.is_realtime or not self._realtime.is_locked:
            line = f"no real-time rights: scheduling {self._realtime.scheduling}, "
            line += (
                f"memory {'locked' if self._realtime.is_locked else 'not locked'}; a Lease needs more room"
            )
            self._guard.send({"kind": "log", "level": "warning", "line": line})

    def _say_where_state_lies(self) -> None:
        if not is_volatile(paths.run_dir()):
            line = f"{paths.run_dir()} is not on tmpfs: each vote waits for a disk"
            self._guard.send({"kind": "log", "level": "warning", "line": line})

    def _complete_address(self, address: AddressView) -> AddressView:
        if self._me.is_witness:
            return address
        device = self._devices.get(address.name)
        if not device:
            device = self._devices[address.name] = self._kernel.device(address.name)
        return replace(address, device=device, announcements=self._kernel.announced.get(address.name, 0))


def wait_for_turn(lock: ProcessLock, guard: Channel) -> bool:
    """Whether the core before this one ended; False if the guard went away first."""
    while not lock.try_take():
        # The lock has no descriptor to select on: look each millisecond, the Lease is hundreds of them.
        select.select([guard], [], [], 0.001)
        guard.receive()
        if guard.is_closed:
            return False
    return True


def main() -> int:
    """The guard's child: exit code 2 and one line for what an operator can mend."""
    start = core_start_of()
    guard_end = socket.socket(fileno=os.dup(start.guard_fd))
    guard = Channel(guard_end)
    try:
        config = config_of(read_config_text())
        process = CoreProcess(start, config, read_text(start.keys_fd), os.environ[SELF_NAME])
        process.warm_up(become_realtime())
    except HaMonitorError as error:
        sys.stderr.write(f"ha-monitor: {error}\n")
        return 2
    guard.send({"kind": "warm"})
    lock = ProcessLock(paths.run_dir() / CORE_LOCK)
    if not wait_for_turn(lock, guard):
        return 0
    guard.detach()
    process.begin()
    still_garbage()
    return process.run()


if __name__ == "__main__":
    sys.exit(main())
