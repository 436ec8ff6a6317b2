"""The guard's care for exclusive groups: which Lease holds until when, and an end for those without one.

It parses no packet and asks nobody: the core tells it at each renewal until when the Lease holds. When that
moment has passed without a later word, for whatever reason, it ends the group. It feeds the watchdog only
while each group is either proved ended or can still be ended in time.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Mapping
from typing import Any

from ha_monitor.model import CLOCK_DRIFT, ClusterConfig, Group
from ha_monitor.runtime.cgroup import Cgroup, directory_of, hierarchy
from ha_monitor.runtime.ending import Ending, ending_steps, member_of
from ha_monitor.runtime.watchdog import Feeder, FeederState
from ha_monitor.timebase import MS, SECOND

LOOK_EVERY_NS = 100 * MS
Tell = Callable[[Mapping[str, Any]], None]


class GroupWatch:
    """One exclusive group. ``until_ns``: its Lease holds so long as far as the core said, 0 for no Lease.

    ``held_ns``: the same, but an order to end the group does not stop it: nobody else may start it yet.
    """

    def __init__(self, group: Group, cgroup: Cgroup, node: str) -> None:
        self.cgroup = cgroup
        self.until_ns = self.held_ns = 0
        self.is_clean = False  # proved ended; a guard that has just started knows nothing
        self.ending: Ending | None = None
        self.wanted_ns = 0  # a Lease that was won while the end of the one before was under way
        self.is_late_told = self.is_refusal_told = False
        self.take_group(group)
        self._environment = {"HA_MONITOR_GROUP": group.name, "HA_MONITOR_NODE": node}

    def take_group(self, group: Group) -> None:
        """Its configuration, now or after a restart of the core. An end under way goes on as it began."""
        self.group = group
        self._members = [member_of(resource) for resource in group.ended_by_guard]

    @property
    def end_by_ns(self) -> int:
        """By when people hear that it is not ended: counted from the Lease as it stood when the end began."""
        return self.until_ns + self._stop_within_ns

    @property
    def reset_by_ns(self) -> int:
        """By when nothing of it may run any more: another Node may start it right after."""
        return self.held_ns + self._stop_within_ns

    @property
    def _stop_within_ns(self) -> int:
        return int(self.group.stop_within_ns * (1 - CLOCK_DRIFT))  # others count by their own clocks

    def hold(self, until_ns: int) -> None:
        """From now on it may run, until then. Raises OSError; then nothing has changed."""
        if self.is_clean:
            self.cgroup.make()
        self.is_clean = self.is_late_told = self.is_refusal_told = False
        self.until_ns, self.wanted_ns = max(self.until_ns, until_ns), 0
        self.held_ns = self.until_ns

    def hold_on(self, until_ns: int, at_ns: int) -> None:
        """The Lease is renewed while the group is being ended. After a gap another Node may have had it."""
        if at_ns <= self.held_ns:
            self.held_ns = max(self.held_ns, until_ns)

    def begin_end(self, looks_first: bool, at_ns: int) -> None:
        """Nothing interrupts it once it has begun."""
        if self.ending is None:
            self.ending = Ending(ending_steps(self._members, self.cgroup, looks_first), self._environment)
            self.ending.advance(at_ns)


class ExclusiveGroups:
    """All of one Node's."""

    def __init__(self, config: ClusterConfig, node: str, tell: Tell, log: Callable[[str, str], None]) -> None:
        """Raises PrerequisiteError on a host without cgroups, if it may own an exclusive group."""
        groups = [g for g in config.groups if g.exclusive and node in g.prefer]
        place = hierarchy() if groups else None
        self._watches = {
            g.name: GroupWatch(g, Cgroup(directory_of(place, config.name, g.name)), node)
            for g in groups
            if place is not None
        }
        self._tell, self._log = tell, log
        self._told: FeederState | None = None
        self.feeder = Feeder(config.watchdog, log, is_needed=bool(groups))

    # What the core says

    def take_lease(self, group: str, until_ns: int, is_new: bool, at_ns: int) -> None:
        """The Lease holds until then. ``is_new``: the core waits for our word before anything is started."""
        watch = self._watches.get(group)
        if watch is None:
            return
        if watch.ending is not None:
            if is_new or watch.wanted_ns:
                watch.wanted_ns = until_ns
            else:
                watch.hold_on(until_ns, at_ns)
        elif is_new:
            self._guard(watch, until_ns, at_ns)
        elif not watch.is_clean:
            watch.hold(until_ns)

    def _guard(self, watch: GroupWatch, until_ns: int, at_ns: int) -> None:
        if not watch.is_clean and at_ns > watch.until_ns:
            watch.wanted_ns = until_ns
            self._end(watch, "its Lease had run out", looks_first=False, at_ns=at_ns)
            return
        try:
            watch.hold(until_ns)
        except OSError as error:  # no memory; the core asks again with its next renewal
            if not watch.is_refusal_told:
                watch.is_refusal_told = True
                line = f"group {watch.group.name}: its cgroup cannot be made, so nothing starts"
                self._log("error", f"{line}: {error.strerror}")
            return
        self._tell({"kind": "group-guarded", "group": watch.group.name})

    def take_end(self, group: str, at_ns: int) -> None:
        """The core wants it ended, or proved: a stop that it carried out itself is only looked at."""
        watch = self._watches.get(group)
        if watch is None:
            self._tell({"kind": "group-ended", "group": group, "is_ended": True, "detail": ""})
            return
        watch.wanted_ns = 0
        if watch.ending is None:
            watch.begin_end(looks_first=at_ns <= watch.until_ns or watch.is_clean, at_ns=at_ns)

    # Time

    def tick(self, at_ns: int, now: Callable[[], int]) -> None:
        """End what is due, take further what is being ended, feed the watchdog.

        ``at_ns``: when the core was read last; a renewal that came since then is not known yet. ``now``: the
        clock for all the rest, as what is done here may take its time.
        """
        for watch in self._watches.values():
            if watch.ending is None and not watch.is_clean and at_ns > watch.until_ns:
                self._end(watch, "its Lease was not renewed", looks_first=not watch.until_ns, at_ns=now())
            if watch.ending is not None:
                self._go_on(watch, watch.ending, now())
        self._feed(now())

    def _feed(self, at_ns: int) -> None:
        self.feeder.tick(at_ns, self.may_feed(at_ns), self.is_clean)
        state = self.feeder.state
        if state != self._told:
            self._told = state
            self._tell({"kind": "watchdog", "state": state.word, "detail": state.detail})

    def _end(self, watch: GroupWatch, why: str, looks_first: bool, at_ns: int) -> None:
        if watch.until_ns:
            self._log("warning", f"group {watch.group.name}: {why}; the guard ends it")
        watch.begin_end(looks_first, at_ns)

    def _go_on(self, watch: GroupWatch, ending: Ending, at_ns: int) -> None:
        if ending.advance(at_ns):
            self._ended(watch, at_ns)
        elif ending.trouble and watch.until_ns and at_ns > watch.end_by_ns and not watch.is_late_told:
            watch.is_late_told = True
            line = f"group {watch.group.name}: not ended within stop_within: {ending.trouble}"
            self._log("error", line)
            name = watch.group.name
            self._tell({"kind": "group-ended", "group": name, "is_ended": False, "detail": ending.trouble})

    def _ended(self, watch: GroupWatch, at_ns: int) -> None:
        wanted_ns = watch.wanted_ns
        watch.ending, watch.is_clean, watch.wanted_ns = None, True, 0
        watch.until_ns = watch.held_ns = 0
        self._tell({"kind": "group-ended", "group": watch.group.name, "is_ended": True, "detail": ""})
        if wanted_ns > at_ns:
            self._guard(watch, wanted_ns, at_ns)

    @property
    def is_clean(self) -> bool:
        """Whether every group is proved ended."""
        return all(watch.is_clean for watch in self._watches.values())

    def may_feed(self, at_ns: int) -> bool:
        """Whether a reset that comes a whole timeout after this feed would be in time for each group."""
        timeout_ns = self.feeder.timeout_ns
        return all(w.is_clean or at_ns <= w.reset_by_ns - timeout_ns for w in self._watches.values())

    # For the guard's loop

    @property
    def watched(self) -> list[int]:
        """File descriptors that become readable when there is something to do."""
        return [fd for watch in self._watches.values() if watch.ending for fd in watch.ending.watched]

    def due_ns(self) -> int | None:
        """When `tick` is wanted at the latest."""
        times = [
            w.ending.due_ns if w.ending else w.until_ns for w in self._watches.values() if not w.is_clean
        ]
        return min((t for t in times if t is not None), default=None)

    def reconfigure(self, config: ClusterConfig) -> None:
        """Other lines for the same groups. Which groups there are, and their holds, do not change (guard)."""
        for watch in self._watches.values():
            watch.take_group(config.group(watch.group.name))

    def end_all(self, now: Callable[[], int]) -> None:
        """The daemon starts or ends: whatever runs of them ends first. Waits, for `stop_within` at most."""
        bound_ns = now() + max((w.group.stop_within_ns for w in self._watches.values()), default=0)
        for watch in self._watches.values():
            watch.wanted_ns = 0
            if not watch.is_clean:
                watch.begin_end(looks_first=True, at_ns=now())
        while not self.is_clean and now() < bound_ns:
            select.select(self.watched, [], [], LOOK_EVERY_NS / SECOND)
            self.tick(now(), now)

    def tell_again(self) -> None:
        """Another core asks how the watchdog is."""
        self._told = None

    def close(self) -> None:
        """The guard ends. The watchdog is stopped only if nothing is left to protect."""
        if not self.is_clean:
            self._log("error", "an exclusive group could not be ended; a watchdog is left counting")
        self.feeder.close(self.is_clean)
