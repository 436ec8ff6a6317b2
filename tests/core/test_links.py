import pytest

from ha_monitor.core.links import BeatCount, LinkWatch
from ha_monitor.messages import Heartbeat, NodeReport
from ha_monitor.model import LinkState
from ha_monitor.timebase import MS, SECOND

BEAT = 100 * MS
T0 = 50 * SECOND


def heartbeat(sent_ns, **echo):
    return Heartbeat(0, 1, "lan", 9, 8, sent_ns, NodeReport(), **echo)


def heard(at_ns=T0, hears_us=True):
    watch = LinkWatch("lan", BEAT)
    watch.hear(heartbeat(at_ns), at_ns, hears_us)
    return watch


@pytest.mark.parametrize(
    ("after_ns", "state"),
    [
        (0, LinkState.UP),
        (3 * BEAT - 1, LinkState.UP),
        (3 * BEAT, LinkState.LATE),
        (5 * BEAT - 1, LinkState.LATE),
        (5 * BEAT, LinkState.DOWN),
    ],
)
def test_link_is_late_then_down_at_its_deadlines_and_not_a_nanosecond_before(after_ns, state):
    assert heard().state(T0 + after_ns) is state


def test_link_never_heard_is_unknown_not_down():
    assert LinkWatch("lan", BEAT).state(T0) is LinkState.UNKNOWN


def test_link_on_which_the_peer_does_not_hear_us_is_one_way():
    assert heard(hears_us=False).state(T0) is LinkState.ONE_WAY


def test_late_beat_is_counted_once_and_before_the_link_is_down():
    watch = heard()
    assert not watch.note_lateness(T0 + 2 * BEAT - 1)
    assert watch.note_lateness(T0 + 2 * BEAT)
    assert not watch.note_lateness(T0 + 3 * BEAT)
    assert watch.late == 1


def test_packet_that_was_overtaken_does_not_pull_the_deadline_back():
    watch = heard(T0 + BEAT)
    watch.hear(heartbeat(T0), T0, True)
    assert watch.heard_at_ns == T0 + BEAT


def test_loss_counts_beats_that_did_not_come_and_no_answers_between_beats():
    count = BeatCount(BEAT)
    sent = [n * BEAT for n in range(1, 101) if n % 4]  # a quarter lost, the last one too
    for sent_ns in sent:
        count.count(sent_ns, T0 + sent_ns)
        count.count(sent_ns + BEAT // 10, T0 + sent_ns)  # an answer
    assert count.loss_pct(T0 + 100 * BEAT) == pytest.approx(24.2, abs=0.1)


def test_loss_is_forgotten_after_a_minute():
    count = BeatCount(BEAT)
    count.count(BEAT, T0)
    count.count(50 * BEAT, T0 + SECOND)
    assert count.loss_pct(T0 + SECOND) > 90
    assert count.loss_pct(T0 + 62 * SECOND) == 0


def test_round_trip_takes_the_time_at_the_other_end_out():
    watch = LinkWatch("lan", BEAT)
    watch.hear(heartbeat(1, echo_sent_ns=T0, echo_held_ns=40 * MS), T0 + 42 * MS, True)
    assert watch.rtt_ms() == 2.0


def test_echo_of_another_life_measures_nothing():
    watch = LinkWatch("lan", BEAT)
    watch.hear(heartbeat(1, echo_sent_ns=T0 + SECOND), T0, True)
    assert watch.rtt_ms() == -1.0
