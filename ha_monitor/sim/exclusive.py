"""Exclusive groups in the simulated cluster: nothing of one runs on two Nodes at once, whatever happens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ha_monitor.model import ClusterConfig
from ha_monitor.sim.checks import SafetyBroken

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost


def check_one_writer(config: ClusterConfig, hosts: Iterable[ClusterHost]) -> None:
    """What the guard must end runs on one Node at most; a start that is under way counts as running.

    So it began only after a proved stop, after the power was gone, or after the Lease and `stop_within`.
    Machines that slept as a whole are left out until that group was ended on them: outside the condition.
    """
    for group in config.groups:
        if not group.exclusive:
            continue
        names = [resource.name for resource in group.ended_by_guard]
        writers = [h.name for h in hosts if _writes(h, group.name, names)]
        if len(writers) > 1:
            raise SafetyBroken(f"{group.name}: {' and '.join(writers)} run what bears one writer")


def _writes(host: ClusterHost, group: str, names: Iterable[str]) -> bool:
    is_live = any(host.services.is_live(name) for name in names)
    if not is_live:
        host.slept_with.discard(group)
    return is_live and not host.is_frozen and group not in host.slept_with
