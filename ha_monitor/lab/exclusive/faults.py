"""What strikes the Owner of an exclusive group in the lab, and whether the group must move for it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

from ha_monitor.lab import faults
from ha_monitor.lab.cast import SERVICE_GROUP, other_node
from ha_monitor.lab.daemons import PROGRAM
from ha_monitor.lab.exclusive.cluster import ExclusiveCluster
from ha_monitor.lab.exclusive.disk import MOUNT_POINT
from ha_monitor.lab.exclusive.watchdog import plug_of
from ha_monitor.lab.faults import Blow
from ha_monitor.lab.processes import kill_all_at_once, signal_all
from ha_monitor.lab.roles import ALL, daemon_processes

_ORDER_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class ExclusiveFault:
    """``moves``: the group must end on the other Node. ``resets``: the watchdog must take the power."""

    name: str
    strike: Callable[[ExclusiveCluster, str], None]
    moves: bool = True
    resets: bool = False


def _power_off(cluster: ExclusiveCluster, owner: str) -> None:
    with plug_of(cluster.lab, owner):
        cluster.disk.cut_off(owner)
        cluster.lab.host(owner).power_off()


def _kill(role: str) -> Callable[[ExclusiveCluster, str], None]:
    return lambda cluster, owner: kill_all_at_once(daemon_processes(cluster.lab.host(owner), role))


def _freeze(role: str) -> Callable[[ExclusiveCluster, str], None]:
    return lambda cluster, owner: signal_all(daemon_processes(cluster.lab.host(owner), role), signal.SIGSTOP)


def _freeze_core_and_worker(cluster: ExclusiveCluster, owner: str) -> None:
    for role in ("worker", "core"):
        signal_all(daemon_processes(cluster.lab.host(owner), role), signal.SIGSTOP)


def _partition(witness: str) -> Callable[[ExclusiveCluster, str], None]:
    return lambda cluster, owner: faults.strike(cluster.lab, Blow("partition", owner, witness=witness))


def _stop(cluster: ExclusiveCluster, owner: str) -> None:
    cluster.daemons.stop_on(owner)


def _switch(cluster: ExclusiveCluster, owner: str) -> None:
    order = [PROGRAM, "switch", SERVICE_GROUP, "--to", other_node(owner)]
    cluster.lab.host(owner).exec(order, timeout=_ORDER_TIMEOUT_S)


def _busy_and_cut_off(cluster: ExclusiveCluster, owner: str) -> None:
    """A stranger's process keeps the mount busy: no stop line and no kill of the cgroup helps."""
    cluster.lab.host(owner).spawn(["/bin/sh", "-c", f"cd {MOUNT_POINT} && exec sleep 600"])
    _partition("far")(cluster, owner)


FAULTS = {
    fault.name: fault
    for fault in (
        ExclusiveFault("power-off", _power_off),
        ExclusiveFault("kill", _kill(ALL), resets=True),
        ExclusiveFault("kill-guard", _kill("guard"), resets=True),
        ExclusiveFault("kill-core", _kill("core"), moves=False),
        ExclusiveFault("freeze", _freeze(ALL), resets=True),
        ExclusiveFault("freeze-guard", _freeze("guard"), resets=True),
        ExclusiveFault("freeze-core", _freeze("core"), moves=False),
        ExclusiveFault("freeze-core-and-worker", _freeze_core_and_worker, moves=False),
        ExclusiveFault("partition-far", _partition("far")),
        ExclusiveFault("partition-near", _partition("near"), moves=False),
        ExclusiveFault("busy-and-cut-off", _busy_and_cut_off, resets=True),
        ExclusiveFault("stop", _stop),
        ExclusiveFault("switch", _switch),
    )
}
