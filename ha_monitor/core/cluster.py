"""The decision core of one voter: takes in one event, returns what must now be done, in that order.

Never waits, sends, reads a clock or draws a random number. The order within a step is a rule of
the Lease (docs/lease.md): what is due on the own Lease first, then the event, then the beat, then
judgements about others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ha_monitor.core import events as ev
from ha_monitor.core.actions import (
    Action,
    Announce,
    Exit,
    PrepareGoodbye,
    RepairAddress,
    SaveEpoch,
    SaveMaintenance,
    SaveStandby,
    SaveVoterState,
)
from ha_monitor.core.fencing import Fences
from ha_monitor.core.hearing import Hearing
from ha_monitor.core.placement import reporter_group
from ha_monitor.core.report import make_view
from ha_monitor.core.situation import Situation
from ha_monitor.core.speech import Speech
from ha_monitor.core.switches import Switches
from ha_monitor.core.tenure import Tenure
from ha_monitor.core.upkeep import keep_resources
from ha_monitor.core.voter import VoterSeat
from ha_monitor.messages import (
    MaintenanceNote,
    TransitionNote,
)
from ha_monitor.model import REPORTER, Cause, ClusterConfig
from ha_monitor.timebase import SECOND
from ha_monitor.view import View

TELL_UNSAVED_EVERY_NS = 10 * SECOND
COUNTER_SAVED_EVERY = 1024  # ballots between two writes of the highest counter


class ClusterCore:
    """Decides for one voter: a Node, or the Witness."""

    def __init__(
        self,
        config: ClusterConfig,
        self_index: int,
        incarnation: int,
        started_at_ns: int,
        seat: VoterSeat,
        counter_floor: int = 0,
        standby: bool = False,
        maintenance: MaintenanceNote | None = None,
        version: str = "",
    ) -> None:
        self.situation = Situation(config, self_index, incarnation, seat, started_at_ns)
        self.situation.is_standby = standby
        if maintenance is not None:
            self.situation.take_maintenance(maintenance, started_at_ns)
        groups = (*config.groups, reporter_group(config, REPORTER))
        self.tenures = {g.name: Tenure(self.situation, g, counter_floor, started_at_ns) for g in groups}
        self.switches = Switches(self.situation, self.tenures)
        self.speech = Speech(self.situation, self.tenures, self.switches, version)
        self.fences = Fences(self.situation, self.tenures)
        self.hearing = Hearing(
            self.situation,
            self.tenures,
            self.switches,
            self.speech,
            self.fences,
            self._keep_transition,
            self._reappeared,
        )
        self.transitions: dict[str, TransitionNote] = {}  # latest of each group
        self.duplicates: dict[str, str] = {}
        self.competing: dict[str, int] = {}
        self.reporter_changes = 0
        self.is_stopped = False
        self._next_beat_ns = started_at_ns
        self._has_begun = False
        self._is_unsaved = False
        self._tell_unsaved_from_ns = 0
        self._saved_counter = counter_floor
        self._reporter = ""

    # The step

    def step(self, event: ev.Event, at_ns: int) -> tuple[Action, ...]:
        """Take in one event at ``at_ns`` on the Lease clock; return what must now be done, in order."""
        if self.is_stopped:
            return ()
        situation = self.situation
        situation.out = []
        if not self._has_begun:
            self._begin(at_ns)
        self._note_stall(event, at_ns)
        situation.votes.look(at_ns)
        for tenure in self.tenures.values():
            tenure.expire(at_ns)
        if self._is_unsaved and not isinstance(event, ev.VoterStateSaved):
            # Once more: nothing built on it may be said before it is written. Not in the step of a refusal,
            # which would be followed by the next one at once, for ever.
            self._is_unsaved, situation.seat.is_dirty = False, True
        self._HANDLERS[type(event)](self, event, at_ns)
        situation.votes.look(at_ns)
        if at_ns >= self._next_beat_ns:
            self._beat(at_ns)
        situation.look_at_peers(at_ns)
        self.fences.look(at_ns)
        for tenure in self.tenures.values():
            tenure.place(at_ns)
        self._finish_stopping(at_ns)
        self.speech.flush(at_ns)
        return self._take_actions()

    @property
    def next_deadline_ns(self) -> int:
        """When `step` must be called at the latest, with DeadlinePassed if nothing else came."""
        at_ns = self._stepped_at_ns
        times = [t for tenure in self.tenures.values() if (t := tenure.deadline_ns(at_ns)) is not None]
        return min([self._next_beat_ns, *(t for t in times if t > at_ns)])

    _stepped_at_ns = 0

    def view(self, at_ns: int) -> View:
        """The published picture at ``at_ns``; without what only the shell knows."""
        return make_view(self, at_ns)

    def _begin(self, at_ns: int) -> None:
        self._has_begun = True
        for tenure in self.tenures.values():
            tenure.begin(at_ns)

    def _take_actions(self) -> tuple[Action, ...]:
        out = self.situation.out
        seat = self.situation.seat
        if seat.is_dirty:
            # Before any answer built on it leaves, and before anything is opened on its strength.
            out.insert(0, SaveVoterState(seat.dump()))
        counter = max(t.seeker.counter for t in self.tenures.values())
        if counter >= self._saved_counter + COUNTER_SAVED_EVERY or (counter and not self._saved_counter):
            self._saved_counter = counter
            out.append(SaveEpoch(counter))
        return tuple(out)

    def _note_stall(self, event: ev.Event, at_ns: int) -> None:
        situation = self.situation
        due_ns = self.next_deadline_ns if self._stepped_at_ns else at_ns
        self._stepped_at_ns = max(self._stepped_at_ns, at_ns)
        situation.note_stall(due_ns, at_ns)

    # Beats and packets

    def _beat(self, at_ns: int) -> None:
        interval = self.situation.config.timing.interval_ns
        self._next_beat_ns += interval
        if self._next_beat_ns <= at_ns:
            self._next_beat_ns = at_ns + interval  # beats missed in a stall are not made up for
        self.speech.is_beat_due = True
        self.speech.forget_old(at_ns)
        self.switches.forget_old(at_ns)
        for tenure in self.tenures.values():
            tenure.beat(at_ns)
            keep_resources(self.situation, tenure.runner, tenure.is_seeking(at_ns), at_ns)
        self._watch_reporter()

    # What is heard

    def _heartbeat_received(self, event: ev.HeartbeatReceived, at_ns: int) -> None:
        self.hearing.take(event, at_ns)

    def _reappeared(self, at_ns: int) -> None:
        """Somebody is heard again: whoever was cut off with it may have a stale neighbour entry."""
        for tenure in self.tenures.values():
            if tenure.runner.opened:
                self._announce(tenure)
        notes = [note for note in self.transitions.values() if note.node_to == self.situation.me.name]
        self.speech.spread(notes, at_ns)

    def _announce(self, tenure: Tenure) -> None:
        names = tuple(n for n in tenure.runner.addresses if n in tenure.runner.opened)
        self.situation.emit(Announce(tenure.spec.name, names))

    def _peer_refused(self, event: ev.PeerRefused, at_ns: int) -> None:
        """A hint only, unauthenticated: it changes nothing by itself."""

    def _deadline_passed(self, event: ev.DeadlinePassed, at_ns: int) -> None:
        """What is due is done in every step."""

    # The kernel

    def _window_armed(self, event: ev.WindowArmed, at_ns: int) -> None:
        self.tenures[event.group].take_armed(event, at_ns)

    def _voter_state_saved(self, event: ev.VoterStateSaved, at_ns: int) -> None:
        if event.is_saved:
            return
        self._is_unsaved = True
        if at_ns >= self._tell_unsaved_from_ns:
            self._tell_unsaved_from_ns = at_ns + TELL_UNSAVED_EVERY_NS
            self.situation.log("the voter's state cannot be written: after a restart it abstains", "error")

    def _address_closed(self, event: ev.AddressClosed, at_ns: int) -> None:
        if not event.is_closed:
            self.situation.log(f"group {event.group}: the kernel refused to close its addresses", "error")
        self.tenures[event.group].runner.take_closed(event, at_ns)

    def _duplicate_probed(self, event: ev.DuplicateProbed, at_ns: int) -> None:
        if event.mac:
            self.duplicates[event.resource] = event.mac
            self.situation.log(f"address {event.resource}: {event.mac} answers for it, not claimed", "error")
        else:
            self.duplicates.pop(event.resource, None)
        self.tenures[event.group].runner.take_duplicate(event, at_ns)

    def _competing_claim_heard(self, event: ev.CompetingClaimHeard, at_ns: int) -> None:
        count = self.competing[event.resource] = self.competing.get(event.resource, 0) + 1
        if count == 1:
            self.situation.log(f"address {event.resource}: {event.mac} claims it too", "error")
        tenure = self._tenure_of(event.resource)
        if tenure is not None and event.resource in tenure.runner.opened:
            self._announce(tenure)

    def _address_removed(self, event: ev.AddressRemoved, at_ns: int) -> None:
        tenure = self._tenure_of(event.resource)
        if tenure is not None and event.resource in tenure.runner.opened:
            self.situation.log(f"address {event.resource}: removed by something else, put back", "warning")
            self.situation.emit(RepairAddress(tenure.spec.name, event.resource))

    def _carrier_changed(self, event: ev.CarrierChanged, at_ns: int) -> None:
        word = "regained" if event.has_carrier else "lost"
        self.situation.log(
            f"device of {', '.join((event.link, *event.resources)).strip(', ')}: carrier {word}"
        )
        self.speech.is_beat_due = True  # who lost it in the same moment shall know
        if event.has_carrier:
            self.situation.lost_carrier.difference_update(event.resources)
            for name in event.resources:
                tenure = self._tenure_of(name)
                if tenure is not None and tenure.runner.opened:
                    self._announce(tenure)
        else:
            self.situation.lose_carrier(event.resources, at_ns)

    def _protection_changed(self, event: ev.ProtectionChanged, at_ns: int) -> None:
        if (event.level, event.detail) != self.situation.protection:
            self.situation.log(f"protection: level {event.level} {event.detail}".rstrip(), "warning")
        self.situation.protection = (event.level, event.detail)

    def _tenure_of(self, resource: str) -> Tenure | None:
        return next((t for t in self.tenures.values() if resource in t.runner.records), None)

    # Resources

    def _resource_reported(self, event: ev.ResourceReported, at_ns: int) -> None:
        tenure = self.tenures[event.group]
        record = tenure.runner.records[event.resource]
        before = record.state
        if tenure.runner.take_report(event, at_ns) and record.state is not before:
            detail = f" ({record.detail})" if record.detail else ""
            self.situation.log(f"resource {event.resource}: {before.name} -> {record.state.name}{detail}")

    def _group_guarded(self, event: ev.GroupGuarded, at_ns: int) -> None:
        self.tenures[event.group].runner.take_guarded(at_ns)

    def _group_ended(self, event: ev.GroupEnded, at_ns: int) -> None:
        runner = self.tenures[event.group].runner
        if not event.is_ended:
            self.situation.log(f"group {event.group}: not proved ended: {event.detail}", "error")
        runner.take_ended(event, at_ns)

    def _worker_lost(self, event: ev.WorkerLost, at_ns: int) -> None:
        self.situation.log("the worker is gone: Resource states stand as last seen", "warning")
        self._void_orders(at_ns)

    def _worker_started(self, event: ev.WorkerStarted, at_ns: int) -> None:
        self._void_orders(at_ns)

    def _void_orders(self, at_ns: int) -> None:
        """What the worker was told, nobody tells the outcome of."""
        self.fences.lose_worker(at_ns)
        for tenure in self.tenures.values():
            tenure.runner.abandon_operations(at_ns)

    # Fences and ping targets

    def _fence_told(self, event: ev.Event, at_ns: int) -> None:
        self.fences.take(event, at_ns)

    def _targets_pinged(self, event: ev.TargetsPinged, at_ns: int) -> None:
        self.situation.votes.take_targets(event, self.situation.log, at_ns)

    # Orders

    def _switch_ordered(self, event: ev.SwitchOrdered, at_ns: int) -> None:
        self.switches.order(event, at_ns)

    def _standby_ordered(self, event: ev.StandbyOrdered, at_ns: int) -> None:
        if event.is_standby != self.situation.is_standby:
            self.situation.log(f"standby {'on' if event.is_standby else 'off'}, by {event.who}")
            self.situation.is_standby = event.is_standby
            self.situation.emit(SaveStandby(event.is_standby))
            self.speech.is_beat_due = True

    def _maintenance_ordered(self, event: ev.MaintenanceOrdered, at_ns: int) -> None:
        note = event.note
        numbered = MaintenanceNote(
            self.situation.maintenance.number + 1, note.remaining_ns, note.why, note.who
        )
        self.situation.take_maintenance(numbered, at_ns)
        self.situation.emit(SaveMaintenance(numbered))
        self.speech.is_beat_due = True

    def _failback_window_changed(self, event: ev.FailbackWindowChanged, at_ns: int) -> None:
        self.situation.failback_open[event.group] = event.is_open

    def _block_cleared(self, event: ev.BlockCleared, at_ns: int) -> None:
        tenure = self.tenures[event.group]
        if tenure.runner.clear_block(at_ns):
            self.situation.log(f"group {event.group}: block cleared by {event.who}", "warning")
        if tenure.holding.clear(at_ns, event.who):
            self.speech.is_beat_due = True

    def _stop_ordered(self, event: ev.StopOrdered, at_ns: int) -> None:
        if not event.hands_over:
            # A planned restart lets go of nothing: the next core takes it up within the Lease.
            self.is_stopped = True
            self.situation.emit(Exit(0))
            return
        self.situation.is_stopping = True
        self.situation.stop_cause = Cause(event.cause)
        self.speech.is_beat_due = True

    def _finish_stopping(self, at_ns: int) -> None:
        if not self.situation.is_stopping or self.is_stopped:
            return
        if any(t.runner.is_owner or t.seeker.ballot.counter for t in self.tenures.values()):
            return
        self.is_stopped = True
        self.speech.is_beat_due = True
        self.situation.votes.say_goodbye(at_ns)
        self.speech.flush(at_ns, is_last=True)
        self.situation.emit(PrepareGoodbye(()))
        self.situation.emit(Exit(0))

    # Transitions

    def _transition_stamped(self, event: ev.TransitionStamped, at_ns: int) -> None:
        self._keep_transition(event.note)
        self.speech.spread((event.note,), at_ns)

    def _keep_transition(self, note: TransitionNote) -> None:
        known = self.transitions.get(note.group)
        if note.group in self.tenures and (known is None or note.at_ns >= known.at_ns):
            self.transitions[note.group] = note

    def _watch_reporter(self) -> None:
        owner = self.tenures[REPORTER].passage.owner
        if owner != self._reporter and self._reporter:
            self.reporter_changes += 1
        self._reporter = owner

    _HANDLERS: Mapping[type, Callable[..., None]] = {
        ev.DeadlinePassed: _deadline_passed,
        ev.HeartbeatReceived: _heartbeat_received,
        ev.PeerRefused: _peer_refused,
        ev.WindowArmed: _window_armed,
        ev.VoterStateSaved: _voter_state_saved,
        ev.AddressClosed: _address_closed,
        ev.DuplicateProbed: _duplicate_probed,
        ev.CompetingClaimHeard: _competing_claim_heard,
        ev.AddressRemoved: _address_removed,
        ev.CarrierChanged: _carrier_changed,
        ev.ProtectionChanged: _protection_changed,
        ev.ResourceReported: _resource_reported,
        ev.GroupGuarded: _group_guarded,
        ev.GroupEnded: _group_ended,
        ev.WorkerLost: _worker_lost,
        ev.WorkerStarted: _worker_started,
        ev.SwitchOrdered: _switch_ordered,
        ev.StandbyOrdered: _standby_ordered,
        ev.MaintenanceOrdered: _maintenance_ordered,
        ev.FailbackWindowChanged: _failback_window_changed,
        ev.BlockCleared: _block_cleared,
        ev.StopOrdered: _stop_ordered,
        ev.TransitionStamped: _transition_stamped,
        ev.FenceEnded: _fence_told,
        ev.FenceOrdered: _fence_told,
        ev.FenceConfirmed: _fence_told,
        ev.FenceTested: _fence_told,
        ev.TargetsPinged: _targets_pinged,
    }
