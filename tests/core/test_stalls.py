"""What a core remembers of its own lateness, and what it says of a Lease that is too short for its host."""

from ha_monitor.core.stalls import SECONDS_KEPT, StallWatch
from ha_monitor.timebase import MS, SECOND
from tests.core.world import World

T0 = 10_000 * SECOND
HOUR = 3600 * SECOND


def watch(*stalls, lease_ns=SECOND):
    """Stalls as (seconds after T0, ms)."""
    found = StallWatch(lease_ns)
    for after_s, late_ms in stalls:
        found.note(late_ms * MS, T0 + int(after_s * SECOND))
    return found


def test_half_a_lease_is_no_pause_and_a_nanosecond_more_is():
    stalls = watch()
    assert not stalls.note(SECOND // 2, T0)
    assert stalls.note(SECOND // 2 + 1, T0)
    assert stalls.pauses == 1


def test_the_last_minute_and_the_last_day_are_told_apart():
    stalls = watch((0, 300), (7200, 20))
    assert (stalls.max_ms(T0 + 7201 * SECOND), stalls.worst_ms(T0 + 7201 * SECOND)) == (20, 300)
    assert stalls.worst_ms(T0 + 24 * HOUR - 1) == 300
    assert stalls.worst_ms(T0 + 24 * HOUR) == 20


def test_of_each_second_the_longest_is_kept():
    stalls = watch((0, 5), (0.5, 40), (0.9, 7), (1.0, 3))
    assert [late // MS for _, late in stalls.seconds] == [40, 3]


def test_the_record_is_bounded_however_much_stalls():
    stalls = watch(*((n, 5) for n in range(3 * SECONDS_KEPT)))
    assert len(stalls.seconds) == SECONDS_KEPT
    assert len(stalls.shown(T0 + 3 * SECONDS_KEPT * SECOND)) == 16


def test_the_longest_are_shown_with_their_age():
    assert watch((0, 5), (10, 700)).shown(T0 + 12 * SECOND) == ((2000, 700), (12000, 5))


def test_a_lease_of_twice_the_worst_stall_is_long_enough_and_a_shorter_one_is_complained_of_once():
    assert watch((0, 500)).complaint(T0) == ""
    stalls = watch((0, 501))
    assert stalls.complaint(T0) == (
        "this host stalled for 501 ms, the Lease lasts 1000 ms: give it at least 1002 ms, or find what stalls"
    )
    assert stalls.complaint(T0) == ""


def test_a_core_that_stalled_says_so_in_its_view():
    world = World()
    world.run(4)
    member = world["pub2"]
    member.is_up = False
    world.run(2)
    member.open.clear()  # the kernel's window ran out
    member.is_up = True
    world.run(1)
    view = member.core.view(world.now_ns)
    assert view.stall_worst_ms >= 1900
    assert view.stalls[0][1] >= 1900


def test_a_core_that_is_on_time_complains_of_nothing():
    world = World()
    world.run(10)
    stalls = world["pub2"].core.situation.stalls
    assert (stalls.complaint(world.now_ns), stalls.worst_ms(world.now_ns)) == ("", 0)
