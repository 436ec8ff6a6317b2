"""Plays one fault several times and tells what the outside observers saw.

Demo, tests, bench and `ha-monitor lab measure` stand on this. The daemons are asked only whether
the lab is settled between the runs; every figure comes from the observers.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from ha_monitor.lab import faults
from ha_monitor.lab.cast import NODES, SERVICE_V4, WITNESS
from ha_monitor.lab.daemons import DEFAULT_TIMING, VIP_LINES, Daemons, config_text
from ha_monitor.lab.faults import Fault
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.observation import Observation
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.subject import subject_of
from ha_monitor.model import TIMINGS

# Baseline: the longest outages of other programs came after the healing, up to 6 s later.
WATCH_AFTER_HEAL_S = 10.0
_QUIET_BEFORE_S = 0.5

Progress = Callable[[str], None]


def silent(_line: str) -> None:
    """No progress lines."""


@dataclass(frozen=True)
class Run:
    """What the observers saw of one fault, in milliseconds."""

    owner_before: str
    owner_after: str | None
    outage_ms: float
    double_ms_observer: float
    double_ms_kernel: float
    after_heal_outage_ms: float
    probe_stalled_ms: float
    recovered: bool
    # On the observers' clock, for who asks them more.
    struck_ns: int = 0
    healed_ns: int = 0
    watched_ns: int = 0


@dataclass
class Measurement:
    """All runs of one fault. The lists hold one number per run, in milliseconds."""

    fault: str
    timing: str
    runs: int = 0
    outage_ms: list[float] = field(default_factory=list)
    double_ms_observer: list[float] = field(default_factory=list)
    double_ms_kernel: list[float] = field(default_factory=list)
    after_heal_outage_ms: list[float] = field(default_factory=list)
    probe_stalled_ms: list[float] = field(default_factory=list)

    def add(self, run: Run) -> None:
        """Take in one run."""
        self.runs += 1
        self.outage_ms.append(run.outage_ms)
        self.double_ms_observer.append(run.double_ms_observer)
        self.double_ms_kernel.append(run.double_ms_kernel)
        self.after_heal_outage_ms.append(run.after_heal_outage_ms)
        self.probe_stalled_ms.append(run.probe_stalled_ms)

    def as_json(self) -> dict[str, Any]:
        """Keys and lists as ``ha-monitor lab measure --json`` prints them."""
        return asdict(self)


def measure(
    lab: Lab,
    fault: str,
    runs: int = 1,
    timing: str = DEFAULT_TIMING,
    *,
    address: str = SERVICE_V4,
    say: Progress = silent,
    **chosen: Any,
) -> Measurement:
    """Play a fault ``runs`` times in a lab whose daemons run; ``chosen`` are fields of Blow.

    Raises LabError when the lab does not settle.
    """
    its = faults.fault_named(fault)
    if blows := faults.active(lab):
        struck = ", ".join(f"{blow.fault} at {blow.host}" for blow in blows)
        raise LabError(f"lab {lab.name} suffers from {struck} already: ha-monitor lab heal")
    result = Measurement(fault, timing)
    settler = subject_of(lab)
    with lab.claimed("measuring"), Observation(lab, address) as seen:
        for number in range(1, runs + 1):
            say(f"{fault}: run {number} of {runs}: waiting until all is well")
            settler.wait_settled()
            run = play(lab, its, seen, hold_s=held_for_s(its, timing), **chosen)
            result.add(run)
            say(f"{fault}: run {number} of {runs}: {sentence(run)}")
        settler.wait_settled()
    return result


def play(
    lab: Lab, fault: Fault, seen: Observation, *, hold_s: float,
    watch_s: float = WATCH_AFTER_HEAL_S, **chosen: Any,
) -> Run:  # fmt: skip
    """Play a fault once in a settled lab: strike, hold, heal, watch; what the observers saw."""
    owner = _owner_seen(seen)
    host = chosen.pop("host", None) or (WITNESS if fault.name in _ON_WITNESS else owner)
    blow = fault.blow(host, **chosen)
    time.sleep(_QUIET_BEFORE_S)
    struck_ns = time.monotonic_ns()
    try:
        faults.strike(lab, blow)
        _hold(struck_ns, hold_s)
    finally:
        heal_ns = time.monotonic_ns()
        faults.heal(lab)
    watched_ns = time.monotonic_ns() + round(watch_s * 1e9)
    seen.wait_until(watched_ns)
    return judge(seen, owner, struck_ns, heal_ns, watched_ns)


_ON_WITNESS = ("monitoring-down", "witness-down")


def judge(seen: Observation, owner: str, struck_ns: int, heal_ns: int, watched_ns: int) -> Run:
    """What the observers saw between a strike and the end of the watch."""
    outage = seen.outage(struck_ns, heal_ns, watched_ns)
    after = seen.outage_after(heal_ns, watched_ns)
    before_ns = struck_ns - round(_QUIET_BEFORE_S * 1e9)
    last = [answer.host for answer in seen.probe.answers if answer.last_ns <= watched_ns][-1:]
    return Run(
        owner_before=owner,
        owner_after=last[0] if last and after.ended else None,
        outage_ms=_ms(outage.outage_ns),
        double_ms_observer=_ms(seen.double_observer_ns(before_ns, watched_ns)),
        double_ms_kernel=_ms(seen.double_kernel_ns(before_ns, watched_ns)),
        after_heal_outage_ms=_ms(after.outage_ns),
        probe_stalled_ms=_ms(seen.stalled_ns(struck_ns, watched_ns)),
        recovered=outage.ended,
        struck_ns=struck_ns,
        healed_ns=heal_ns,
        watched_ns=watched_ns,
    )


def sentence(run: Run) -> str:
    """One run for a person."""
    moved = (
        f"{run.owner_before} kept it"
        if run.owner_after == run.owner_before
        else f"{run.owner_before} -> {run.owner_after or 'nobody'}"
    )
    double = max(run.double_ms_observer, run.double_ms_kernel)
    return (
        f"{moved}, outage {run.outage_ms:g} ms, double ownership {double:g} ms,"
        f" after healing {run.after_heal_outage_ms:g} ms"
    )


@contextlib.contextmanager
def ready_lab(lab: Lab, fault: str, timing: str = DEFAULT_TIMING, say: Progress = silent) -> Iterator[Lab]:
    """The lab with daemons for the time of the block, at rest or about to be.

    One that is up is used as it stands, its daemons being started if none were configured; else
    one is brought up and removed at the end. Nagios and Zabbix come only for ``monitoring-down``.
    """
    with lab.session():
        daemons = Daemons(lab)
        if not daemons.is_configured():
            say(f"bringing up ha-monitor at timing {timing}")
            _bring_up(lab, fault, timing, say)
        elif f'timing = "{timing}"' not in daemons.configured_text():
            raise LabError(
                f"the daemons of lab {lab.name} run at another timing than {timing!r}:"
                " take it down first, or measure at theirs"
            )
        yield lab


def _bring_up(lab: Lab, fault: str, timing: str, say: Progress) -> None:
    if fault != "monitoring-down":
        start_cluster(lab, timing)
        return
    from ha_monitor.lab.demo.stage import Stage

    Stage(lab, say, timing, failback="never").up()


def start_cluster(lab: Lab, timing: str = DEFAULT_TIMING, publish: str = "") -> str:
    """Configure and start ha-monitor and the web servers; returns the Owner once all is well."""
    from ha_monitor.lab.stack import web

    for name in NODES:
        web.install(lab.host(name))
    daemons = Daemons(lab)
    daemons.configure(config_text(timing, (*VIP_LINES, web.resource_toml()), publish))
    daemons.start()
    return daemons.wait_settled()


def _owner_seen(seen: Observation) -> str:
    if not seen.wait_for(seen.owner, timeout_s=5):
        raise LabError("nobody answers at the service address: there is no Owner to strike")
    owner = seen.owner()
    assert owner is not None
    return owner


def held_for_s(fault: Fault, timing: str) -> float:
    """How long to hold a fault: random within its bounds, and long enough for the Lease to end.

    Random because a fixed time can fall together with some schedule of the daemon's and hide what
    happens at all other times.
    """
    lease_s = TIMINGS[timing].lease_ns / 1e9 if timing in TIMINGS else 1.0
    return random.uniform(*fault.hold_s) + max(0.0, 2 * (lease_s - 1))


def _hold(since_ns: int, seconds: float) -> None:
    time.sleep(max(0.0, seconds - (time.monotonic_ns() - since_ns) / 1e9))


def _ms(length_ns: int) -> float:
    return round(length_ns / 1e6, 1)
