"""What the demonstration saw, step by step, and what of it breaks the promise.

Nothing here comes from the daemon's own word: outage and double ownership are the observers', requests
the client's, states what statusjson and the Zabbix API answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

AFTER_HEAL_MAX_MS = 100.0
VISIBLE_WITHIN_S = 30.0


@dataclass(frozen=True)
class Requests:
    """HTTP requests that the client sent across all virtual hosts, and those without a right answer."""

    sent: int
    lost: int


@dataclass(frozen=True)
class StepRecord:
    """One step of the story. Lists hold one number per run, as `lab measure` gives them."""

    title: str
    fault: str
    timing: str
    runs: int
    outage_ms: list[float]
    double_ms_observer: list[float]
    double_ms_kernel: list[float]
    after_heal_outage_ms: list[float]
    probe_stalled_ms: list[float]
    requests: Requests
    owner_before: str  # as the observer saw it
    owner_after: str
    nagios: dict[str, str]  # "host/service": "STATE: output"
    zabbix: dict[str, str]  # "host/key": value
    visible_after_s: dict[str, float | None]  # nagios, zabbix: until it showed what was so after the fault
    outage_max_ms: float | None = None  # what the promise allows here

    def problems(self) -> list[str]:
        """What of the promise this step breaks."""
        found = []
        if max(self.double_ms_observer + self.double_ms_kernel, default=0) > 0:
            found.append(f"{self.title}: the address was served by two Nodes")
        if self.outage_max_ms is not None and max(self.outage_ms, default=0) > self.outage_max_ms:
            worst = max(self.outage_ms)
            found.append(f"{self.title}: outage {worst:.0f} ms, promised {self.outage_max_ms:.0f}")
        if max(self.after_heal_outage_ms, default=0) > AFTER_HEAL_MAX_MS:
            worst = max(self.after_heal_outage_ms)
            found.append(f"{self.title}: {worst:.0f} ms without service after healing")
        if not self.requests.sent:
            found.append(f"{self.title}: no HTTP request was sent, so none of them says anything")
        return found + self._invisible()

    def _invisible(self) -> list[str]:
        return [
            f"{self.title}: {system} did not show the new state within {VISIBLE_WITHIN_S:.0f} s"
            for system, after_s in self.visible_after_s.items()
            if after_s is None or after_s > VISIBLE_WITHIN_S
        ]


@dataclass
class Report:
    """Everything that ends up in report.json and report.html."""

    started: str  # wall clock, ISO 8601
    steps: list[StepRecord] = field(default_factory=list)
    transitions_made: int = 0  # changes of the host that answers, as the observer saw them
    transitions_in_zabbix: int = 0
    not_ok: list[str] = field(default_factory=list)  # what a healthy pair showed beside OK
    memory_mib: dict[str, float] = field(default_factory=dict)  # PSS of all processes of each Node
    pictures: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)  # steps that could not be played to their end

    def problems(self) -> list[str]:
        """Why the demonstration ends red; empty when it is green."""
        found = [problem for step in self.steps for problem in step.problems()]
        found += [f"a healthy pair shows {line}" for line in self.not_ok]
        if self.transitions_made != self.transitions_in_zabbix:
            found.append(
                f"{self.transitions_made} changes of Owner were seen, Zabbix's history holds"
                f" {self.transitions_in_zabbix} transitions"
            )
        return found + self.failures

    def as_json(self) -> Mapping[str, Any]:
        """The report as plain values."""
        return {**asdict(self), "problems": self.problems()}
