"""Carries out the strikes of one round on the lab, each in a thread of its own, and notes what happened."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ha_monitor.lab import faults
from ha_monitor.lab.cast import WITNESS, other_node
from ha_monitor.lab.chaos import catalog, ledger
from ha_monitor.lab.chaos.catalog import CATALOG
from ha_monitor.lab.chaos.moves import InForce
from ha_monitor.lab.chaos.plan import Round, Strike
from ha_monitor.lab.chaos.record import Record
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.problems import LabError

_HEAL_TRIES = 3
_TAKE_RECORDS = frozenset(("power-off", "disk-full", "no-memory"))
_STOP_CORES = frozenset(
    ("kill", "kill guard", "kill core", "kill one by one", "freeze", "freeze core", "stop")
)


@dataclass
class Struck:
    """One strike as it went: times are monotonic ns; ``problem`` says why it did not take effect."""

    strike: Strike
    host: str = ""
    from_ns: int = 0
    healed_ns: int = 0
    problem: str = ""
    heal_problem: str = ""

    def in_force(self, now_ns: int) -> InForce:
        """For the judgement; a strike that was refused may have had half of its effect."""
        group = self.strike.group if self.strike.fault == "switch" else ""
        return InForce(self.strike.fault, self.host, self.from_ns, self.healed_ns or now_ns, group)


class Striker:
    """Strikes and heals. ``owner_of``: who answers for a group, asked when the moment has come."""

    def __init__(self, lab: Lab, record: Record, owner_of: Callable[[str], str]) -> None:
        self._lab, self._record, self._owner_of = lab, record, owner_of
        self.past: list[Struck] = []
        self.starts: list[InForce] = []  # of the whole cluster

    def begin(self, planned: Round) -> tuple[list[threading.Thread], list[Struck]]:
        """Start the strikes of a round; they are over when the threads have ended."""
        began_ns = time.monotonic_ns()
        struck = [Struck(strike) for strike in planned.strikes]
        self.past += struck
        threads = [threading.Thread(target=self._carry_out, args=(one, began_ns)) for one in struck]
        for thread in threads:
            thread.start()
        return threads, struck

    def in_force(self) -> list[InForce]:
        """Every fault so far that struck somebody."""
        now_ns = time.monotonic_ns()
        return self.starts + [one.in_force(now_ns) for one in self.past if one.from_ns]

    def started(self, since_ns: int) -> None:
        """The cluster came up by itself in this time: nobody owned anything."""
        self.starts.append(InForce("start", "", since_ns, time.monotonic_ns()))

    @property
    def what_was_struck(self) -> ledger.Struck:
        """For the ledger: whose records may have been lost, and when."""
        return ledger.Struck(
            lambda *when: self._was_struck(_TAKE_RECORDS, *when),
            lambda *when: self._was_struck(_TAKE_RECORDS | _STOP_CORES, *when),
        )

    def _was_struck(self, names: frozenset[str], host: str, from_ns: int, until_ns: int) -> bool:
        return any(
            one.strike.fault in names
            and one.host == host
            and one.from_ns <= until_ns
            and (one.healed_ns or until_ns) >= from_ns
            for one in self.past
            if one.from_ns
        )

    def _carry_out(self, one: Struck, began_ns: int) -> None:
        strike = one.strike
        _sleep_until(began_ns + round(strike.after_s * 1e9))
        one.host = self._host(strike)
        fields = dict(strike.fields)
        if strike.fault == "switch":
            fields["group"] = strike.group
        blow = faults.fault_named(CATALOG[strike.fault].verb).blow(one.host, **fields)
        one.from_ns = time.monotonic_ns()
        self._record.note("strike", one.from_ns, fault=strike.fault, host=one.host, fields=fields)
        try:
            faults.strike(self._lab, blow)
        except (LabError, OSError) as error:
            one.problem = str(error)
            self._record.note("not struck", fault=strike.fault, host=one.host, why=one.problem)
        _sleep_until(one.from_ns + round(strike.hold_s * 1e9))
        self._heal(one, blow)

    def _heal(self, one: Struck, blow: faults.Blow) -> None:
        heal = faults.FAULTS[blow.fault].heal
        # A strike that was refused may have been carried out by half.
        tries: list[Callable[[], None]] = [lambda: heal(self._lab, blow)] * _HEAL_TRIES
        if not one.problem:
            tries.insert(0, lambda: faults.heal_one(self._lab, blow))
        for attempt in tries:
            try:
                attempt()
                one.heal_problem = ""
                break
            except (LabError, OSError) as error:
                if self._is_without_power(one.host):
                    one.heal_problem = ""
                    break  # with its power all comes back
                one.heal_problem = str(error)
                time.sleep(0.5)
        one.healed_ns = time.monotonic_ns()
        what = "not healed" if one.heal_problem else "healed"
        self._record.note(what, one.healed_ns, fault=one.strike.fault, host=one.host, why=one.heal_problem)

    def _is_without_power(self, host: str) -> bool:
        """By another strike, which is still in force."""
        return any(
            one.strike.fault == "power-off" and one.host == host and one.from_ns and not one.healed_ns
            for one in self.past
        )

    def _host(self, strike: Strike) -> str:
        if strike.whom == catalog.WITNESS:
            return WITNESS
        owner = self._owner_of(strike.group)
        return owner if strike.whom == catalog.OWNER else other_node(owner)


def _sleep_until(at_ns: int) -> None:
    time.sleep(max(0, at_ns - time.monotonic_ns()) / 1e9)
