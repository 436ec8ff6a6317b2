"""What every sink is: a way to give a batch to a monitoring system, within a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ha_monitor.publish.outbox import Delivery, Policy, Waiting


class Sink(Protocol):
    """One way to Nagios or Zabbix. Used by one thread."""

    name: str  # what it is called in facts: nagios or zabbix
    kind: str  # by which way: spool, command-file, nsca-ng, trapper
    policy: Policy
    batch_max: int

    def send(self, batch: Sequence[Waiting]) -> Delivery:
        """Give a batch, in its order. Raises SinkError when nothing is known to be taken.

        Ends within some seconds whatever the other side does.
        """

    def arm(self) -> None:
        """A batch is about to be fetched: forget an earlier `abort`."""

    def abort(self) -> None:
        """From another thread: give up states that are on their way, they have become untrue."""


class AtOnce:
    """For sinks whose calls end at once: there is nothing on its way that could be given up."""

    def arm(self) -> None:
        """Nothing to do."""

    def abort(self) -> None:
        """Nothing to do."""
