"""The kernel's side for a voter without service addresses: the Witness. Nothing to arm, nothing to close."""
# ruff: noqa: ARG002  # the signatures are those of `kernel_io.Kernel`

from __future__ import annotations

from collections.abc import Sequence

from ha_monitor.core import events as ev


class NoKernel:
    """For a voter without service addresses: nothing to arm, nothing to close."""

    def __init__(self) -> None:
        self.announced: dict[str, int] = {}
        self.user_lease_ends_ns = 0

    def filenos(self) -> Sequence[int]:
        """Nothing to select on."""
        return ()

    def next_deadline_ns(self) -> int | None:
        """Nothing planned."""
        return None

    def read(self, at_ns: int) -> list[ev.Event]:
        """Nothing happens."""
        return []

    tick = read

    def arm(self, group: str, sending: int, timeout_ns: int) -> bool:
        """A group without addresses needs no window."""
        return True

    def add(self, group: str) -> str:
        """No addresses."""
        return ""

    def activate(self, resources: Sequence[str], sending: int) -> str:
        """No addresses."""
        return ""

    def announce(self, resources: Sequence[str], at_ns: int) -> None:
        """No addresses."""

    def close(self, resources: Sequence[str]) -> bool:
        """Nothing is open."""
        return True

    def repair(self, resource: str) -> str:
        """No addresses."""
        return ""

    def probe(self, resources: Sequence[str], at_ns: int) -> list[ev.Event]:
        """Nobody to ask about."""
        return []

    def device(self, resource: str) -> str:
        """No device."""
        return ""

    def present(self) -> frozenset[str]:
        """Nothing stands here."""
        return frozenset()

    def shutdown(self) -> None:
        """Nothing to close."""
