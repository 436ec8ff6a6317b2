"""The parent of all processes of a daemon: starts them, and ends what a dead core left behind.

It decides nothing about the cluster. It knows four things: a child died; the core is silent; a signal came;
the core asked for something. What can block is done by others (`scribe`, the configuration's child).

    ha-monitor run      -> python -m ha_monitor.runtime.guard
    ha-monitor witness  -> python -m ha_monitor.runtime.guard --witness
"""

from __future__ import annotations

import contextlib
import select
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ha_monitor import paths
from ha_monitor.errors import HaMonitorError, NetlinkError
from ha_monitor.model import Quorum
from ha_monitor.runtime.bring_down import BringDown, stop_bound_ns
from ha_monitor.runtime.children import end_text
from ha_monitor.runtime.config_reader import ConfigReader
from ha_monitor.runtime.exclusive import ExclusiveGroups
from ha_monitor.runtime.generation import TICK_NS, CoreHandle, Generation
from ha_monitor.runtime.helpers import Helpers
from ha_monitor.runtime.notify import notify
from ha_monitor.runtime.preparation import Prepared, prepare
from ha_monitor.runtime.realtime import become_realtime, still_garbage
from ha_monitor.runtime.signals import SignalWatch
from ha_monitor.runtime.slow_news import slow_news
from ha_monitor.runtime.successor import LET_GO_BOUND_NS, START_BOUND_NS, Successor, succeeding_generation
from ha_monitor.timebase import SECOND, lease_clock_ns

READS_MAX = 256
SLOW_TICK_NS = 10 * SECOND  # windows of failback; memory of the processes


