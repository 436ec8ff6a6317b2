import time

import pytest

from ha_monitor.net.announce import OFFSETS_NS, AnnouncementSchedule, FrameSender
from ha_monitor.net.frames import ETH_P_ARP
from ha_monitor.timebase import MS, SECOND
from tests.net import hosts
from tests.net.hosts import NODE, STRANGER, VIP4, VIP6, inside, run


def times(schedule, count):
    found = []
    for _ in range(count):
        found.append(schedule.due_ns - schedule.started_ns)
        schedule = schedule.after_sending(schedule.due_ns)
    return found


def test_announcements_come_at_their_offsets_and_then_evenly():
    assert times(AnnouncementSchedule(5), 8) == [
        0, 50 * MS, 200 * MS, SECOND, 3 * SECOND, 33 * SECOND, 63 * SECOND, 93 * SECOND,
    ]  # fmt: skip


def test_stall_is_followed_by_one_announcement_and_not_by_a_burst():
    schedule = AnnouncementSchedule(0).after_sending(SECOND)
    assert schedule.due_ns == OFFSETS_NS[-1]
    assert AnnouncementSchedule(0).after_sending(100 * SECOND).due_ns == 123 * SECOND


@pytest.fixture
def sender(node):
    with inside(node):
        one = FrameSender()
        one.open()
    yield one
    one.close()


@pytest.mark.lab
@pytest.mark.parametrize("address", [VIP4, VIP6])
def test_neighbour_that_believes_another_is_corrected(sender, address):
    old = "02:00:00:00:00:99"
    run("ip", "-n", STRANGER, "neigh", "replace", str(address), "lladdr", old, "nud", "stale", "dev", "lan")
    assert sender.announce(address, "lan", hosts.mac_of(NODE, "lan"))
    time.sleep(0.02)
    assert hosts.mac_of(NODE, "lan").hex(":") in run("ip", "-n", STRANGER, "neigh", "show", str(address))


@pytest.mark.lab
def test_device_that_is_gone_or_down_is_counted_and_no_error(sender):
    assert not sender.send("gone0", ETH_P_ARP, b"x" * 42)
    run("ip", "-n", NODE, "link", "set", "direct", "down")
    try:
        assert not sender.announce(VIP4, "direct", bytes(6))
    finally:
        run("ip", "-n", NODE, "link", "set", "direct", "up")
        run("ip", "-n", NODE, "addr", "replace", "2001:db8:1::12/64", "dev", "direct", "nodad")
    assert (sender.sent, sender.not_sent) == (0, 3)
