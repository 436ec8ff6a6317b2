"""One group on this Node: started left to right under a Lease, stopped right to left before it ends.

The runner knows the Lease only as granted sending numbers; `cluster` drives both and asks `placement`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ha_monitor.core.actions import (
    Action,
    ActivateWindow,
    AddAddresses,
    Announce,
    CloseAddresses,
    ProbeDuplicate,
    ProbeResource,
    StartResource,
    StopResource,
)
from ha_monitor.core.custody import Custody
from ha_monitor.core.events import AddressClosed, DuplicateProbed, GroupEnded, ResourceReported
from ha_monitor.core.resources import ResourceRecord
from ha_monitor.model import NO_BALLOT, Ballot, Cause, Group, GroupState, ResourceState


@dataclass(frozen=True)
class Leaving:
    """Why and to whom the group is being let go. ``successor`` -1: nobody is named."""

    successor: int
    cause: Cause


class GroupRunner:
    """Carries out what was decided for one group, in order, and knows how far it is."""

    def __init__(
        self, spec: Group, at_ns: int, emit: Callable[[Action], None], take_id: Callable[[], int]
    ) -> None:
        self.spec = spec
        self.state = GroupState.STOPPED
        self.records = {r.name: ResourceRecord(r, at_ns) for r in spec.resources}
        self.opened: set[str] = set()  # service addresses that answer while a granted sending is armed
        self.leaving: Leaving | None = None
        self.epoch = NO_BALLOT
        self.sending = 0  # latest granted
        self.failed: tuple[Cause, str] | None = None  # why the start did not succeed
        self._added: set[str] = set()  # service addresses on their devices, open or closed
        self._answers: dict[str, str] = {}  # duplicate probe: address to MAC or ""
        self._is_reclaimed = False
        self._closing = False
        self._is_close_refused = False
        self.custody = Custody(spec, emit)
        self._emit = emit
        self._take_id = take_id

    @property
    def addresses(self) -> tuple[str, ...]:
        """Names of the service addresses, in order."""
        return tuple(r.name for r in self.spec.addresses)

    @property
    def is_owner(self) -> bool:
        """Whether anything of the group may be up here under a Lease of ours."""
        return self.state not in (GroupState.STOPPED, GroupState.MOVING)

    @property
    def is_busy(self) -> bool:
        """Whether Resources are still being stopped without a Lease, so that it must not be sought yet."""
        return self.state in (GroupState.STOPPING, GroupState.BLOCKED)

    @property
    def has_leftovers(self) -> bool:
        """Whether addresses are on their devices for a Lease that this Node did not get, or has no more."""
        return bool(self._added) and not self.is_owner

    @property
    def retry_ns(self) -> int:
        """When the last of those that failed here is started again."""
        failed = (ResourceState.FAILED, ResourceState.STOPPED)
        return max((r.restart_at_ns for r in self.records.values() if r.state in failed), default=0)

    # The Lease comes

    def note_former(self) -> None:
        """A former core left its addresses on their devices."""
        self._added.update(self.addresses)

    def prepare(self, is_reclaimed: bool) -> None:
        """A majority said OPEN: bring the addresses, closed, and ask the network for strangers."""
        self._is_reclaimed = is_reclaimed
        self._answers = dict.fromkeys(self.addresses, "") if is_reclaimed else {}
        if self.addresses:
            self._added.update(self.addresses)
            self._emit(AddAddresses(self.spec.name))
            if not is_reclaimed:
                self._emit(ProbeDuplicate(self.spec.name, self.addresses))

    def win(self, epoch: Ballot, sending: int, until_ns: int, at_ns: int) -> None:
        """The Lease is ours: begin to start."""
        self.epoch, self.sending = epoch, sending
        self.custody.begin(until_ns)
        self.failed = None
        self.leaving = None
        self.state = GroupState.STARTING
        self.advance(at_ns)

    def renew(self, epoch: Ballot, sending: int, until_ns: int) -> None:
        """Another sending was granted: what is open stays open under it."""
        self.epoch, self.sending = epoch, sending
        if self.is_owner:
            self.custody.extend(until_ns, is_wanted=not self.is_busy)
        if self.opened:
            self._emit(ActivateWindow(self.spec.name, self._open_in_order(), sending))

    # Starting and stopping

    def advance(self, at_ns: int) -> None:
        """Take the next steps that can be taken now."""
        if self.state is GroupState.STARTING:
            self._advance_start(at_ns)
        elif self.state is GroupState.STOPPING:
            self._advance_stop(at_ns)

    def _advance_start(self, at_ns: int) -> None:
        for record in self.records.values():
            if record.is_address:
                if not self._open(record.spec.name, at_ns):
                    return
            elif record.must_stop and not (self.custody.is_guarded and self._bring_up(record, at_ns)):
                return
        self.state = GroupState.RUNNING

    def _open(self, name: str, at_ns: int) -> bool:
        if name in self.opened:
            return True
        if name not in self._answers:
            return False
        if self._answers[name]:
            self.failed = (Cause.ADDRESS_DUPLICATE, f"{name} is in use by {self._answers[name]}")
            return False
        self.opened.add(name)
        self.records[name].set_state(ResourceState.RUNNING, "", at_ns)
        self._emit(ActivateWindow(self.spec.name, (name,), self.sending))
        self._emit(Announce(self.spec.name, (name,)))
        return True

    def _bring_up(self, record: ResourceRecord, at_ns: int) -> bool:
        if record.state is ResourceState.RUNNING:
            return True
        if record.operation:
            return False
        if record.state is ResourceState.UNKNOWN:
            self._emit(ProbeResource(self.spec.name, record.spec.name, 0))
        elif record.state in (ResourceState.STOPPED, ResourceState.FAILED):
            self.start_resource(record, at_ns)
        return False

    def start_resource(self, record: ResourceRecord, at_ns: int) -> None:
        """Tell the worker to start it."""
        record.begin("start", self._take_id(), at_ns)
        self._emit(StartResource(self.spec.name, record.spec.name, record.operation_id, self.epoch))

    def stop_resource(self, record: ResourceRecord, at_ns: int) -> None:
        """Tell the worker to stop it."""
        record.begin("stop", self._take_id(), at_ns)
        self._emit(StopResource(self.spec.name, record.spec.name, record.operation_id))

    def begin_stop(self, leaving: Leaving | None, at_ns: int) -> None:
        """Stop right to left; with ``leaving`` the Lease is released once all is stopped."""
        self.leaving = leaving
        self.state = GroupState.STOPPING
        self._advance_stop(at_ns)

    def _advance_stop(self, at_ns: int) -> None:
        for record in reversed(self.records.values()):
            if record.is_address:
                if record.spec.name in self._added:
                    self._close(tuple(reversed(self._neighbours(record.spec.name))), at_ns)
                if self._closing:
                    return
            elif record.must_stop and not self._is_left_to_guard and not self._bring_down(record, at_ns):
                return
        if not self.custody.prove_ended():
            return
        self.state = GroupState.MOVING if self.leaving and self.leaving.successor >= 0 else GroupState.STOPPED

    @property
    def _is_left_to_guard(self) -> bool:
        """Without a Lease it is the guard who ends an exclusive group, and nobody beside it."""
        return self.spec.exclusive and self.leaving is None

    def _bring_down(self, record: ResourceRecord, at_ns: int) -> bool:
        if record.state is ResourceState.STOPPED and not record.operation:
            return True
        if record.state is ResourceState.BLOCKED and self.spec.exclusive:
            self.custody.prove_ended()  # the guard does not ask, it kills
        elif record.state is ResourceState.BLOCKED:
            self.state = GroupState.BLOCKED
        elif record.operation != "stop":
            self.stop_resource(record, at_ns)
        return False

    def _neighbours(self, name: str) -> tuple[str, ...]:
        """The addresses that stand together with ``name`` in the order: closed in one transaction."""
        names = list(self.records)
        first = last = names.index(name)
        while first > 0 and self.records[names[first - 1]].is_address:
            first -= 1
        while last + 1 < len(names) and self.records[names[last + 1]].is_address:
            last += 1
        return tuple(n for n in names[first : last + 1] if n in self._added)

    def _close(self, names: tuple[str, ...], at_ns: int) -> None:
        self._closing = True
        self.opened.difference_update(names)
        self._added.difference_update(names)
        for name in names:
            self.records[name].set_state(ResourceState.STOPPED, "", at_ns)
        self._emit(CloseAddresses(self.spec.name, names))

    # The Lease goes

    def lose(self, at_ns: int) -> None:
        """The Lease is over: close everything at once, then stop what must not run without it."""
        self._closing = False
        self.close_all(at_ns)
        self.begin_stop(None, at_ns)

    def close_all(self, at_ns: int) -> None:
        """Close and remove every address of the group, also those that were only added."""
        if self.addresses:
            self._close(self.addresses, at_ns)
        self.sending = 0

    def let_go(self) -> Leaving | None:
        """After the stop: to whom the Lease is to be released, once."""
        leaving, self.leaving = self.leaving, None
        return leaving

    # What comes back

    def take_closed(self, event: AddressClosed, at_ns: int) -> None:
        """The kernel acknowledged a closing; a refusal is tried again by `retry_close`."""
        self._is_close_refused = not event.is_closed
        if event.is_closed:
            self._closing = False
            self.advance(at_ns)

    def retry_close(self, at_ns: int) -> None:
        """Ask again for a closing that the kernel refused."""
        if self._closing and self._is_close_refused:
            self.close_all(at_ns)

    def take_duplicate(self, event: DuplicateProbed, at_ns: int) -> None:
        """The network answered, or kept silent, about an address."""
        self._answers[event.resource] = event.mac
        self.advance(at_ns)

    def take_report(self, report: ResourceReported, at_ns: int) -> bool:
        """The worker reports; False if it was out of date."""
        record = self.records[report.resource]
        was_starting = record.operation == "start"
        if not record.take(report, at_ns):
            return False
        if was_starting and record.state is not ResourceState.RUNNING and self.state is GroupState.STARTING:
            self.failed = (Cause.START_FAILED, f"{record.spec.name}: {record.detail or 'did not start'}")
        self._end_block()
        self.advance(at_ns)
        return True

    def _end_block(self) -> None:
        """What could not be stopped is seen stopped: go on. Of exclusive groups only the guard proves it."""
        is_blocked = any(r.state is ResourceState.BLOCKED for r in self.records.values())
        if self.state is GroupState.BLOCKED and not is_blocked and not self.spec.exclusive:
            self.state = GroupState.STOPPING

    def take_guarded(self, at_ns: int) -> None:
        """The guard watches over the group: what waited for that may start."""
        self.custody.take_guarded()
        self.advance(at_ns)

    def take_ended(self, event: GroupEnded, at_ns: int) -> None:
        """The guard proved that nothing of the group runs here, or that it could not end it yet."""
        self.custody.take_ended(event)
        if not event.is_ended:
            self._stay_unproved()
            return
        for record in self.records.values():
            if record.must_stop:
                record.end(at_ns)
        if self.state is GroupState.BLOCKED:
            self.state = GroupState.STOPPING
        elif self.state in (GroupState.RUNNING, GroupState.DEGRADED):
            self.state = GroupState.STARTING  # ended behind our back: again, as soon as it is guarded again
        self.advance(at_ns)

    def _stay_unproved(self) -> None:
        members = [r for r in self.records.values() if r.must_stop]
        if not self.is_busy:
            return
        if self.custody.is_guard_gone and all(r.state is ResourceState.STOPPED for r in members):
            self.state, self.leaving = GroupState.STOPPED, None  # let go of, but never released
        else:
            self.state = GroupState.BLOCKED

    def end_stray(self, at_ns: int) -> None:
        """Something of an exclusive group runs without a Lease: the guard ends it."""
        self.custody.doubt()
        self.begin_stop(None, at_ns)

    def abandon_operations(self, at_ns: int) -> None:
        """The worker is gone and its outcomes with it: probe, then go on from what is found."""
        for record in self.records.values():
            if record.operation:
                record.operation, record.operation_id = "", 0
                record.set_state(ResourceState.UNKNOWN, "the worker died meanwhile", at_ns)
                self._emit(ProbeResource(self.spec.name, record.spec.name, 0))

    def clear_block(self, at_ns: int) -> bool:
        """An operator says that what could not be stopped is stopped; False if nothing was blocked."""
        blocked = [r for r in self.records.values() if r.state is ResourceState.BLOCKED]
        for record in blocked:
            record.set_state(ResourceState.STOPPED, "cleared by an operator", at_ns)
            record.stop_failed = False
        if self.state is GroupState.BLOCKED:
            self.state = GroupState.STOPPING
            self.advance(at_ns)
        return bool(blocked)

    def judge(self, has_candidate: bool) -> None:
        """RUNNING or DEGRADED, by the health of what belongs to the group."""
        if self.state not in (GroupState.RUNNING, GroupState.DEGRADED):
            return
        is_well = all(r.state is ResourceState.RUNNING for r in self.records.values())
        self.state = GroupState.RUNNING if is_well or has_candidate else GroupState.DEGRADED

    def _open_in_order(self) -> tuple[str, ...]:
        return tuple(name for name in self.addresses if name in self.opened)
