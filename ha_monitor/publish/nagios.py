"""What Nagios is told: check results with a code, a line for people and performance data.

A result becomes an external command (NSCA-ng, command file) or a spool file elsewhere; here is what they
share: texts that no name or sentence from outside can break out of.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from ha_monitor.publish.declare import Above, Below, Fact, Level, Service, Value, safe_name
from ha_monitor.publish.facts import EVENT_QUIET_S, EVENT_SERVICE, facts_in
from ha_monitor.publish.judge import S_NS, Judge, Verdict
from ha_monitor.publish.outbox import Parcel, slot_of
from ha_monitor.publish.snapshot import Snapshot, Told
from ha_monitor.publish.words import word_of
from ha_monitor.view import TransitionView, View

TEXT_MAX = 1500  # bytes of one result's text: a whole command stays below PIPE_BUF (4096)
LINE_MAX = 300


@dataclass(frozen=True)
class CheckResult:
    """One passive result. ``service`` empty: the host's own. ``is_event``: each counts, in order."""

    host: str
    service: str
    code: int
    text: str
    at_ns: int
    is_event: bool = False
    ident: str = ""  # an event's, unique

    @property
    def at_s(self) -> int:
        """Nagios stamps have whole seconds."""
        return self.at_ns // S_NS

    def parcel(self) -> Parcel:
        """For the outbox."""
        body = json.dumps(asdict(self), separators=(",", ":"))
        return Parcel(slot_of(self.host, self.service), self.at_ns, body, self.ident)


def read_result(body: str) -> CheckResult:
    """What `CheckResult.parcel` packed. Raises ValueError for anything else."""
    try:
        return CheckResult(**json.loads(body))
    except TypeError as error:
        raise ValueError(f"no check result: {error}") from error


def check_results(snapshot: Snapshot, judge: Judge) -> tuple[CheckResult, ...]:
    """The host itself (it is UP: somebody speaks), then every service on it."""
    host = CheckResult(snapshot.host, "", 0, "told by ha-monitor", snapshot.at_ns)
    services = (
        _service_result(snapshot, told, service, judge)
        for told in snapshot.told
        for service in told.services()
    )
    return (host, *(result for result in services if result is not None))


def _service_result(snapshot: Snapshot, told: Told, service: Service, judge: Judge) -> CheckResult | None:
    where = (snapshot.host, told.names)
    readings = [(f, told.values[f.ident]) for f in facts_in(service) if f.ident in told.values]
    if not readings:
        return None
    judged = [(f, v, judge.judge(where, f, v, told.values, snapshot.at_ns)) for f, v in readings]
    level = max(verdict.level for _, _, verdict in judged)
    problems = [
        problem for entry in sorted(judged, key=lambda e: -e[2].level) if (problem := _problem(*entry))
    ]
    line = clean(" - ".join((*problems, told.says[service.name])))[:LINE_MAX]
    text = f"{line} | {' '.join(_datum(f, v) for f, v in readings if f.label)}"
    return CheckResult(snapshot.host, service.description(told.names), level, text, snapshot.at_ns)


def _problem(fact: Fact, value: Value, verdict: Verdict) -> str:
    shown = (
        word_of(fact.value_map, value)
        if fact.value_map
        else f"{value}{'' if fact.unit == 'c' else fact.unit}"
    )
    if verdict.alarm is not None and verdict.level > Level.OK:
        return f"{verdict.alarm.what} ({fact.name.lower()}: {shown})"
    return ""


def _datum(fact: Fact, value: Value) -> str:
    """``'label'=value[unit];warning;critical``, each range as the plugin guidelines write it."""
    unit = fact.unit if fact.unit in {"s", "ms", "%", "c"} else ""
    warning, critical = (_range(fact, level) for level in (Level.WARNING, Level.CRITICAL))
    return f"{fact.label}={value}{unit};{warning};{critical}".rstrip(";")


def _range(fact: Fact, level: Level) -> str:
    """The range in which this level does not alarm; of two alarms of one level the milder one counts."""
    tests = [alarm.test for alarm in fact.alarms if alarm.level is level]
    lows = [f"{t.limit:g}" for t in tests if isinstance(t, Below) and not isinstance(t.limit, str)]
    highs = [f"{t.limit:g}" for t in tests if isinstance(t, Above)]
    if lows:
        return f"{lows[-1]}:{highs[-1] if highs else ''}"
    return highs[-1] if highs else ""


