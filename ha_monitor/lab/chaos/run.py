"""A chaos run from its beginning to its verdict: strike, heal, wait for health and for the sink, judge."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ha_monitor.lab import faults
from ha_monitor.lab.cast import NODES
from ha_monitor.lab.chaos import health
from ha_monitor.lab.chaos.judge import Judge, Verdict
from ha_monitor.lab.chaos.moves import InForce
from ha_monitor.lab.chaos.plan import Round
from ha_monitor.lab.chaos.record import Record
from ha_monitor.lab.chaos.stage import FAILBACK, WATCHED, Say, Stage
from ha_monitor.lab.chaos.strikes import Striker, Struck
from ha_monitor.lab.chaos.watch import Watch
from ha_monitor.lab.daemons import Daemons
from ha_monitor.lab.problems import LabError
from ha_monitor.model import TIMINGS
from ha_monitor.view import View

COMES_UP_WITHIN_S = 120.0  # the first time, when every program is started
HEALTHY_WITHIN_S = 60.0
SINK_WITHIN_S = 45.0  # its couriers try again after 6 s at most; a busy machine may need longer
_MOMENTS_NS = 5_000_000_000
_OPERATOR_S = 1.5
_COMES_UP_NS = 60_000_000_000
_POLL_S = 0.1
_STRIKES_OVER_S = 240.0


@dataclass
class Healed:
    """When the cluster was well again; ``reasons`` why it was not in time."""

    after_s: float
    reasons: list[str]


class ChaosRun:
    """Plays rounds on a stage that stands; ``record`` gets everything."""

    def __init__(
        self, stage: Stage, watch: Watch, record: Record, say: Say, sink_within_s: float = SINK_WITHIN_S
    ) -> None:
        self._sink_within_s = sink_within_s
        self._stage, self._watch, self._record, self._say = stage, watch, record, say
        self._reading = threading.Lock()
        self._striker = Striker(stage.lab, record, self.owner_of)
        self._judge = Judge(watch, record, TIMINGS[stage.timing].lease_ns, FAILBACK)

    @property
    def verdict(self) -> Verdict:
        """What was found so far."""
        return self._judge.verdict

    def play(self, rounds: Iterator[Round], seconds: float) -> Verdict:
        """Play rounds until the time is over; a round that has begun is finished."""
        end = time.monotonic() + seconds
        self.begin()
        for planned in rounds:
            if not self.play_one(planned) and not self._rebuilt():
                break
            if time.monotonic() >= end:
                break
        return self.verdict

    def begin(self) -> None:
        """All must be well before the first strike. Raises LabError."""
        since_ns = time.monotonic_ns() - _COMES_UP_NS
        first = self._wait_healthy(COMES_UP_WITHIN_S)
        if first.reasons:
            raise LabError(f"the cluster does not come up: {'; '.join(first.reasons)}")
        self._striker.started(since_ns)
        self._judge.forget(self._stage.told())
        self._judge_up_to_now()
        self._record.note("begun", timing=self._stage.timing, up_s=first.after_s)

    def play_one(self, planned: Round) -> bool:
        """Strike, heal, wait, judge; False when the cluster did not come back."""
        time.sleep(planned.quiet_s)
        self._record.note("round begins", number=planned.number, plan=asdict(planned))
        began = time.monotonic()
        threads, struck = self._striker.begin(planned)
        self._wait_for(threads)
        healed = self._wait_healthy()
        judged = self._judge_up_to_now()
        self._count(planned, struck, healed)
        self._record.note(
            "round", number=planned.number, shape=planned.shape, took_s=round(time.monotonic() - began, 2),
            struck=[_plain(one) for one in struck], healthy_after_s=healed.after_s,
            unhealthy=healed.reasons, **judged,
        )  # fmt: skip
        self._say(f"{planned.number}: {', '.join(_text(one) for one in struck)}: {_outcome(judged, healed)}")
        return not healed.reasons

    def justify(self, name: str, host: str, group: str = "") -> None:
        """Somebody else did what this fault does, some moments ago."""
        now_ns = time.monotonic_ns()
        self._striker.starts.append(InForce(name, host, now_ns - _MOMENTS_NS, now_ns, group))

    def _count(self, planned: Round, struck: Sequence[Struck], healed: Healed) -> None:
        name = f"round {planned.number} ({', '.join(_text(one) for one in struck)})"
        for one in struck:
            if not one.problem:
                self.verdict.faults += 1
            # With another fault in force an order may well be refused, and a Failback may forestall one.
            elif len(struck) == 1 and not one.problem.endswith(" already"):
                self._judge.problem(f"{name}: {one.problem}")
            if one.heal_problem:
                self._judge.problem(f"{name}: not healed: {one.heal_problem}")
        if healed.reasons:
            self._judge.problem(
                f"{name}: not healthy after {healed.after_s:.0f} s: {'; '.join(healed.reasons)}"
            )

    def _wait_for(self, threads: Sequence[threading.Thread]) -> None:
        deadline = time.monotonic() + _STRIKES_OVER_S
        for thread in threads:
            while thread.is_alive():
                thread.join(_POLL_S)
                self._read_on()
                if time.monotonic() > deadline:
                    raise LabError("a strike or its healing does not end")

    def _wait_healthy(self, within_s: float = HEALTHY_WITHIN_S) -> Healed:
        began = answered = time.monotonic()
        while True:
            views = self._stage.views()
            reasons = health.unrest(views, self._owners())
            if reasons and time.monotonic() > answered + _OPERATOR_S:
                answered = time.monotonic()
                self._answer(views)
            after_s = round(time.monotonic() - began, 2)
            if not reasons or after_s > within_s:
                return Healed(after_s, reasons)
            self._read_on()
            time.sleep(_POLL_S)

    def _answer(self, views: Mapping[str, View | None]) -> None:
        """So many faults in so short a time call for an operator, who finds all mended and says so."""
        for name, group, why in health.questions(views):
            self._record.note("operator", host=name, group=group, why=why)
            self._stage.answer(name, group)

    def _judge_up_to_now(self) -> dict[str, Any]:
        now_ns = time.monotonic_ns()
        with self._reading:
            self._watch.wait_until(now_ns)
        deadline, struck = time.monotonic() + self._sink_within_s, self._striker.what_was_struck
        while True:
            self._read_on()
            told = self._stage.told()
            if not self._judge.is_owed(told, struck, now_ns) or time.monotonic() > deadline:
                return self._judge.judge(told, self._striker.in_force(), struck, now_ns)
            time.sleep(_POLL_S)

    def _read_on(self) -> None:
        with self._reading:
            self._watch.read_on()
        self._judge.journal(self._stage.journaled())

    def _owners(self) -> dict[str, str | None]:
        with self._reading:
            return self._watch.owners()

    def owner_of(self, group: str) -> str:
        """Who answers for a group now; the first Node when nobody does."""
        return self._owners()[group] or NODES[0]

    def _rebuilt(self) -> bool:
        """After a failure: everything ended and started anew, so that what follows is judged as well."""
        self._say("starting the daemons anew after a failure")
        faults.heal(self._stage.lab)
        daemons, since_ns = Daemons(self._stage.lab), time.monotonic_ns()
        daemons.stop_all()
        daemons.start()
        healed = self._wait_healthy()
        self._striker.started(since_ns)
        if not healed.reasons:
            self._judge_up_to_now()
        return not healed.reasons


def chaos_watch(stage: Stage) -> Watch:
    """The observers of all groups of the stage."""
    return Watch(stage.lab, WATCHED)


def _plain(one: Struck) -> dict[str, Any]:
    return {
        "fault": one.strike.fault, "host": one.host, "group": one.strike.group,
        "fields": dict(one.strike.fields), "held_s": one.strike.hold_s,
        "refused": one.problem, "not_healed": one.heal_problem,
    }  # fmt: skip


def _text(one: Struck) -> str:
    return f"{one.strike.fault} at {one.host or one.strike.whom}"


def _outcome(judged: dict[str, Any], healed: Healed) -> str:
    groups = judged["groups"]
    outages = ", ".join(f"{name} {seen['outage_ms']}" for name, seen in groups.items() if seen["outage_ms"])
    well = "NOT HEALTHY" if healed.reasons else f"healthy {healed.after_s:.1f} s after"
    return f"{well}; outages (ms): {outages or 'none'}"
