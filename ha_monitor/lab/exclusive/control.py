"""The control run: the same group without the guard, to show what two mounts of one disk do.

The Owner's daemons die, its mount and its writer live on, the other Node mounts the disk too. Both writers go
on, each asked by a client of its own; then both leave the disk, and the disk is looked at.
"""

from __future__ import annotations

import contextlib
import time

from ha_monitor.lab.cast import NODES
from ha_monitor.lab.exclusive.cluster import ExclusiveCluster
from ha_monitor.lab.exclusive.faults import FAULTS
from ha_monitor.lab.exclusive.play import Ack, Client, RunResult, staged
from ha_monitor.lab.exclusive.records import numbers_on
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.processes import kill_all_at_once
from ha_monitor.lab.roles import daemon_processes

RUN, LEFT_RUN = 1, 2  # what the group's client and the old Owner's client ask for
RECORDS_EACH = 200


def control(cluster: ExclusiveCluster) -> RunResult:
    """Play it. A damaged disk is the expected result; LabError when it could not even be played."""
    assert not cluster.is_exclusive, "the control run is the one that nothing protects"
    began_s, began_ns = time.monotonic(), time.monotonic_ns()
    result = RunResult(0, "control")
    with staged(cluster) as mounts:
        acks = _write_twice(cluster, result)
        result.double_mounts = mounts.count_since(began_ns)
        for node in NODES:
            _leave_disk(cluster, node)
        _judge(cluster, acks, result)
    result.seconds = round(time.monotonic() - began_s, 1)
    return result


def _write_twice(cluster: ExclusiveCluster, result: RunResult) -> dict[int, list[Ack]]:
    with Client(cluster, RUN) as service:
        owner = service.wait_for(lambda _: True, "in the settled lab").node
        address = cluster.lab.host(owner).member.v4()
        FAULTS["kill"].strike(cluster, owner)
        taken = service.wait_for(lambda a: a.node != owner, "by the other Node")
        with Client(cluster, LEFT_RUN, address, 2) as left:
            left.wait_for(lambda a: a.number > RECORDS_EACH, "by the old Owner")
            service.wait_for(lambda a: a.number > taken.number + RECORDS_EACH, "by the new Owner")
            result.owner_before, result.owner_after, result.takeovers = owner, taken.node, 1
            return {RUN: service.acks(), LEFT_RUN: left.acks()}


def _leave_disk(cluster: ExclusiveCluster, node: str) -> None:
    """As an operator would who finds both at it: no daemon, no writer, no mount."""
    host = cluster.lab.host(node)
    kill_all_at_once(daemon_processes(host))
    for name in ("writer", "san"):
        with contextlib.suppress(LabError):
            host.exec([f"/etc/ha-monitor/{name}", "stop"])


def _judge(cluster: ExclusiveCluster, acks: dict[int, list[Ack]], result: RunResult) -> None:
    result.acknowledged = sum(map(len, acks.values()))
    complaint = cluster.disk.check_unmounted()
    result.dirty_checks = int(bool(complaint))
    try:
        with cluster.disk.opened() as place:
            on_disk = {run: numbers_on(place, run) for run in acks}
    except (LabError, OSError) as error:
        on_disk, complaint = {run: set() for run in acks}, f"{complaint}; {error}"
    result.lost_writes = sum(ack.number not in on_disk[run] for run, told in acks.items() for ack in told)
    result.detail = complaint[:500]
