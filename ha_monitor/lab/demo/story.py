"""The story of the demonstration: what happens, in which order, and what is looked at after each step."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ha_monitor.lab import faults, measure
from ha_monitor.lab.cast import NODES
from ha_monitor.lab.demo.looks import Looks, shots
from ha_monitor.lab.demo.record import Report, Requests, StepRecord
from ha_monitor.lab.demo.stage import Stage
from ha_monitor.lab.observation import Observation
from ha_monitor.lab.problems import LabError

ALL_OK_WITHIN_S = 45.0
FAILBACK_WITHIN_S = 40.0
WATCH_S = 10.0
SETTLED_AFTER_S = 2.0


@dataclass(frozen=True)
class Step:
    """One fault or operation of the story. ``outage_max_ms``: what the promise allows."""

    title: str
    fault: str
    outage_max_ms: float | None = None
    chosen: Mapping[str, Any] = field(default_factory=dict)
    is_pictured: bool = False  # pictures are taken while the fault lasts
    is_failback_awaited: bool = True


# The figures of single runs; the medians over several are in docs/measurements.md.
STEPS = (
    Step("power-off of the Owner", "power-off", 1400, is_pictured=True),
    Step("kill of all its daemons", "kill", 1400),
    Step("freeze of all its daemons", "freeze", 1400),
    Step("partition, the Witness hears both", "partition", 20),
    Step("planned Switchover", "switch", 100, is_failback_awaited=False),
)


class Story:
    """Plays the steps on a stage and fills the report."""

    def __init__(
        self,
        stage: Stage,
        report: Report,
        pictures: Path,
        say: Callable[[str], None],
        steps: Sequence[Step] = STEPS,
    ) -> None:
        self._steps = steps
        self._stage = stage
        self._changes_at_rest = self._transitions_at_rest = 0
        self._watched = _Moment.now()  # until when the last step was judged
        self._report = report
        self._pictures = pictures
        self._say = say
        self._looks = Looks(stage.monitoring)

    def play(self) -> None:
        """The whole story, from rest to rest."""
        with Observation(self._stage.lab) as seen:
            self._at_rest(seen)
            for step in self._steps:
                self._play(step, seen)
                if step.is_failback_awaited:
                    self._failback(step, seen)
            self._monitoring_away(seen)
            self._count_transitions(seen)
        self._report.memory_mib = self._stage.memory_mib()
        self._take_pictures("end", ())

    # Steps

    def _at_rest(self, seen: Observation) -> None:
        self._say("normal operation: both systems must show nothing but OK")
        self._stage.daemons.wait_settled()
        # A slow machine may have started on the other Node: then it goes to the preferred one by itself.
        seen.wait_for(lambda: seen.owner() == NODES[0], FAILBACK_WITHIN_S)
        self._report.not_ok = self._looks.wait_all_ok(ALL_OK_WITHIN_S)
        before = self._stage.processes()
        since = _Moment.now()
        seen.wait_until(time.monotonic_ns() + round(3e9))
        self._record("normal operation", "none", seen, since, since, outage_max_ms=20)
        self._look_at_processes("normal operation", before, "")
        # What moved before this moment was the start; from here on everything is counted.
        self._changes_at_rest, self._transitions_at_rest = _changes(seen), self._looks.transitions()

    def _play(self, step: Step, seen: Observation) -> None:
        self._say(step.title)
        self._stage.daemons.wait_settled()
        owner = _owner(seen)
        fault = faults.fault_named(step.fault)
        before = self._stage.processes()
        since = _Moment.now()
        visible: dict[str, float | None] = {}
        try:
            faults.strike(self._stage.lab, fault.blow(owner, **step.chosen))
            self.struck(owner)
            held_until = time.monotonic() + measure.held_for_s(fault, self._stage.timing)
            # The old Owner may have answered a moment ago: look when its Lease is surely over.
            seen.wait_until(since.monotonic_ns + round(SETTLED_AFTER_S * 1e9))
            if seen.owner() not in (owner, None):
                visible = self._visible(seen, owner, since)
            if step.is_pictured:
                self._take_pictures(step.fault, (owner,))
            time.sleep(max(0.0, held_until - time.monotonic()))
        finally:
            healed = _Moment.now()
            faults.heal(self._stage.lab)
        visible = visible or self._visible(seen, owner, since)
        # No longer than that: the failback to come is a step of its own.
        watched_ns = healed.monotonic_ns + round(WATCH_S * 1e9)
        seen.wait_until(watched_ns)
        self._record(
            step.title, step.fault, seen, since, healed, owner, visible,
            outage_max_ms=step.outage_max_ms, until_ns=watched_ns,
        )  # fmt: skip
        self._look_at_processes(step.title, before, owner)

    def struck(self, host: str) -> None:
        """A fault has struck this host: the place for tests to break more."""

    def _look_at_processes(self, title: str, before: Mapping[str, Mapping[str, int]], struck: str) -> None:
        """Nobody but the fault may have ended or stopped a process, and all must still report."""
        changed = [
            f"{name}'s {role} is another process than before, though nothing struck it"
            for name, roles in self._stage.processes().items()
            for role, pid in roles.items()
            if name != struck and before[name].get(role) != pid
        ]
        found = [*changed, *self._stage.stopped(), *self._looks.silent()]
        self._report.failures.extend(f"{title}: {line}" for line in found)

    def _failback(self, step: Step, seen: Observation) -> None:
        """The preferred Node is back: the group returns to it by itself, if it had moved."""
        last = self._report.steps[-1]
        if last.owner_before == last.owner_after:
            return
        title = f"return and failback after {step.fault}"
        self._say(title)
        since = self._watched  # it may have begun while the systems were still being read
        returned = seen.wait_for(lambda: seen.owner() == last.owner_before, FAILBACK_WITHIN_S)
        if not returned:
            self._report.failures.append(f"{title}: the group did not go back to {last.owner_before}")
        done = _Moment.now()
        visible = self._visible(seen, last.owner_after, since)
        seen.wait_until(time.monotonic_ns() + round(2e9))
        self._record(title, "failback", seen, since, done, last.owner_after, visible, outage_max_ms=100)

    def _monitoring_away(self, seen: Observation) -> None:
        """The monitoring server is down while a Takeover happens; afterwards it catches up."""
        title = "monitoring server down during a Takeover, then catching up"
        self._say(title)
        self._stage.daemons.wait_settled()
        owner = _owner(seen)
        self._stage.monitoring.stop()
        since = _Moment.now()
        try:
            blow = faults.fault_named("kill").blow(owner)
            faults.strike(self._stage.lab, blow)
            seen.wait_until(time.monotonic_ns() + round(4e9))
        finally:
            healed = _Moment.now()
            faults.heal(self._stage.lab)
            self._stage.monitoring.start()
        back = _Moment.now()
        visible = self._visible(seen, owner, since, shown_since=back)
        watched_ns = healed.monotonic_ns + round(WATCH_S * 1e9)
        seen.wait_until(watched_ns)
        self._record(
            title, "monitoring-down", seen, since, healed, owner, visible,
            outage_max_ms=1400, until_ns=watched_ns,
        )  # fmt: skip

    # What is looked at

    def _visible(
        self, seen: Observation, owner: str, since: _Moment, shown_since: _Moment | None = None
    ) -> dict[str, float | None]:
        """Seconds until both systems show the Owner that the observer sees after ``since``.

        Counted from the first answer of a new Owner, from ``since`` if it stayed, or from ``shown_since``:
        a server that was away cannot show anything before it is back.
        """
        seen.wait_for(lambda: seen.owner() is not None, timeout_s=10)
        now_owner = seen.owner() or ""
        changed = _first_answer(seen, now_owner, since) or since
        counted_from = shown_since or changed
        shown = self._looks.seconds_until_shown(now_owner, changed.wall_s, counted_from.wall_s)
        self._say(f"  Owner {owner} -> {now_owner}; visible after {_seconds(shown)}")
        return shown

    def _record(
        self, title: str, fault: str, seen: Observation, since: _Moment, healed: _Moment,
        owner: str = "", visible: dict[str, float | None] | None = None, *,
        outage_max_ms: float | None, until_ns: int = 0,
    ) -> None:  # fmt: skip
        until_ns = until_ns or seen.probe.complete_until_ns
        owner = owner or _owner(seen)
        run = measure.judge(seen, owner, since.monotonic_ns, healed.monotonic_ns, until_ns)
        asked = self._stage.visitors.tally(since.monotonic_ns, until_ns)
        visible = visible or self._visible(seen, owner, since)
        step = StepRecord(
            title=title,
            fault=fault,
            timing=self._stage.timing,
            runs=1,
            outage_ms=[run.outage_ms],
            double_ms_observer=[run.double_ms_observer],
            double_ms_kernel=[run.double_ms_kernel],
            after_heal_outage_ms=[run.after_heal_outage_ms],
            probe_stalled_ms=[run.probe_stalled_ms],
            requests=Requests(asked.sent, asked.lost),
            owner_before=owner,
            owner_after=run.owner_after or "",
            nagios=self._looks.nagios(),
            zabbix=self._looks.zabbix(),
            visible_after_s=visible,
            outage_max_ms=outage_max_ms,
        )
        self._report.steps.append(step)
        self._watched = since.at(until_ns)
        self._say(f"  {measure.sentence(run)}, {asked.lost} of {asked.sent} requests lost")

    def _count_transitions(self, seen: Observation) -> None:
        """Changes of the answering host since the rest at the beginning, and what Zabbix holds of them."""
        self._report.transitions_made = _changes(seen) - self._changes_at_rest
        wanted = self._transitions_at_rest + self._report.transitions_made
        deadline = time.monotonic() + ALL_OK_WITHIN_S
        while time.monotonic() < deadline and self._looks.transitions() < wanted:
            time.sleep(0.5)
        self._report.transitions_in_zabbix = self._looks.transitions() - self._transitions_at_rest

    def _take_pictures(self, when: str, words: tuple[str, ...]) -> None:
        self._say(f"  pictures of Nagios and Zabbix ({when})")
        taken = self._stage.monitoring.pictures(shots(self._stage.monitoring, when, words), self._pictures)
        self._report.pictures.extend(path.name for path in taken)


@dataclass(frozen=True)
class _Moment:
    """One moment on both clocks: the observers' and the monitoring systems'."""

    monotonic_ns: int
    wall_s: float

    @classmethod
    def now(cls) -> _Moment:
        return cls(time.monotonic_ns(), time.time())

    def at(self, monotonic_ns: int) -> _Moment:
        """Another moment, its wall clock reckoned from this one."""
        return _Moment(monotonic_ns, self.wall_s + (monotonic_ns - self.monotonic_ns) / 1e9)


def _first_answer(seen: Observation, host: str, since: _Moment) -> _Moment | None:
    """When ``host`` answered first after ``since``, if another host had answered before."""
    answers = [a for a in seen.probe.answers if a.last_ns >= since.monotonic_ns]
    if not answers or answers[0].host == host:
        return None
    return next((since.at(a.first_ns) for a in answers if a.host == host), None)


def _changes(seen: Observation) -> int:
    """How often another host answered than before, since the observer began."""
    hosts = [answer.host for answer in seen.probe.answers]
    return sum(1 for before, after in itertools.pairwise(hosts) if before != after)


def _owner(seen: Observation) -> str:
    if not seen.wait_for(seen.owner, timeout_s=10):
        raise LabError("nobody answers at the service address")
    owner = seen.owner()
    assert owner is not None
    return owner


def _seconds(shown: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'not' if s is None else f'{s:.1f} s'}" for name, s in shown.items())
