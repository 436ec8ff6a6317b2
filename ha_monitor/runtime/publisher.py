"""The publisher process: takes views and transitions from the core, keeps them in outboxes, feeds the sinks.

Unprivileged. What it loses it loses alone: the core drops what it does not read, the guard starts it again.
A transition is acknowledged once every outbox has it on disk. Only fresh views are told on: when the core
falls silent, Nagios and Zabbix must see silence.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ha_monitor import paths
from ha_monitor.errors import SinkError
from ha_monitor.model import ClusterConfig
from ha_monitor.plain import from_plain
from ha_monitor.publish.declare import REFRESH_S, safe_name
from ha_monitor.publish.judge import Judge
from ha_monitor.publish.nagios import check_results, event_result, quiet_results
from ha_monitor.publish.outbox import Parcel
from ha_monitor.publish.snapshot import Snapshot, snapshots, tells_cluster
from ha_monitor.publish.zabbix import event_value, trap_values
from ha_monitor.runtime.ipc import Channel, inherited_channel, read_config_text
from ha_monitor.runtime.scribe import goes_to_journal, log_text
from ha_monitor.sinks.base import Sink
from ha_monitor.sinks.choose import sinks_for
from ha_monitor.sinks.courier import Courier
from ha_monitor.sinks.store import Outbox
from ha_monitor.timebase import MS, SECOND, lease_clock_ns, wall_clock_ns
from ha_monitor.view import SinkView, TransitionView, View, read_transition, read_view

CHANGE_NS = 100 * MS  # of one host, changes are told no more often than this
# After a change the former reporter may still have a call on its way that a healed network delivers late,
# and Nagios lets that older result win: so the new state is repeated soon, for a while.
UNSETTLED_NS = 20 * SECOND
REFRESH_UNSETTLED_NS = 3 * SECOND
CLUSTER_VOICE = ""  # stands for the cluster's host among the names of groups
TICK_NS = SECOND  # view.json, and another try with what could not be kept
STALE_NS = 3 * SECOND  # the core sends a view every second
FLUSH_S = 2.0
UNKEPT_MAX = 10_000


@dataclass(frozen=True)
class _Telling:
    """What a host was told last, when, and since when it is so."""

    signature: tuple[object, ...]
    told_ns: int
    changed_ns: int


class Publisher:
    """Knows the newest view, what was told of it when, and the ways out."""

    def __init__(
        self,
        config: ClusterConfig,
        sinks: Sequence[Sink],
        outbox_dir: Path,
        wall_ns: Callable[[], int] = wall_clock_ns,
    ) -> None:
        self._cluster = safe_name(config.name)
        self._wall_ns = wall_ns
        self._outbox_dir = outbox_dir
        self._unopened: dict[str, tuple[Sink, str]] = {sink.name: (sink, "") for sink in sinks}
        self._couriers: list[Courier] = []
        self._judge = Judge()
        self._voice: frozenset[str] | None = None  # groups owned, and the cluster; None: not known yet
        self._view: View | None = None
        self._is_told = True
        self._told: dict[str, _Telling] = {}  # by host
        self._unkept: dict[str, TransitionView] = {}
        self.rejected = 0  # messages that were no view and no transition
        self.open_outboxes()

    # --- what comes in

    def take_view(self, plain: dict[str, Any]) -> None:
        """A newer view; one that was not told yet is forgotten."""
        try:
            self._view, self._is_told = read_view(plain), False
        except ValueError:
            self.rejected += 1

    def take_transition(self, plain: dict[str, Any]) -> None:
        """A transition: kept from now on, also while no outbox takes it."""
        try:
            transition = read_transition(plain)
        except ValueError:
            self.rejected += 1
            return
        if transition.ident and len(self._unkept) < UNKEPT_MAX:
            self._unkept[transition.ident] = transition

    def keep_transitions(self) -> list[str]:
        """Put what waits into every outbox; return the idents that are safe on disk now."""
        if self._unopened:
            return []
        kept = [ident for ident, transition in self._unkept.items() if self._keep(transition)]
        for ident in kept:
            del self._unkept[ident]
        return kept

    def _keep(self, transition: TransitionView) -> bool:
        nagios = event_result(self._cluster, transition).parcel()
        zabbix = event_value(self._cluster, transition).parcel()
        # Every outbox is tried, also after one has failed: kept twice is kept once.
        kept = [self._put(c, [zabbix if c.sink.policy.keeps_history else nagios]) for c in self._couriers]
        return all(kept)

    # --- what goes out

    def tell(self, at_ns: int) -> int:
        """Tell what has changed and what is due; return when to come back at the latest."""
        again_ns = at_ns + TICK_NS
        if self._view is None or self._is_told:
            return again_ns
        if self._wall_ns() - self._view.stamp_ns > STALE_NS:
            # We, or the whole host, stood still: somebody else has told newer things since.
            self._is_told = True
            return again_ns
        view = replace(self._view, sinks=self.sinks())
        self._keep_to_own_voice(view)
        taken = snapshots(view)
        due = [self._due_ns(snapshot, at_ns) for snapshot in taken]
        for snapshot, due_ns in zip(taken, due, strict=True):
            if due_ns <= at_ns:
                self._tell_host(view, snapshot, at_ns)
        # A change that came too soon after the last one is told when its time has come, from this very view.
        self._is_told = all(due_ns <= at_ns or due_ns > at_ns + CHANGE_NS for due_ns in due)
        return min([again_ns, *(due_ns for due_ns in due if due_ns > at_ns)])

    def _due_ns(self, snapshot: Snapshot, at_ns: int) -> int:
        if snapshot.host not in self._told:
            return at_ns
        last = self._told[snapshot.host]
        if last.signature != snapshot.signature():
            return last.told_ns + CHANGE_NS
        is_settled = last.told_ns - last.changed_ns > UNSETTLED_NS
        return last.told_ns + (REFRESH_S * SECOND if is_settled else REFRESH_UNSETTLED_NS)

    def _tell_host(self, view: View, snapshot: Snapshot, at_ns: int) -> None:
        results = check_results(snapshot, self._judge)
        quiet = quiet_results(view) if snapshot.host == safe_name(view.self_name) else ()
        nagios = [result.parcel() for result in (*results, *quiet)]
        zabbix = [value.parcel() for value in trap_values(snapshot)]
        for courier in self._couriers:
            self._put(courier, zabbix if courier.sink.policy.keeps_history else nagios)
        last, signature = self._told.get(snapshot.host), snapshot.signature()
        changed_ns = last.changed_ns if last and last.signature == signature else at_ns
        self._told[snapshot.host] = _Telling(signature, at_ns, changed_ns)

    def _keep_to_own_voice(self, view: View) -> None:
        """What this voter no longer speaks for is taken back: somebody else tells it now, and newer."""
        voice = frozenset(g.name for g in view.groups if g.owner == view.self_name)
        if tells_cluster(view):
            voice |= {CLUSTER_VOICE}
        if self._voice is not None and self._voice <= voice:
            self._voice = voice
            return
        self._told.pop(self._cluster, None)
        if CLUSTER_VOICE not in voice:
            self._judge.forget(self._cluster)
        with contextlib.suppress(SinkError):
            for courier in self._couriers:
                courier.retract(self._cluster)
            self._voice = voice

    @staticmethod
    def _put(courier: Courier, parcels: Sequence[Parcel]) -> bool:
        try:
            courier.outbox.put(parcels)
        except SinkError as error:
            courier.detail = str(error)
            return False
        courier.wake()
        return True

    # --- outboxes and their state

    def open_outboxes(self) -> None:
        """Open what is not open yet: a directory may come, a full disk be cleared."""
        for name, (sink, _) in list(self._unopened.items()):
            try:
                outbox = Outbox(self._outbox_dir / f"{name}.sqlite", sink.policy)
            except SinkError as error:
                self._unopened[name] = (sink, str(error))
                continue
            del self._unopened[name]
            courier = Courier(sink, outbox, self._wall_ns, say=_say)
            courier.start()
            self._couriers.append(courier)

    def sinks(self) -> tuple[SinkView, ...]:
        """How each way out stands."""
        now_ns = self._wall_ns()
        open_ones = tuple(courier.view(now_ns) for courier in self._couriers)
        closed = tuple(
            SinkView(name, sink.kind, "down", 0, 0, 0, 0, 0, 0.0, why)
            for name, (sink, why) in self._unopened.items()
        )
        return open_ones + closed

    def write_view_file(self, path: Path) -> None:
        """The newest view with the sinks' state, replaced as a whole. Its stamp stays the core's."""
        if self._view is None:
            return
        text = json.dumps(asdict(replace(self._view, sinks=self.sinks())), separators=(",", ":"))
        new = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(new, path)
        except OSError as error:
            _say(f"{path}: {error.strerror}")

    def close(self, within_s: float) -> None:
        """Send what can be sent in this time; the rest waits on disk for the next life."""
        for courier in self._couriers:
            courier.stop(0)
        until_ns = lease_clock_ns() + int(within_s * SECOND)
        for courier in self._couriers:
            courier.stop(max(0.0, (until_ns - lease_clock_ns()) / SECOND))
            courier.outbox.close()


class _Loop:
    """Channel, signals and time; ends on SIGTERM or when guard and core are gone."""

    def __init__(self, publisher: Publisher, channel: Channel, view_file: Path) -> None:
        self._publisher = publisher
        self._channel = channel
        self._view_file = view_file
        self._is_ending = False
        self._wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, _number: int, _frame: object) -> None:
        self._is_ending = True

    def run(self) -> None:
        """Until told to end."""
        tick_ns = next_ns = 0
        while not self._is_ending and not self._channel.is_closed:
            wait_s = max(0, min(tick_ns, next_ns) - lease_clock_ns()) / SECOND
            select.select((self._channel.fileno(), self._wake_read), (), (), wait_s)
            self._receive()
            self._acknowledge()
            next_ns = self._publisher.tell(lease_clock_ns())
            if lease_clock_ns() >= tick_ns:
                tick_ns = lease_clock_ns() + TICK_NS
                self._publisher.open_outboxes()
                self._publisher.write_view_file(self._view_file)

    def _receive(self) -> None:
        for message in self._channel.receive():
            kind = message["kind"]
            if kind == "view":
                self._publisher.take_view(message.get("view", {}))
            elif kind == "transition":
                self._publisher.take_transition(message.get("transition", {}))
            elif kind == "ping":
                self._channel.send({**message, "kind": "pong"})

    def _acknowledge(self) -> None:
        for ident in self._publisher.keep_transitions():
            self._channel.send({"kind": "ack", "ident": ident})


def _say(line: str) -> None:
    """A warning for the journal or standard error."""
    sys.stderr.write(log_text("warning", f"publisher: {line}", goes_to_journal()))


def main() -> int:
    """Run until the core's end of the channel is closed, or SIGTERM."""
    channel = inherited_channel()
    config = from_plain(json.loads(read_config_text()))
    outbox_dir = paths.state_dir() / "outbox"
    publisher = Publisher(config, sinks_for(config, outbox_dir), outbox_dir)
    try:
        _Loop(publisher, channel, paths.view_file()).run()
    finally:
        publisher.close(FLUSH_S)
    return 0


if __name__ == "__main__":
    sys.exit(main())