class Guard:
    """Runs until everything that it started has ended."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._scribe = prepared.scribe
        self._memory = prepared.memory
        self._now: Callable[[], int] = lease_clock_ns
        self._current = prepared.generation
        self._core: CoreHandle | None = None  # None only while a back-off lasts
        self._reader: ConfigReader | None = None  # a planned restart begins
        self._next: Successor | None = None  # and goes on: it warms up
        self._helpers = Helpers(self._tell_of_helper, self._scribe.log, self._now)
        self._bring_down = BringDown(self._current.config, self._current.is_witness)
        self._exclusive = self._make_exclusive()
        self._is_stopping = False
        self._stop_bound_ns = 0
        self._slow_tick_ns = 0
        self._has_run = False
        self._exit_code: int | None = None
        self._signals = SignalWatch()

    def _make_exclusive(self) -> ExclusiveGroups:
        config, name = self._current.config, self._current.self_name
        return ExclusiveGroups(config, name, self._tell_core, self._scribe.log)

    def run(self) -> int:
        """Start everything, watch it, return the daemon's exit code."""
        self._signals.listen(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        self._exclusive.end_all(self._now)
        self._start_core()
        while self._exit_code is None:
            self._wait()
            self._read_signals()
            self._read_core()
            self._read_configuration()
            self._read_next_core()
            self._tick(self._now())
        self._end()
        return self._exit_code

    def _wait(self) -> None:
        watched: list[Any] = [
            self._signals,
            *self._helpers.watched(self._current),
            *self._exclusive.watched,
            *([self._reader] if self._reader else []),
        ]
        for handle in (self._core, self._next.core if self._next else None):
            if handle:
                watched += [handle.child] if handle.channel.is_closed else [handle.child, handle.channel]
        now, due_ns = self._now(), self._exclusive.due_ns()
        length_ns = TICK_NS if due_ns is None else max(0, min(TICK_NS, due_ns - now))
        select.select(watched, [], [], length_ns / SECOND)

    def _read_signals(self) -> None:
        numbers = self._signals.take()
        if {signal.SIGTERM, signal.SIGINT} & numbers:
            self._begin_stop("signal")
        elif signal.SIGHUP in numbers:
            self._begin_restart("signal")

    # --- the core

    def _start_core(self) -> None:
        """Or let `_tick` try again later, when the machine has the means for it."""
        old = self._core
        try:
            self._core = self._launch(self._current, old)
        except OSError as error:  # no memory, no process left
            self._core = None
            back_off, now = self._current.back_off["core"], self._now()
            back_off.started(now)
            back_off.ended(now)
            self._scribe.log("error", f"core cannot be started: {error}; tried again later")
        if old:
            old.close()

    def _launch(self, generation: Generation, old: CoreHandle | None) -> CoreHandle:
        prepared = self._prepared
        # A restart may have brought a longer hold: a voter takes no proposal that holds longer than this.
        is_single = generation.config.quorum is Quorum.SINGLE  # nobody else could hold anything
        abstain_ns = 0 if is_single else max(prepared.abstain_ns, self._memory.hold_ns)
        return generation.start_core(prepared.listeners, self._memory, abstain_ns, old, self._now())

    def _tell_core(self, message: Mapping[str, Any]) -> None:
        if self._core:
            self._core.channel.send(message)

    def _tell_of_helper(self, message: Mapping[str, Any]) -> None:
        self._tell_core(message)
        self._slow_tick_ns = 0  # the list of processes is out of date

    def _read_core(self) -> None:
        core = self._core
        if core is None:
            return
        for _ in range(READS_MAX):  # all of it: what is judged next is judged by the latest word
            messages = core.channel.receive()
            for message in messages:
                core.watch.fed()
                self._heed(core, message)
            if not messages:
                break
        if (code := core.child.reap(0)) is not None:
            for message in core.channel.receive():  # its last words
                self._heed(core, message)
            self._core_ended(core, code)

    def _heed(self, core: CoreHandle, message: Mapping[str, Any]) -> None:
        handler = self._MESSAGES.get(message["kind"])
        try:
            if handler is not None:
                handler(self, core, message)
        except (KeyError, ValueError, TypeError, OSError) as error:  # must not end the guard of the others
            self._scribe.log("error", f"guard: unusable {message['kind']} message from the core: {error!r}")

    def _core_is_ready(self, core: CoreHandle, _message: Mapping[str, Any]) -> None:
        core.is_ready = self._has_run = True
        self._exclusive.tell_again()
        self._helpers.introduce(self._current)
        self._slow_tick_ns = 0
        notify("READY=1")

    def _core_beats(self, core: CoreHandle, message: Mapping[str, Any]) -> None:
        core.user_lease_ends_ns = int(message.get("until_ns", 0))

    def _core_shares_sockets(self, core: CoreHandle, message: Mapping[str, Any]) -> None:
        core.goodbye.take_sockets(message["keys"], message.get("fds", ()))

    def _core_says_goodbye(self, core: CoreHandle, message: Mapping[str, Any]) -> None:
        core.goodbye.take_packets(message)

    def _core_saves(self, _core: CoreHandle, message: Mapping[str, Any]) -> None:
        self._memory = self._memory.changed(message)
        self._scribe.remember(self._memory)

    def _core_logs(self, _core: CoreHandle, message: Mapping[str, Any]) -> None:
        self._scribe.log(str(message["level"]), str(message["line"]))

    def _helper_hangs(self, _core: CoreHandle, message: Mapping[str, Any]) -> None:
        self._helpers.kill(self._current, str(message["role"]))

    def _core_has_lease(self, _core: CoreHandle, message: Mapping[str, Any]) -> None:
        group, until_ns, is_new = str(message["group"]), int(message["until_ns"]), bool(message["is_new"])
        self._exclusive.take_lease(group, until_ns, is_new, self._now())

    def _core_ends_group(self, _core: CoreHandle, message: Mapping[str, Any]) -> None:
        self._exclusive.take_end(str(message["group"]), self._now())

    def _stop_was_asked(self, _core: CoreHandle, message: Mapping[str, Any]) -> None:
        self._begin_stop(str(message["who"]))

    def _restart_was_asked(self, _core: CoreHandle, message: Mapping[str, Any]) -> None:
        self._begin_restart(str(message["who"]))

    _MESSAGES: Mapping[str, Callable[[Guard, CoreHandle, Mapping[str, Any]], None]] = {
        "ready": _core_is_ready,
        "beat": _core_beats,
        "sockets": _core_shares_sockets,
        "goodbye": _core_says_goodbye,
        "save": _core_saves,
        "log": _core_logs,
        "hangs": _helper_hangs,
        "guard-group": _core_has_lease,
        "end-group": _core_ends_group,
        "stop-asked": _stop_was_asked,
        "restart-asked": _restart_was_asked,
    }

    def _core_ended(self, core: CoreHandle, code: int) -> None:
        """It is reaped: nothing of it runs any more."""
        if self._next and core.is_asked_to_end:
            self._adopt_next(core)
        elif self._is_stopping:
            self._exit_code = 0 if code == 0 else 1
        elif not self._has_run:
            self._exit_code = code if code > 0 else 1  # it said why
        else:
            self._replace_dead_core(core, code)

    def _replace_dead_core(self, core: CoreHandle, code: int) -> None:
        """Rule 9: reaped, closed, acknowledged, and only then said to the others."""
        released = ""
        if core.user_lease_ends_ns:
            self._bring_down.close_all()  # no kernel ends it, and the end that was told died with the core
        if core.goodbye.has_something_to_say:
            is_closed = self._bring_down.close_groups(group for group, _ in core.goodbye.releases)
            sent = core.goodbye.send() if is_closed else 0
            core.released = core.goodbye.releases if sent else ()
            released = f"; its addresses are closed, released in {sent} packets"
        self._scribe.log("error", f"core ended unasked ({end_text(code)}){released}; a new one starts")
        if self._reader or self._next:
            self._refuse_restart("the core ended meanwhile; order it again")
        self._end_next()
        back_off = self._current.back_off["core"]
        back_off.ended(self._now())
        if back_off.not_before_ns <= self._now():
            self._start_core()
        else:
            self._core = None  # `_tick` starts it; the kernel's Lease ends meanwhile
            core.close()

    # --- restart: a new core is warm before the old one lets go

    def _begin_restart(self, who: str) -> None:
        if self._is_stopping or self._reader or self._next or not self._core:
            return
        self._scribe.log("info", f"restart ordered by {who}: reading the configuration")
        try:
            self._reader = ConfigReader()
        except HaMonitorError as error:
            self._refuse_restart(str(error))

    def _read_configuration(self) -> None:
        if not self._reader:
            return
        try:
            told = self._reader.answer(self._now())
            if told is None:
                return
            generation = succeeding_generation(self._current, told)
        except HaMonitorError as error:
            self._end_next()
            self._refuse_restart(str(error))
            return
        self._end_next()
        self._warm_up(generation)

    def _warm_up(self, generation: Generation) -> None:
        self._memory = self._memory.with_hold(generation.config.longest_hold_ns, is_known=True)
        self._scribe.remember(self._memory)
        try:
            core = self._launch(generation, self._core)
        except OSError as error:
            generation.close()
            self._refuse_restart(f"a new core cannot be started: {error}")
            return
        self._next = Successor(generation, core, self._now() + START_BOUND_NS)

    def _refuse_restart(self, reason: str) -> None:
        self._scribe.log("error", f"restart refused, the old configuration stays: {reason}")
        self._tell_core({"kind": "restart-refused", "reason": reason})

    def _read_next_core(self) -> None:
        if not self._next:
            return
        handle = self._next.core
        for message in handle.channel.receive():
            if message["kind"] == "warm" and self._core:
                self._core.is_asked_to_end = True
                self._tell_core({"kind": "stop", "hands_over": False})
                self._next.bound_ns = self._now() + LET_GO_BOUND_NS
            else:
                self._heed(handle, message)
        if (code := handle.child.reap(0)) is not None:
            self._next_failed(f"the new core ended at its start ({end_text(code)})")

    def _next_failed(self, reason: str) -> None:
        self._end_next()
        if self._core:
            self._core.is_asked_to_end = False
        self._refuse_restart(reason)

    def _end_next(self) -> None:
        if self._reader:
            self._reader.end()
            self._reader = None
        if self._next:
            self._next.end()
            self._next = None

    def _adopt_next(self, old: CoreHandle) -> None:
        assert self._next is not None, "nothing was warmed up"
        former = self._current
        self._current, self._core = self._next.generation, self._next.core
        self._next = None
        old.close()
        try:
            self._bring_down.drop(self._current.config)
        except NetlinkError as error:
            self._scribe.log(
                "error", f"an address that is no longer configured could not be removed: {error}"
            )
        self._bring_down.shutdown()
        self._bring_down = BringDown(self._current.config, self._current.is_witness)
        self._exclusive.reconfigure(self._current.config)
        self._helpers.retire(former)
        former.close()

    # --- time

    def _tick(self, now: int) -> None:
        if self._core is None and now >= self._current.back_off["core"].not_before_ns:
            self._start_core()
        elif self._core:
            self._watch_core(self._core, now)
        if self._next and now > self._next.bound_ns:
            self._overdue_restart()
        self._exclusive.tick(now, self._now)
        if self._core and self._core.is_ready:
            self._helpers.keep(self._current)
        else:  # nobody to be told of a new one; one that ended unreaped would wake the guard without end
            self._helpers.reap(self._current)
        if now >= self._slow_tick_ns:
            self._slow_tick_ns = now + SLOW_TICK_NS
            self._slow_tick()

    def _watch_core(self, core: CoreHandle, now: int) -> None:
        if core.user_lease_ends_ns and now > core.user_lease_ends_ns:
            core.user_lease_ends_ns = 0
            self._bring_down.close_all()
        if core.is_ready and core.watch.is_hung(now):
            core.watch.fed()  # said once, then reaped as soon as the kernel lets it end
            self._scribe.log("error", "core is silent for too long: killed")
            core.child.kill()
        elif self._is_stopping and now > self._stop_bound_ns:
            self._scribe.log("error", "core did not hand over in time: killed")
            core.child.kill()

    def _overdue_restart(self) -> None:
        if self._core and self._core.is_asked_to_end:
            self._core.child.kill()  # it was told to let go at once; its successor waits for its end
        else:
            self._next_failed("the new core was not ready in time")

    def _slow_tick(self) -> None:
        for message in slow_news(self._current, self._core):
            self._tell_core(message)

    # --- the end

    def _begin_stop(self, who: str) -> None:
        if self._is_stopping:
            return
        self._scribe.log("info", f"stop ordered by {who}: handing over")
        notify("STOPPING=1")
        self._is_stopping = True
        self._stop_bound_ns = self._now() + stop_bound_ns(self._current.config)
        self._end_next()
        if self._core is None:
            self._exit_code = 0
        else:
            self._tell_core({"kind": "stop", "hands_over": True})

    def _end(self) -> None:
        """Whatever the core did or did not do: nothing of the addresses stays, no child stays."""
        core = self._core
        if self._has_run:
            is_closed = self._bring_down.remove_all()
            if not is_closed:
                self._scribe.log("error", "service addresses could not be removed; see `ip address`")
            elif core and core.goodbye.has_something_to_say:
                core.goodbye.send()
        self._exclusive.end_all(self._now)
        self._exclusive.close()
        self._end_next()
        self._helpers.end_all(self._current)
        with contextlib.suppress(OSError):  # else it would be believed for some seconds more
            paths.view_file().unlink(missing_ok=True)
        self._scribe.close(1.0)


def main(argv: list[str]) -> int:
    """Run a Node's or the Witness's daemon in the foreground; errors become one line and code 2."""
    try:
        prepared = prepare(is_witness="--witness" in argv)
    except HaMonitorError as error:
        sys.stderr.write(f"ha-monitor: {error}\n")
        return 2
    guard = Guard(prepared)
    become_realtime()
    still_garbage()
    return guard.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
