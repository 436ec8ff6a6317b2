"""One group's tenure on one Node: its Lease, its runner, and the decision to seek, keep or hand it over."""

from __future__ import annotations

from collections import deque

from ha_monitor.core import placement
from ha_monitor.core.actions import ArmWindow
from ha_monitor.core.adoption import Adoption
from ha_monitor.core.candidacy import NO_RELEASE, Candidacy
from ha_monitor.core.damping import History, HoldDown
from ha_monitor.core.events import WindowArmed
from ha_monitor.core.failback import FailbackWatch
from ha_monitor.core.farewells import Farewells
from ha_monitor.core.groups import GroupRunner, Leaving
from ha_monitor.core.hearsay import Hearsay
from ha_monitor.core.holding import Holding
from ha_monitor.core.leases import (
    Arm,
    Denied,
    Ended,
    LeaseSeeker,
    Output,
    Phase,
    Prepared,
    Renewed,
    Say,
    Won,
)
from ha_monitor.core.leaving import decide
from ha_monitor.core.nodes import Peer
from ha_monitor.core.quorum import NO_TARGET
from ha_monitor.core.situation import Situation
from ha_monitor.core.transitions import Passage, tell, tell_released_to_nobody
from ha_monitor.messages import (
    Accept,
    Answer,
    Asked,
    GroupReport,
    LeaseMessage,
    Promise,
    Refuse,
    Release,
)
from ha_monitor.model import (
    NO_BALLOT,
    REPORTER,
    Cause,
    Group,
    GroupState,
)

ROUNDS_MAX = 16  # of asking the own voter within one step; three are usual
UP = (GroupState.RUNNING, GroupState.DEGRADED)
BEFORE_ADDRESSES = (Phase.IDLE, Phase.ASKING, Phase.PREPARING)


