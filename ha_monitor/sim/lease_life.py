"""One life of a core in the Lease-only world: a voter's seat, a seeker, and a stall between any two steps.

A minimal Node around the real VoterSeat and LeaseSeeker. It takes an item from its inbox, reads the clock,
lets the seeker or the seat decide, and carries the outputs out one by one. Between any two of these steps
it may stand still for long.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
from ha_monitor.core.voter import VoterSeat
from ha_monitor.messages import (
    Ask,
    LeaseMessage,
    Prepare,
    Propose,
    Release,
)
from ha_monitor.model import NO_BALLOT, Ballot, Cause

if TYPE_CHECKING:
    from ha_monitor.sim.lease_host import Host

GROUP = "www"
INBOX_MAX = 64


@dataclass(frozen=True)
class Claim:
    """What a heartbeat says of a won Lease."""

    epoch: Ballot


@dataclass(frozen=True)
class Packet:
    """A message on its way."""

    sender: int
    message: LeaseMessage | Claim


@dataclass(frozen=True)
class SwitchOrder:
    """An operator wants the group on another Node; -1: on any."""

    successor: int


Item = Packet | SwitchOrder | str  # a string names a timer
Step = Callable[[], None]


class Life:
    """One process life. ``seeker`` is None on a Witness."""

    def __init__(self, host: Host, seat: VoterSeat, seeker: LeaseSeeker | None) -> None:
        self.host = host
        self.world = host.world
        self.seat = seat
        self.seeker = seeker
        self.is_alive = True
        self.stalled_until_ns = 0  # true time
        self.beaten_ns = self.world.agenda.now_ns  # true time of the last beat
        self.waited_since_ns = 0  # own clock when the inbox was last found empty
        self._inbox: deque[Item] = deque()
        self._todo: deque[Step] = deque()
        self._is_planned = False
        self._planned_due_ns = 0
        self._epoch = NO_BALLOT

    # -- the loop --

    def post(self, item: Item) -> None:
        """A packet or a timer arrives; beyond the bound it is lost, as in a full socket."""
        if (
            not self.is_alive
            or len(self._inbox) >= INBOX_MAX
            or (isinstance(item, str) and item in self._inbox)
        ):
            return
        self._inbox.append(item)
        self._plan()

    def stall(self, length_ns: int) -> None:
        """Stand still from now on; the kernel's timers go on."""
        self.stalled_until_ns = max(self.stalled_until_ns, self.world.agenda.now_ns + length_ns)

    def later(self, step: Step) -> None:
        """One more step, with room for a stall before it."""
        self._todo.append(step)

    def wake(self) -> None:
        """Go on, from where it stands."""
        self.stalled_until_ns = min(self.stalled_until_ns, self.world.agenda.now_ns)
        self._is_planned = False
        self._plan()

    def _plan(self) -> None:
        if not self._is_planned:
            self._is_planned = True
            self.world.agenda.at(self.stalled_until_ns, self._run)

    def _run(self) -> None:
        self._is_planned = False
        while self._may_step():
            if self._todo:
                self._todo.popleft()()
            elif self._inbox:
                item = self._inbox.popleft()
                self._todo.append(lambda item=item: self._take(item))  # type: ignore[misc]
            else:
                self.waited_since_ns = self.now_ns()
                return
            self.world.check()
            self.world.draws_stall(self)
        if self.is_alive:
            self._plan()

    def _may_step(self) -> bool:
        return self.is_alive and self.stalled_until_ns <= self.world.agenda.now_ns

    def now_ns(self) -> int:
        """The own Lease clock."""
        return self.host.clock.own_ns(self.world.agenda.now_ns)

    def _take(self, item: Item) -> None:
        if item == "beat":
            self._beat()
        elif item == "seek":
            self._do_all(self._seek())
        elif item == "due" and self.seeker is not None:
            self._do_all(self.seeker.expire(self.now_ns()))
        elif isinstance(item, SwitchOrder):
            self._switch(item.successor)
        elif isinstance(item, Packet):
            self._take_packet(item)
        self._plan_deadline()

    def _plan_deadline(self) -> None:
        due_ns = self.seeker.deadline_ns if self.seeker is not None else None
        if due_ns is not None and due_ns != self._planned_due_ns:
            self._planned_due_ns = due_ns
            self.world.agenda.at(self.host.clock.true_ns(due_ns), lambda: self.post("due"))

    # -- packets --

    def _take_packet(self, packet: Packet) -> None:
        at_ns, message = self.world.plant.packet_ns(self), packet.message
        if isinstance(message, Claim):
            self._hear_claim(message, packet.sender, at_ns)
        elif isinstance(message, Ask | Prepare | Propose | Release):
            self._vote(packet.sender, message, at_ns)
        elif self.seeker is not None:
            self._do_all(self.seeker.receive(packet.sender, message, self.now_ns()))

    def _hear_claim(self, claim: Claim, sender: int, at_ns: int) -> None:
        self.seat.hear_ballot(GROUP, claim.epoch, at_ns)
        if self.seeker is not None:
            self._do_all(self.seeker.expire(at_ns) + self.seeker.hear_higher(claim.epoch, sender))

    def _vote(self, sender: int, message: LeaseMessage, at_ns: int) -> None:
        reply = self.seat.answer(sender, message, at_ns)
        if self.seat.is_dirty:
            self._todo.append(self._save)
        if isinstance(message, Release) and self.seeker is not None:
            self.seeker.hear_release(message.ballot)
            if message.successor in {self.host.index, -1} and sender != self.host.index:
                self._todo.append(lambda: self._do_all(self._seek()))
        if reply is not None:
            self._todo.append(lambda: self._send(sender, reply))

    def _save(self) -> None:
        self.seat.is_dirty = False
        self.host.saved = copy.copy(self.seat)
        self.host.saved._groups = dict(self.seat._groups)

    def _send(self, target: int, message: LeaseMessage | Claim) -> None:
        packet = Packet(self.host.index, message)
        if target == self.host.index:
            self._take_packet(packet)
        else:
            self.world.network.send(self.host.index, target, "lan", packet)

    # -- the seeker's wishes --

    def _beat(self) -> None:
        self.beaten_ns = self.world.agenda.now_ns
        if self.seeker is None:
            return
        self._do_all(self.seeker.beat(self.now_ns()))
        if self.seeker.phase is Phase.HELD:
            claim = Claim(self.seeker.ballot)
            for target in self.seeker.voters:
                if target != self.host.index:
                    self._todo.append(lambda target=target: self._send(target, claim))  # type: ignore[misc]
        self._do_all(self._seek())

    def _seek(self) -> list[Output]:
        assert self.seeker is not None, "a Witness never seeks"
        at_ns = self.now_ns()
        held = self.seat.held(GROUP, at_ns)
        is_free = held is None or held[0] == self.host.index
        if self.seeker.phase is not Phase.IDLE:
            return []
        if is_free and at_ns >= self.seeker.ask_again_ns:
            return self.seeker.seek(at_ns)
        wait_ns = max(self.seeker.ask_again_ns, at_ns + held[2] if held and not is_free else 0)
        if wait_ns - at_ns <= self.seeker.timing.interval_ns:  # later ones are found at a later beat
            self.world.agenda.at(self.host.clock.true_ns(wait_ns), lambda: self.post("seek"))
        return []

    def start(self) -> None:
        """Look at the kernel first: what is still open is reclaimed, else wait for a beat."""
        if self.seeker is not None and self.host.kernel.answers(GROUP):
            self._do_all(self.seeker.reclaim(self.now_ns()))
            self._plan()

    def _switch(self, successor: int) -> None:
        """An operator ordered a Switchover: close, then release."""
        if self.seeker is not None and self.seeker.phase is Phase.HELD:
            self._todo.append(lambda: self.host.kernel.close(GROUP))
            self._todo.append(lambda: self._release(successor))

    def _release(self, successor: int) -> None:
        assert self.seeker is not None, "a Witness never switches"
        self.host.guard.goodbye = ()
        outputs = self.seeker.release(successor, Cause.SWITCHOVER_ORDERED, self.now_ns())
        self.seeker.ask_again_ns = self.now_ns() + 2 * self.seeker.timing.interval_ns
        self._do_all(outputs)

    def _do_all(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Won | Renewed):
                self._note_epoch(output.ballot)  # it counts from the decision, however late it is carried out
            self._todo.append(lambda output=output: self._do(output))  # type: ignore[misc]

    def _do(self, output: Output) -> None:
        seeker = self.seeker
        assert seeker is not None, "outputs come from a seeker"
        self.world.note(self.host, output)
        self.world.ambush(self, output)
        if isinstance(output, Say):
            self._send(output.voter, output.message)
        elif isinstance(output, Arm):
            self.world.plant.arm(self, output)
            self._todo.append(lambda: self._do_all(seeker.armed(output.sending, True, self.now_ns())))
        elif isinstance(output, Prepared):
            self._todo.append(lambda: self._do_all(seeker.resume(self.now_ns())))
        elif isinstance(output, Won | Renewed):
            self._open(output)
        elif isinstance(output, Ended):
            self.host.kernel.close(GROUP)
        else:
            assert isinstance(output, Denied), f"unknown output {output}"
            self._do_all(self._seek())  # plans the moment to ask again

    def _note_epoch(self, ballot: Ballot) -> None:
        if ballot != self._epoch:
            self._epoch = ballot
            self.world.epoch_won(self.host, ballot)

    def _open(self, output: Won | Renewed) -> None:
        assert self.seeker is not None, "only a seeker wins"
        self.host.guard.goodbye = self.seeker.releasable()
        self.world.plant.activate(self, output)
