"""Whether what is published is true at its stamp: real views and facts, held against the simulated world."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ha_monitor.model import REPORTER, Quorum, ResourceState
from ha_monitor.publish.declare import HostKind
from ha_monitor.publish.snapshot import Snapshot, snapshots, tells_cluster
from ha_monitor.sim.checks import SafetyBroken
from ha_monitor.sim.faults_network import LATE_NS
from ha_monitor.view import View

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost
    from ha_monitor.sim.cluster_world import ClusterWorld
    from ha_monitor.sim.core_process import CoreProcess

STALE_BEATS = 6  # what a peer said counts for five beats


class UntruthPublished(SafetyBroken):
    """Something is told to Nagios and Zabbix that is not so."""


class TruthCheck:
    """Looks at what each voter would publish now."""

    def __init__(self, world: ClusterWorld) -> None:
        self._world = world
        self.looks = 0

    def look(self, process: CoreProcess) -> None:
        """Make the view and its facts, and hold them against what is so."""
        self.looks += 1
        host = process.host
        view = replace(process.core.view(process.now_ns()), stamp_ns=host.wall_ns())
        self._check_reporter(host, view)
        for snapshot in snapshots(view):
            self._check_snapshot(host, snapshot)

    def _check_reporter(self, host: ClusterHost, view: View) -> None:
        is_speaker = tells_cluster(view) and not host.voter.is_witness
        if is_speaker and not self._world.leases.holds(host, REPORTER):
            raise UntruthPublished(f"{host.name} speaks for the cluster without the reporter's Lease")

    def _check_snapshot(self, host: ClusterHost, snapshot: Snapshot) -> None:
        for told in snapshot.told:
            name = told.names[-1] if told.names else ""
            values = told.values
            if snapshot.kind is HostKind.CLUSTER and told.scope.name == "group":
                self._check_owner(host, name, str(values.get("ha.group.owner", "nobody")))
                self._check_count(host, name, int(values.get("ha.group.owners", 0)))
            elif told.scope.name == "vip":
                self._check_count(host, name, int(values.get("ha.vip.holders", 0)))
            elif told.scope.name == "address":
                self._check_address(host, name, int(values.get("ha.vip.open", 0)))

    def _check_owner(self, host: ClusterHost, group: str, owner: str) -> None:
        """It held the Lease within the time for which a peer's word counts.

        Of a Node that is not heard nobody knows whether it heard that it won: there the voters' grants count.
        """
        world = self._world
        if owner == "nobody":
            return
        lease_ns, beat_ns = host.config.timing.lease_ns, host.config.timing.interval_ns
        since_ns = world.agenda.now_ns - (STALE_BEATS * beat_ns + 2 * lease_ns + LATE_NS)
        if owner == host.name:
            is_true = world.leases.holds(host, group)
        else:
            is_true = world.leases.held_since(owner, group, since_ns) or (
                not self._hears(host, owner) and world.leases.granted_since(owner, group, since_ns)
            )
        if not is_true:
            raise UntruthPublished(f"{host.name} tells that {owner} owns {group}, which it does not")

    def _hears(self, host: ClusterHost, name: str) -> bool:
        if host.process is None:
            return False
        peers, at_ns = host.process.core.situation.node_peers, host.process.now_ns()
        return any(peer.voter.name == name and peer.is_mutual(at_ns) for peer in peers)

    def _check_count(self, host: ClusterHost, name: str, count: int) -> None:
        if self._world.config.quorum is Quorum.PING:
            return  # there may be two, and then it is told
        beats_ns = STALE_BEATS * host.config.timing.interval_ns
        may_be_told = self._world.agenda.now_ns < self._world.counted_again_ns + beats_ns + LATE_NS
        if count > 1 and not may_be_told and not any(node.woken for node in self._world.nodes):
            raise UntruthPublished(f"{host.name} tells of {count} Owners of {name}")

    def _check_address(self, host: ClusterHost, name: str, is_open: int) -> None:
        group = next(g for g, address in self._world.addresses if address == name)
        if host.process is None:
            return
        tenure = host.process.core.tenures[group]
        is_known = tenure.runner.records[name].state is not ResourceState.UNKNOWN
        if tenure.adoption.is_under_way(host.process.now_ns()) or not is_known:
            return  # what its former life opened is open until its end; it is on its way to take that up
        if not is_open and host.kernel.answers(name):
            raise UntruthPublished(f"{host.name} tells that {name} is closed while its kernel answers for it")