class Tenure:
    """What this Node does about one group."""

    def __init__(self, situation: Situation, spec: Group, counter_floor: int, at_ns: int) -> None:
        self.situation = situation
        self.spec = spec
        config, me = situation.config, situation.me
        self.runner = GroupRunner(spec, at_ns, situation.emit, situation.take_id)
        self.seeker = LeaseSeeker(
            spec.name,
            me.index,
            situation.incarnation,
            [v.index for v in config.voters],
            config.timing,
            counter_floor,
            situation.numbers,
            config.hold_ns(spec),
            situation.votes.standing,
        )
        self.passage = Passage()
        self.links = placement.link_of_addresses(spec, me.addresses)
        self.history = History()
        self.hold_down = HoldDown()
        self.holding = Holding(situation, spec, self.history, self.hold_down, self.passage)
        self.margins: deque[tuple[int, int]] = deque(maxlen=128)  # (at, percent of the Lease left)
        self.failback = FailbackWatch(situation, spec)
        self.arming: int = 0  # sending number that the kernel was asked for
        self.candidacy = Candidacy(situation, spec, self.seeker, self.passage)
        self.farewells = Farewells(situation, spec, self.seeker)
        self.hearsay = Hearsay(situation, spec, self.seeker, self.passage, self.candidacy)
        self.adoption = Adoption()
        self._is_told = True

    # What happens

    def begin(self, at_ns: int) -> None:
        """At start: take up what this Node still holds a Lease for; close everything else."""
        if self.situation.me.is_witness:
            return
        self._remember_owner()
        held = self.situation.seat.held(self.spec.name, at_ns)
        if held is not None and held[0] == self.situation.me.index:
            ending_ns = self.spec.stop_within_ns if self.spec.exclusive else 0
            self.adoption.begin(at_ns, held[2], ending_ns)
            self.runner.note_former()
            self.candidacy.listen_first(False)
            self.passage.owner, self.passage.epoch = self.situation.me.name, held[1]
            self.situation.log(f"group {self.spec.name}: taking up the Lease that this Node still holds")
            self._take(self.seeker.reclaim(at_ns), at_ns)
        elif self.spec.exclusive and self.situation.me.name in self.spec.prefer:
            self.runner.lose(at_ns)  # nothing is sought before the guard has proved that nothing runs
        elif self.runner.addresses:
            self.runner.close_all(at_ns)

    def _remember_owner(self) -> None:
        """What the own voter granted last, in whatever life, says that this is no first start."""
        grant = self.situation.seat.memory(self.spec.name).accepted
        if grant is not None:
            self.passage.owner = self.situation.config.voters[grant.owner].name
            self.candidacy.listen_first()

    def is_seeking(self, at_ns: int) -> bool:
        """Whether this Node holds the Lease, or is about to: then nothing of it that runs is a stray."""
        return self.adoption.is_under_way(at_ns) or self.seeker.phase is not Phase.IDLE

    def expire(self, at_ns: int) -> None:
        """Run what is due on the Lease; before anything else in a step."""
        if self.seeker.deadline_ns is not None and at_ns >= self.seeker.deadline_ns:
            self._take(self.seeker.expire(at_ns), at_ns)

    def beat(self, at_ns: int) -> None:
        """Once per interval: renew, or ask again."""
        self.arming = 0
        self.farewells.repeat()
        self.runner.retry_close(at_ns)
        self._take(self.seeker.beat(at_ns), at_ns)
        if self.runner.is_owner and self.seeker.phase is Phase.HELD:
            is_up = self.runner.state in UP
            self.history.see(
                self.situation.me.name, self.seeker.ballot, is_up, self.hearsay.cause(at_ns), at_ns
            )
            self.hold_down.see(is_up, at_ns)
        self.holding.look(at_ns)

    def take_armed(self, event: WindowArmed, at_ns: int) -> None:
        """The kernel answered."""
        if event.sending == self.arming:
            self.arming = 0
        self._take(self.seeker.armed(event.sending, event.is_armed, at_ns), at_ns)

    def take_answer(self, sender: int, message: Asked | Promise | Accept | Refuse, at_ns: int) -> None:
        """A voter answered."""
        self._take(self.seeker.receive(sender, message, at_ns), at_ns)
        if isinstance(message, Asked) and message.answer is Answer.HELD:
            self.hearsay.hear_of_fenced(message.epoch, at_ns)
            self.hearsay.hear_of_owner(message)

    def see_release(self, peer: Peer, message: Release, at_ns: int) -> None:
        """Another Node, or its guard, let go."""
        self.seeker.hear_release(message.ballot)
        if self.passage.epoch > message.ballot:
            return  # of an earlier tenure, replayed
        self.passage.see_release(peer.voter.name, message.cause, at_ns)
        self.history.see_end(peer.voter.name, message.ballot, message.cause, at_ns)
        self.candidacy.successor_named = message.successor
        self.candidacy.open_since_ns = 0
        self.seeker.ask_again_ns = 0  # what voters refused before is out of date

    def see_fenced(self, at_ns: int) -> None:
        """A life is over: what voters hold for it ends like after a RELEASE, told with the next ASK."""
        self.hearsay.see_fenced(at_ns)
        self.seeker.pass_unheard()

    def see_report(self, peer: Peer, report: GroupReport, at_ns: int) -> None:
        """Another Node says how it stands to the group."""
        self.holding.take(report.hold, at_ns)
        if report.epoch == NO_BALLOT:
            return
        self.seeker.hear_ballot(report.epoch)
        if report.epoch < self.passage.epoch:
            return
        is_stopping, cause = report.state is GroupState.STOPPING, self.hearsay.cause(at_ns)
        self.passage.see_owner(peer.voter.name, report.epoch, at_ns, is_stopping)
        if self.adoption.is_under_way(at_ns):  # too late: another Node has it, and here all is still open
            self._lose(Cause.HIGHER_EPOCH, at_ns)
        self.history.see(peer.voter.name, report.epoch, report.state in UP, cause, at_ns)
        self.candidacy.successor_named = NO_RELEASE
        if self.runner.state is GroupState.MOVING:
            self.runner.state = GroupState.STOPPED
        self._take(self.seeker.hear_higher(report.epoch, peer.voter.index), at_ns)

    # The Lease's outputs

    def _take(self, outputs: list[Output], at_ns: int) -> None:
        rounds = 0
        while outputs:
            rounds += 1
            assert rounds < ROUNDS_MAX, f"group {self.spec.name}: the own voter is asked without end"
            more: list[Output] = []
            for output in outputs:
                more.extend(self._take_one(output, at_ns))
            outputs = more

    def _take_one(self, output: Output, at_ns: int) -> list[Output]:
        match output:
            case Say(voter, message):
                return self._say(voter, message, at_ns)
            case Arm(sending, timeout_ns):
                return self._arm(sending, timeout_ns, at_ns)
            case Prepared():
                self.hearsay.learn_of_former_life(at_ns)
                self.runner.prepare(self.adoption.is_under_way(at_ns))
                return self.seeker.resume(at_ns)
            case Won(ballot, sending, end_ns):
                self.passage.won_ns = at_ns
                self._is_told = False
                self.adoption.win(at_ns)
                self.hold_down.end()
                self.history.see(self.situation.me.name, ballot, False, self.hearsay.cause(at_ns), at_ns)
                self.runner.win(ballot, sending, end_ns, at_ns)
            case Renewed(ballot, sending, end_ns, margin_ns):
                self.margins.append((at_ns, 100 * margin_ns // self.situation.config.timing.lease_ns))
                self.runner.renew(ballot, sending, end_ns)
            case Ended(cause):
                self._lose(cause, at_ns)
            case Denied():
                pass  # the seeker says when to ask again
        return []

    def _say(self, voter: int, message: LeaseMessage, at_ns: int) -> list[Output]:
        me = self.situation.me.index
        if voter != me:
            self.situation.say[voter].append(message)
            return []
        assert not isinstance(message, Asked | Promise | Accept | Refuse), "a seeker only asks"
        answer = self.situation.seat.answer(me, message, at_ns)
        return self.seeker.receive(me, answer, at_ns) if answer is not None else []

    def _arm(self, sending: int, timeout_ns: int, at_ns: int) -> list[Output]:
        if not self.runner.addresses:
            return self.seeker.armed(sending, True, at_ns)  # nothing for the kernel to enforce
        self.arming = sending
        self.situation.emit(ArmWindow(self.spec.name, sending, timeout_ns))
        return []

    def _lose(self, cause: Cause, at_ns: int) -> None:
        if self.runner.is_owner and self.spec.name != REPORTER:
            self.situation.log(f"group {self.spec.name}: closed here ({cause.value})", "warning")
            self.history.see_end(self.situation.me.name, self.runner.epoch, cause, at_ns)
        self.adoption.end()
        self._is_told = True
        self.passage.released_cause = None
        if self.runner.is_owner:
            self.passage.end_here(at_ns)
        self.runner.lose(at_ns)

    # Decisions

    def place(self, at_ns: int) -> None:
        """Seek, keep, hand over or finish handing over, as things stand now."""
        self._close_leftovers(at_ns)
        self.candidacy.note_openness(at_ns)
        self._finish_stop(at_ns)
        is_proved = self.runner.custody.is_ended and not self.runner.is_owner
        if self.seeker.lost and self.spec.exclusive and is_proved:
            self.farewells.release_lost(at_ns)
        if self.runner.failed is not None and self.runner.state is GroupState.STARTING:
            self._give_up_start(at_ns)
        reason = self.ineligible(at_ns) if self.runner.is_owner else ""
        stays = self.holding.keeps_here(reason, self.runner.retry_ns, at_ns)
        self.runner.judge(bool(self.candidates()) and not stays)
        self._tell_when_up(at_ns)
        if self.seeker.phase is Phase.IDLE:
            if self._may_seek(at_ns):
                self.passage.seek_ns = at_ns
                self.hearsay.recall_own_vote()
                self._take(self.seeker.seek(at_ns), at_ns)
        elif self.seeker.phase is Phase.HELD:
            if not stays:
                self._consider_leaving(at_ns)
        elif self._is_out_of_the_question(at_ns):
            self._take(self.seeker.give_up(at_ns), at_ns)

    def _close_leftovers(self, at_ns: int) -> None:
        """Addresses of a bid that failed, or of a former core's Lease that nobody renewed in time."""
        is_waiting = self.seeker.phase in BEFORE_ADDRESSES and at_ns >= self.adoption.serves_until_ns
        if is_waiting and self.runner.has_leftovers:
            self.runner.close_all(at_ns)

    def _may_seek(self, at_ns: int) -> bool:
        if self.runner.is_busy or self.holding.keeps_away(at_ns):
            return False
        return self.candidacy.may_seek(at_ns) and self._may_serve(at_ns)

    def _is_out_of_the_question(self, at_ns: int) -> bool:
        return not self.adoption.is_under_way(at_ns) and not self._may_serve(at_ns)

    def _may_serve(self, at_ns: int) -> bool:
        """Eligible, or as good as every other Node that is here: none of them reaches a ping target."""
        reason = self.ineligible(at_ns)
        return not reason or (reason == NO_TARGET and self.situation.is_common(self.spec.name, reason, at_ns))

    def ineligible(self, at_ns: int) -> str:
        """Why this Node should not serve the group, "" if it may."""
        if self.spec.name == REPORTER:
            return "stopping" if self.situation.is_stopping else ""
        is_owner = self.runner.is_owner or self.adoption.is_under_way(at_ns)
        # Whom nobody could stand in for stands back for a moment only.
        is_alone = self.holding.is_frozen_here or not self.candidates()
        health = self.situation.health(self.hold_down.reason_at(at_ns, is_alone), is_owner, at_ns)
        reason = placement.ineligible_reason(self.spec, self.runner.records, health, self.links)
        return reason or self.situation.votes.unfit_reason(is_owner, at_ns)

    def candidates(self) -> list[Peer]:
        """Other Nodes that could take the group now, best first."""
        return placement.eligible_peers(self.spec, self.situation.node_peers)

    def _consider_leaving(self, at_ns: int) -> None:
        departure = decide(self, at_ns)
        if departure is None:
            return
        if departure.failed_here:
            self.hold_down.note(departure.failed_here, at_ns)
        self.hand_over(departure.successor, departure.cause, at_ns)

    def hand_over(self, successor: Peer | None, cause: Cause, at_ns: int) -> None:
        """Stop here, then release to the successor."""
        name = successor.voter.name if successor else "nobody"
        if self.spec.name != REPORTER:
            self.situation.log(f"group {self.spec.name}: handing over to {name} ({cause.value})")
        index = successor.voter.index if successor else -1
        self.failback.better_since_ns = 0
        self.passage.end_here(at_ns)
        self.runner.begin_stop(Leaving(index, cause), at_ns)
        self._finish_stop(at_ns)

    def _finish_stop(self, at_ns: int) -> None:
        if self.runner.is_owner or self.seeker.phase is not Phase.HELD:
            return
        leaving = self.runner.let_go()
        if leaving is None:
            if not self.runner.custody.is_ended:
                self.situation.log(f"group {self.spec.name}: let go of unproved, not released", "warning")
                self.seeker.abandon()
            return
        ballot = self.seeker.ballot
        self.farewells.repeat_later(leaving)
        self._take(self.seeker.release(leaving.successor, leaving.cause, at_ns), at_ns)
        self.history.see_end(self.situation.me.name, ballot, leaving.cause, at_ns)
        self.adoption.end()
        self.candidacy.successor_named = leaving.successor
        if leaving.successor < 0 and self.spec.name != REPORTER:
            name = self.situation.me.name
            self.situation.emit(tell_released_to_nobody(self.spec.name, name, leaving.cause, ballot))

    def _give_up_start(self, at_ns: int) -> None:
        assert self.runner.failed is not None
        cause, why = self.runner.failed
        self.situation.log(f"group {self.spec.name}: start failed ({why})", "error")
        self.hold_down.note(f"start failed: {why}", at_ns)
        self._is_told = True
        # A stranger that has the address has it for every Node: no use to send the group round.
        successor = self.holding.heir(self.candidates()) if cause is Cause.START_FAILED else None
        self.hand_over(successor, cause, at_ns)

    def _tell_when_up(self, at_ns: int) -> None:
        if self._is_told or self.runner.state not in UP:
            return
        self._is_told = True
        name = self.situation.me.name
        passage, epoch = self.passage, self.runner.epoch
        was_untouched = self.adoption.was_untouched()
        cause = self.hearsay.cause(at_ns)
        self.failback.is_placed_by_operator = cause is Cause.SWITCHOVER_ORDERED
        if self.spec.name != REPORTER:
            if was_untouched:
                self.situation.log(f"group {self.spec.name}: taken up again, service not touched")
            else:
                self.situation.emit(tell(self.spec.name, name, passage, cause, epoch, at_ns))
        passage.see_owner(name, epoch, at_ns, False)
        self.candidacy.successor_named = NO_RELEASE

    # Reports

    def report(self, at_ns: int) -> GroupReport:
        """What this Node says of the group on every packet."""
        reason = self.ineligible(at_ns) if not self.situation.me.is_witness else "witness"
        if not reason and self.situation.me.name not in self.spec.prefer:
            reason = "not in prefer"
        is_held = self.seeker.phase is Phase.HELD
        return GroupReport(
            group=self.spec.name,
            state=self.runner.state,
            epoch=self.seeker.ballot if is_held else NO_BALLOT,
            is_eligible=not reason and not self.runner.is_busy,
            reason=reason,
            is_open=bool(self.runner.opened),
            hold=self.holding.note,
        )

    def goodbye(self) -> tuple[Release, ...]:
        """What the guard may say once this core is reaped and its addresses are closed."""
        has_more = any(r.must_stop for r in self.runner.records.values())
        return self.farewells.by_proxy(self.candidates(), has_more)

    def deadline_ns(self, at_ns: int) -> int | None:
        """When this group next needs a step, None if only events can change something."""
        times = [self.seeker.deadline_ns]
        if self.adoption.serves_until_ns > at_ns:
            times.append(self.adoption.serves_until_ns)
        if self.seeker.phase is Phase.IDLE:
            times.append(self.candidacy.deadline_ns(at_ns))
        elif at_ns < self.situation.carriers_told_ns:
            times.append(self.situation.carriers_told_ns)
        return min((t for t in times if t is not None), default=None)
