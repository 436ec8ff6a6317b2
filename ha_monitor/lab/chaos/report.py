"""Sums up what was recorded: how often each fault was played, and what was seen. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ha_monitor.lab.chaos.catalog import CATALOG
from ha_monitor.lab.chaos.judge import UNEXPECTED

_HEAD = (
    "| fault | alone | with another | longest outage of a group when alone (ms), median [min..max]"
    " | double, observer (ms) | double, kernels (ms) | lost | unexpected | not healthy |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


@dataclass
class Sum:
    """All rounds with one fault."""

    alone: int = 0
    beside: int = 0
    outages_ms: list[int] = field(default_factory=list)
    double_observer_ms: float = 0.0
    double_kernel_ms: float = 0.0
    lost: int = 0
    unexpected: int = 0
    unhealthy: int = 0

    def add(self, entry: Mapping[str, Any]) -> None:
        """Take in one round."""
        groups = entry["groups"].values()
        if len(entry["struck"]) == 1:
            self.alone += 1
            self.outages_ms.append(max(group["outage_ms"] for group in groups))
        else:
            self.beside += 1
        self.double_observer_ms += sum(group["double_observer_ms"] for group in groups)
        self.double_kernel_ms += sum(group["double_kernel_ms"] for group in groups)
        self.lost += len(entry["lost"]) + sum(group.get("untold", 0) for group in groups)
        self.unexpected += sum(move["why"] == UNEXPECTED for move in entry["moves"])
        self.unhealthy += bool(entry["unhealthy"])

    def row(self, name: str) -> str:
        """One line of the table."""
        low, high = min(self.outages_ms, default=0), max(self.outages_ms, default=0)
        middle = f"{statistics.median(self.outages_ms):.0f} [{low}..{high}]" if self.outages_ms else "-"
        cells = (
            name, self.alone, self.beside, middle, f"{self.double_observer_ms:g}",
            f"{self.double_kernel_ms:g}", self.lost, self.unexpected, self.unhealthy,
        )  # fmt: skip
        return f"| {' | '.join(str(cell) for cell in cells)} |"


def text(rounds: Iterable[Mapping[str, Any]]) -> str:
    """The table, and the sum of all rounds in a sentence."""
    sums = {name: Sum() for name in CATALOG}
    every, number = Sum(), 0
    for entry in rounds:
        if not entry["struck"]:
            continue
        every.add(entry)
        number += sum(not struck["refused"] for struck in entry["struck"])
        for name in {struck["fault"] for struck in entry["struck"]} & set(sums):
            sums[name].add(entry)
    total = (
        f"{number} faults in {every.alone + every.beside} rounds:"
        f" double ownership {every.double_observer_ms:g} ms by the observer and"
        f" {every.double_kernel_ms:g} ms by the kernels, {every.lost} transitions lost,"
        f" {every.unexpected} unexpected moves, {every.unhealthy} rounds that did not end well."
    )
    return "\n".join([_HEAD, *(its.row(name) for name, its in sums.items()), "", total])
