"""How one Link to one peer does: late, silent, one-way, lossy, slow. Time is an argument."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ha_monitor.messages import Heartbeat
from ha_monitor.model import LinkState
from ha_monitor.timebase import MS, SECOND

LATE_AFTER_BEATS = 2  # a warning: the next beat is overdue
SILENT_AFTER_BEATS = 5  # 20 % loss leaves a Link silent by chance once in some minutes, never a whole Node
LOSS_WINDOW_S = 60


@dataclass
class BeatCount:
    """Beats that arrived and beats that did not, second by second over the last minute."""

    interval_ns: int
    seconds: deque[list[int]] = field(default_factory=deque)  # [second, arrived, missed]
    last_sent_ns: int = 0

    def count(self, sent_ns: int, at_ns: int) -> None:
        """Count a packet by its sender's stamp; answers between two beats count for nothing."""
        since_ns = sent_ns - self.last_sent_ns if self.last_sent_ns else self.interval_ns
        beats = round(since_ns / self.interval_ns)
        if beats < 1:
            return
        self.last_sent_ns = sent_ns
        self._bucket(at_ns)[1] += 1
        self._bucket(at_ns)[2] += min(beats - 1, LOSS_WINDOW_S * SECOND // self.interval_ns)

    def begin_anew(self) -> None:
        """Forget the sender's clock: it is another life, with another clock perhaps."""
        self.last_sent_ns = 0

    def loss_pct(self, at_ns: int) -> float:
        """Percentage of beats missed in the last minute, 0 if none was expected."""
        self._bucket(at_ns)
        arrived = sum(second[1] for second in self.seconds)
        missed = sum(second[2] for second in self.seconds)
        return 100.0 * missed / (arrived + missed) if arrived + missed else 0.0

    def _bucket(self, at_ns: int) -> list[int]:
        second = at_ns // SECOND
        while self.seconds and self.seconds[0][0] <= second - LOSS_WINDOW_S:
            self.seconds.popleft()
        if not self.seconds or self.seconds[-1][0] < second:
            self.seconds.append([second, 0, 0])
        return self.seconds[-1]


@dataclass
class LinkWatch:
    """What is known of one Link to one peer."""

    link: str
    interval_ns: int
    heard_at_ns: int = 0  # 0: never
    peer_hears_us: bool = True
    sent_ns: int = 0  # the sender's stamp on its latest packet, for the echo
    rtt_ns: int = -1
    jitter_ns: int = 0
    late: int = 0
    _is_late: bool = False
    beats: BeatCount = field(init=False)

    def __post_init__(self) -> None:
        """Begin with an empty minute."""
        self.beats = BeatCount(self.interval_ns)

    @property
    def silent_at_ns(self) -> int:
        """When the Link counts as silent unless something is heard before."""
        return self.heard_at_ns + SILENT_AFTER_BEATS * self.interval_ns

    @property
    def late_at_ns(self) -> int:
        """When the next beat counts as late."""
        return self.heard_at_ns + LATE_AFTER_BEATS * self.interval_ns

    def hear(self, heartbeat: Heartbeat, arrived_ns: int, peer_hears_us: bool) -> None:
        """Take in a packet that arrived at ``arrived_ns`` on our Lease clock."""
        # Packets can be handled out of order: an old one must not pull the deadline back.
        self.heard_at_ns = max(self.heard_at_ns, arrived_ns)
        self.peer_hears_us = peer_hears_us
        self._is_late = False
        self.sent_ns = max(self.sent_ns, heartbeat.sent_ns)
        self.beats.count(heartbeat.sent_ns, arrived_ns)
        if heartbeat.echo_sent_ns:
            self._measure(arrived_ns - heartbeat.echo_sent_ns - heartbeat.echo_held_ns)

    def begin_anew(self) -> None:
        """The peer is another life: its stamps have nothing to do with those before."""
        self.sent_ns = 0
        self.beats.begin_anew()

    def note_lateness(self, at_ns: int) -> bool:
        """Count the overdue beat once; True when it became late just now."""
        if self._is_late or not self.heard_at_ns or at_ns < self.late_at_ns:
            return False
        self._is_late = True
        self.late += 1
        return True

    def is_heard(self, at_ns: int) -> bool:
        """Whether something arrived within the last few beats."""
        return self.heard_at_ns > 0 and at_ns < self.silent_at_ns

    def state(self, at_ns: int) -> LinkState:
        """The Link's state now."""
        if not self.heard_at_ns:
            return LinkState.UNKNOWN
        if at_ns >= self.silent_at_ns:
            return LinkState.DOWN
        if not self.peer_hears_us:
            return LinkState.ONE_WAY
        # One beat later than the counter: a single lost packet is no change of state.
        return LinkState.LATE if at_ns >= self.late_at_ns + self.interval_ns else LinkState.UP

    def _measure(self, round_trip_ns: int) -> None:
        if not 0 <= round_trip_ns < 60 * SECOND:
            return  # an echo of another life's stamp
        if self.rtt_ns < 0:
            self.rtt_ns = round_trip_ns
        # Smoothed as in RFC 6298: 1/8 of the new one.
        self.jitter_ns += (abs(round_trip_ns - self.rtt_ns) - self.jitter_ns) // 8
        self.rtt_ns += (round_trip_ns - self.rtt_ns) // 8

    def rtt_ms(self) -> float:
        """Smoothed round trip in ms, -1 while unknown."""
        return round(self.rtt_ns / MS, 3) if self.rtt_ns >= 0 else -1.0