def event_result(cluster: str, transition: TransitionView) -> CheckResult:
    """One transition as a result of the group's event service, with its own stamp."""
    total = transition.phases_ms.get("total")
    took = f" in {total:.0f} ms" if total is not None else ""
    move = f"{transition.node_from or 'nobody'} -> {transition.node_to or 'nobody'}"
    line = clean(f"{transition.kind} {transition.cause}: {transition.sentence} ({move}{took})")[:LINE_MAX]
    data = " ".join(f"{clean(name)}={ms:.0f}ms" for name, ms in transition.phases_ms.items())
    return CheckResult(
        safe_name(cluster),
        EVENT_SERVICE.format(safe_name(transition.group)),
        _event_level(transition),
        f"{line} | {data}" if data else line,
        transition.at_ns,
        is_event=True,
        ident=transition.ident,
    )


def _event_level(transition: TransitionView) -> Level:
    if transition.kind != "failure":
        return Level.OK
    return Level.WARNING if transition.node_to else Level.CRITICAL


def quiet_results(view: View) -> tuple[CheckResult, ...]:
    """OK for the event service of each group owned here, once its last failure is old enough.

    Told by the Owner alone: it knows of its own Takeover, and so cannot wipe out a fresh warning. While a
    failure is fresh nothing is repeated, because the service is volatile and would notify again.
    """
    return tuple(
        _quiet(view, group.name, group.last)
        for group in view.groups
        if group.owner == view.self_name
        and not group.name.startswith("_")
        and not _is_fresh(group.last, view.stamp_ns)
    )


def _is_fresh(last: TransitionView, at_ns: int) -> bool:
    return _event_level(last) > Level.OK and at_ns - last.at_ns < EVENT_QUIET_S * S_NS


def _quiet(view: View, group: str, last: TransitionView) -> CheckResult:
    line = f"last: {last.kind} {last.cause}: {last.sentence}" if last.ident else "no transition yet"
    service = EVENT_SERVICE.format(safe_name(group))
    return CheckResult(safe_name(view.cluster), service, Level.OK, clean(line)[:LINE_MAX], view.stamp_ns)


def clean(text: str) -> str:
    """Text that cannot end its line, its field or its performance data: those characters become blanks."""
    return "".join(c if c.isprintable() and c not in "|`" else " " for c in text.replace(";", ","))


def external_command(result: CheckResult) -> str:
    """The external command without its newline; stamps are whole seconds. At most PIPE_BUF bytes."""
    name = f"{result.host};{result.service}" if result.service else result.host
    what = "SERVICE" if result.service else "HOST"
    text = _fit(result.text)
    return f"[{result.at_s}] PROCESS_{what}_CHECK_RESULT;{name};{result.code};{text}"


def spool_entry(result: CheckResult) -> str:
    """One block of a check result file (see Nagios' checks.c): several are separated by an empty line."""
    stamp = f"{result.at_s}.{result.at_ns % S_NS // 1000:06d}"
    service = [f"service_description={result.service}"] if result.service else []
    lines = (
        f"host_name={result.host}",
        *service,
        "check_type=1",
        "check_options=0",
        "scheduled_check=0",
        "reschedule_check=0",
        "latency=0.0",
        f"start_time={stamp}",
        f"finish_time={stamp}",
        "early_timeout=0",
        "exited_ok=1",
        f"return_code={result.code}",
        f"output={_fit(result.text)}",
    )
    return "\n".join(lines) + "\n"


def _fit(text: str) -> str:
    """Cut to TEXT_MAX bytes, performance data last and only whole."""
    if len(text.encode()) <= TEXT_MAX:
        return text
    line, _, data = text.partition(" | ")
    kept = line.encode()[:TEXT_MAX].decode(errors="ignore")
    for datum in data.split(" "):
        longer = f"{kept} {datum}" if " | " in kept else f"{kept} | {datum}"
        if len(longer.encode()) > TEXT_MAX:
            break
        kept = longer
    return kept
