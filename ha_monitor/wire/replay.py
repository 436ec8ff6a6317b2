"""Which packets were seen before, and which life of a peer is its present one.

Two questions, answered without a clock of their own and in bounded memory:

*Was this packet seen?* `ReplayWindow`: a number per life of the sender and Link that rises by one with each
packet, and a bitmap of the last 1024. A number that was set aside (the guard's goodbye) and comes late is
admitted once, as long as it is less than 1024 behind: who sets one aside does so anew at each renewal.

*Is this a life to believe?* `Lives`, one per peer. An Incarnation is a random number without order, so a
packet alone cannot say whether it comes from the peer's next life or is a replay from an old one. What can
is our own clock in the peer's mouth: each Heartbeat repeats the latest ``sent_ns`` of ours that its sender
saw. Lives of one peer never overlap (a new core speaks only after the old one is reaped or has let go), so:

- An unknown life X is first a *candidate*, seen at t. We name it in what we send, and believe nothing of it.
- X shows a ``sent_ns`` of ours from after t: it spoke after whatever the former life had said by t. X is the
  present life, the former one is retired.
- The former life shows a ``sent_ns`` from after t: it spoke after X was heard. X is an old life: retired.
- Retired lives are refused for good (the last 1024 of each peer are remembered).
- While no life is known, or the known one has been silent for ``silence_ns``, a candidate's packets are
  passed on as greetings (they name nobody, carry no Lease message): the core sees that a Link carries
  something one way. While no life is known, one that names our own random Incarnation is believed at once:
  it was sealed during our life.

What remains: who can replay can put the greeting of an old life in the candidate's place, once for each life
that he recorded and that is not yet retired, for ``patience_ns`` each: for so long a truly restarted peer may
wait, and for up to one beat packets name the wrong life. A peer that restarts more than 1024 times within
our life falls out of memory at the far end: its oldest lives count as unknown again, not as believed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from ha_monitor.errors import PacketRejected

WINDOW = 1024
RETIRED_MAX = 1024


@dataclass(slots=True)
class ReplayWindow:
    """Which of the last 1024 numbers of one life on one Link were admitted."""

    highest: int = 0
    seen: int = 0  # bit i: the number highest - i

    def is_new(self, sequence: int) -> bool:
        """Whether ``sequence`` may be admitted; numbers begin at 1."""
        behind = self.highest - sequence
        return sequence > 0 and (behind < 0 or (behind < WINDOW and not self.seen >> behind & 1))

    def admit(self, sequence: int) -> None:
        """Take ``sequence`` as seen. Raises PacketRejected("replay") if it is not new."""
        if not self.is_new(sequence):
            raise PacketRejected("replay", f"number {sequence} is not new, the highest is {self.highest}")
        behind = self.highest - sequence
        if behind < 0:
            self.seen = 1 if -behind >= WINDOW else (self.seen << -behind | 1) & (1 << WINDOW) - 1
            self.highest = sequence
        else:
            self.seen |= 1 << behind


class Standing(enum.Enum):
    """What a packet that was not refused may be used for."""

    BELIEVED = "believed"  # the present life, and it names ours
    GREETING = "greeting"  # nobody better is heard: that it exists may be known, no more
    CANDIDATE = "candidate"  # an unknown life beside a living one: named in answers, not passed on


@dataclass(slots=True)
class Life:
    """One Incarnation of a peer. ``seen_ns``: first heard. Both times are on our Lease clock."""

    incarnation: int
    seen_ns: int
    heard_ns: int
    windows: dict[str, ReplayWindow] = field(default_factory=dict)

    def admit(self, link: str, sequence: int, at_ns: int) -> None:
        """Raises PacketRejected("replay"). ``link`` is one of the configured ones."""
        self.windows.setdefault(link, ReplayWindow()).admit(sequence)
        self.heard_ns = max(self.heard_ns, at_ns)


class Lives:
    """The lives of one peer. ``silence_ns``, ``patience_ns``: see above."""

    def __init__(self, silence_ns: int, patience_ns: int) -> None:
        self._silence_ns = silence_ns
        self._patience_ns = patience_ns
        self._present: Life | None = None
        self._candidate: Life | None = None
        self._retired: dict[int, None] = {}  # in order of retirement

    @property
    def candidate(self) -> int:
        """The Incarnation that our packets shall name so that it can prove itself; 0 when there is none."""
        return self._candidate.incarnation if self._candidate else 0

    def admit(
        self, incarnation: int, link: str, sequence: int, *, names_us: bool, echo_ns: int, at_ns: int
    ) -> Standing:
        """Take in one authentic packet. Raises PacketRejected("replay") or ("retired")."""
        if incarnation in self._retired:
            raise PacketRejected("retired", f"incarnation {incarnation:016x} has ended")
        if self._present and self._present.incarnation == incarnation:
            self._present.admit(link, sequence, at_ns)
            if self._candidate and names_us and echo_ns > self._candidate.seen_ns:
                self._retire(self._candidate)
                self._candidate = None
            return Standing.BELIEVED if names_us else Standing.GREETING
        candidate = self._candidate_of(incarnation, at_ns)
        candidate.admit(link, sequence, at_ns)
        if names_us and (self._present is None or echo_ns > candidate.seen_ns):
            self._succeed(candidate)
            return Standing.BELIEVED
        is_alone = self._present is None or at_ns - self._present.heard_ns > self._silence_ns
        return Standing.GREETING if is_alone else Standing.CANDIDATE

    def _candidate_of(self, incarnation: int, at_ns: int) -> Life:
        held = self._candidate
        if held and held.incarnation == incarnation:
            return held
        if held and at_ns - held.seen_ns <= self._patience_ns:
            raise PacketRejected("retired", f"incarnation {incarnation:016x} is one unknown life too many")
        # The one in its place is not retired: it may be alive and only cut off from us.
        # Arrival stamps of two sockets may be read out of order: count from the later one.
        seen_ns = max(at_ns, self._present.heard_ns) if self._present else at_ns
        self._candidate = Life(incarnation, seen_ns, at_ns)
        return self._candidate

    def _succeed(self, candidate: Life) -> None:
        if self._present:
            self._retire(self._present)
        self._present, self._candidate = candidate, None

    def _retire(self, life: Life) -> None:
        self._retired[life.incarnation] = None
        while len(self._retired) > RETIRED_MAX:
            del self._retired[next(iter(self._retired))]
