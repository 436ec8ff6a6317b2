"""Watches who holds which Lease in a simulated cluster, and on whose votes; judges what is decided on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ha_monitor.core import actions as ac
from ha_monitor.core.leases import Phase
from ha_monitor.core.voter import Grant
from ha_monitor.model import NO_BALLOT, REPORTER, Ballot, Cause, Quorum, Resource, Run
from ha_monitor.sim.checks import EpochCheck, SafetyBroken
from ha_monitor.sim.swarm import TAKEOVERS, TAKEOVERS_EXCLUSIVE

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost
    from ha_monitor.sim.cluster_world import ClusterWorld
    from ha_monitor.sim.core_process import CoreProcess

Tenancy = tuple[str, str]  # host, group


class LeaseWatch:
    """What cores believe, what voters granted, and when a Node last held a group."""

    def __init__(self, world: ClusterWorld) -> None:
        self._world = world
        self.epochs: EpochCheck | None = EpochCheck()  # None where a wall clock ran backwards: rule 7
        self.changes = 0  # grows whenever some core's Lease is new or longer
        self.epochs_held: dict[Tenancy, Ballot] = {}  # the last one of each
        self._granted: dict[tuple[str, Ballot], set[int]] = {}
        self._won: set[tuple[str, Ballot]] = set()  # by a majority, as far as was seen
        self._seen: dict[Tenancy, tuple[Ballot, int]] = {}  # Epoch and end by the own clock
        self._given_before: dict[str, set[int]] = {}  # by host: as of the end of the last step
        self._last_owner: dict[str, str] = {}
        self._held_until: dict[Tenancy, int] = {}  # true time
        self._granted_until: dict[Tenancy, int] = {}  # by grants that may have won it

    # What happens

    def stepped(self, process: CoreProcess, actions: Sequence[ac.Action]) -> None:
        """After a step of a core: what its voter granted, what it holds."""
        host = process.host
        if actions and isinstance(actions[0], ac.SaveVoterState):
            self._note_grants(process)
        for name, tenure in process.core.tenures.items():
            seeker, key = tenure.seeker, (host.name, name)
            if seeker.phase is not Phase.HELD:
                if key in self._seen:
                    self._let_go(key)
            elif self._seen.get(key) != (seeker.ballot, seeker.end_ns):
                self._note_held(host, key, seeker.ballot, seeker.end_ns)
            if name in host.woken:
                self._judge_woken(process, name)
        if host.config.quorum.is_pair:
            self._given_before[host.name] = _given_to(host)

    def _note_grants(self, process: CoreProcess) -> None:
        seat = process.core.situation.seat
        for name in process.core.tenures:
            accepted = seat.memory(name).accepted
            if accepted is not None:
                self._note_grant(process.host, name, accepted)

    def _note_grant(self, host: ClusterHost, group: str, grant: Grant) -> None:
        voters = self._granted.setdefault((group, grant.ballot), set())
        voters.add(host.index)
        if len(voters | {grant.owner}) >= host.config.majority:
            key = host.config.voters[grant.owner].name, group
            until_ns = max(self._granted_until.get(key, -1), host.clock.true_ns(grant.expires_ns))
            self._granted_until[key] = until_ns

    def _note_held(self, host: ClusterHost, key: Tenancy, ballot: Ballot, end_ns: int) -> None:
        before = self._seen.get(key)
        self._seen[key] = ballot, end_ns
        self.epochs_held[key] = ballot
        self._held_until[key] = host.clock.true_ns(end_ns)
        self.changes += 1
        if before is None or before[0] != ballot:
            self._count_takeover(host, key[1])
            own_ns = host.clock.own_ns(self._world.agenda.now_ns)
            is_kept = before is not None and before[1] > own_ns
            self._check_majority(host, key[1], ballot, is_kept)
            if self.epochs is not None:
                self.epochs.won(self._series(key), ballot)

    def _count_takeover(self, host: ClusterHost, group: str) -> None:
        """A takeover: another Node than the last Owner has it."""
        last, self._last_owner[group] = self._last_owner.get(group, host.name), host.name
        if last != host.name and group != REPORTER:
            self._world.counts[TAKEOVERS] += 1
            if any(g.name == group and g.exclusive for g in host.config.groups):
                self._world.counts[TAKEOVERS_EXCLUSIVE] += 1

    def _series(self, key: Tenancy) -> str:
        """Whose Epochs rise: a group's; in mode `ping` those of each Node."""
        host, group = key
        return f"{group} on {host}" if self._world.config.quorum is Quorum.PING else group

    def _let_go(self, key: Tenancy) -> None:
        del self._seen[key]
        self._held_until[key] = min(self._held_until[key], self._world.agenda.now_ns)

    def _judge_woken(self, process: CoreProcess, name: str) -> None:
        tenure, woken = process.core.tenures[name], process.host.woken[name]
        if tenure.adoption.is_under_way(process.now_ns()):
            return  # a new core has not heard yet that the Lease of the former one is over
        if tenure.seeker.phase is not Phase.HELD:
            process.over(name)
        elif tenure.runner.sending > woken.sending:
            process.host.count_again(name)  # a majority granted it anew: it is a Lease like any other

    def _check_majority(self, host: ClusterHost, group: str, ballot: Ballot, is_kept: bool) -> None:
        """``is_kept``: a new ballot under a running Lease: the Owner of a pair needs only its own vote."""
        votes = self._granted.get((group, ballot), set()) | _given_to(host)
        votes |= self._given_before.get(host.name, set())  # a vote may be given until it comes, in this step
        if is_kept and host.config.quorum.is_pair:
            votes.update(range(host.config.majority))
        if len(votes) < host.config.majority and host.config.quorum is Quorum.PING:
            self._world.pinging.won_alone(host, group, ballot)
        elif len(votes) < host.config.majority:
            raise SafetyBroken(f"{group}: {host.name} won it with {len(votes)} votes, which is no majority")
        self._won.add((group, ballot))

    # What is so

    def held_by(self, host: ClusterHost) -> list[str]:
        """The groups whose Lease this host's core holds by its own clock."""
        process = host.process
        if process is None or process.core.is_stopped or host.is_frozen:
            return []
        own_ns = process.now_ns()
        tenures = process.core.tenures.items()
        return [n for n, t in tenures if t.seeker.phase is Phase.HELD and t.seeker.end_ns > own_ns]

    def holds(self, host: ClusterHost, group: str) -> bool:
        """Whether its core holds the group's unexpired Lease by its own clock."""
        process = host.process
        if process is None or process.core.is_stopped or host.is_frozen:
            return False
        tenure = process.core.tenures.get(group)
        if tenure is None or tenure.seeker.phase is not Phase.HELD:
            return False
        return tenure.seeker.end_ns > process.now_ns()

    def holders(self, group: str) -> list[str]:
        """Everybody who holds it, Leases from before a sleep left out."""
        return [h.name for h in self._world.nodes if self.holds(h, group) and group not in h.woken]

    def held_since(self, host: str, group: str, since_ns: int) -> bool:
        """Whether that Node held the group at some time since then (true time)."""
        return self._held_until.get((host, group), -1) >= since_ns

    def granted_since(self, host: str, group: str, since_ns: int) -> bool:
        """Whether so many voters granted it that it may have won: all that others can know of it."""
        return self._granted_until.get((host, group), -1) >= since_ns

    def without_woken(self, answering: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Who answers, machines left out that slept as a whole and could not hear of it yet."""
        if not any(host.woken for host in self._world.nodes):
            return {name: list(hosts) for name, hosts in answering.items()}
        group_of = {address: group for group, address in self._world.addresses}
        return {
            name: [h for h in hosts if group_of[name] not in self._world[h].woken]
            for name, hosts in answering.items()
        }

    # What is decided

    def check_decided(self, host: ClusterHost, actions: Iterable[ac.Action]) -> None:
        """What runs on the Owner alone starts, and an address opens, only under the Lease.

        A process that stands still before it passes the order on starts a service late: the promise covers
        what is reached through the address, and no more.
        """
        for action in actions:
            if isinstance(action, ac.StartResource):
                if _spec(host, action).run is Run.OWNER and not self.holds(host, action.group):
                    raise SafetyBroken(f"{host.name} starts {action.resource} without its group's Lease")
            elif isinstance(action, ac.ActivateWindow) and not self.holds(host, action.group):
                raise SafetyBroken(f"{host.name} opens {action.group} without its Lease")

    def check_transition(self, host: ClusterHost, action: ac.ReportTransition) -> None:
        """Who is told to be the Owner now has won the Lease under that Epoch."""
        is_move = action.node_to and action.cause not in (Cause.HELD, Cause.LIVELOCK)
        if is_move and action.group != REPORTER and action.epoch != NO_BALLOT:
            votes = self._granted.get((action.group, action.epoch), set())
            is_won = (action.group, action.epoch) in self._won or len(votes) >= host.config.majority
            if action.node_to != host.name or not is_won:
                raise SafetyBroken(f"{action.group}: {host.name} tells of an Owner that there was not")


def _given_to(host: ClusterHost) -> set[int]:
    """Votes that count although their voters are silent; whether rightly, fencing.py and pinging.py judge."""
    if host.process is None or not host.config.quorum.is_pair:
        return set()
    return set(host.process.core.situation.seat.absences)


def _spec(host: ClusterHost, action: ac.StartResource) -> Resource:
    return next(r for r in host.config.group(action.group).resources if r.name == action.resource)
