import ipaddress
import time

import pytest

from ha_monitor.net import frames
from ha_monitor.net.probe import (
    PROBE_LENGTH_NS,
    ClaimListener,
    DuplicateProbe,
    HeardClaim,
    advertisement_filter,
    arp_filter,
)
from ha_monitor.timebase import MS
from tests.net import hosts
from tests.net.hosts import NODE, VIP4, VIP6, inside

STRANGE, KNOWN = b"strang", b"known!"


def heard(mac, address=VIP4):
    return HeardClaim(frames.Claim(address, mac), "lan")


def test_probe_asks_three_times_within_its_length_and_then_ends():
    probe = DuplicateProbe(VIP4, 1000)
    due = []
    for _ in range(3):
        due.append(probe.due_ns - 1000)
        probe.sent += 1
    assert due == [0, 3 * MS, 6 * MS]
    assert not probe.is_over(1000 + PROBE_LENGTH_NS - 1)
    assert probe.is_over(1000 + PROBE_LENGTH_NS)
    assert probe.due_ns == 1000 + PROBE_LENGTH_NS


def test_probe_that_could_not_ask_yet_is_not_over_however_late():
    assert not DuplicateProbe(VIP4, 0, sent=2).is_over(10 * PROBE_LENGTH_NS)


def test_first_stranger_ends_the_probe_at_once():
    probe = DuplicateProbe(VIP4, 0, frozenset({KNOWN}), sent=1)
    probe.hear(heard(KNOWN))
    probe.hear(heard(STRANGE, VIP6))
    assert not probe.is_over(1)
    probe.hear(heard(STRANGE))
    probe.hear(heard(b"second"))
    assert probe.is_over(1)
    assert probe.answered_by == STRANGE


def test_filters_stay_below_the_kernels_bound():
    many4 = [ipaddress.ip_address(0x0A000000 + i) for i in range(5000)]
    many6 = [ipaddress.ip_address((1 << 96) + i) for i in range(5000)]
    assert len(arp_filter(many4)) < 4096
    assert len(advertisement_filter(many6)) < 4096


@pytest.fixture
def listener(node):
    with inside(node):
        one = ClaimListener([VIP4, VIP6])
        one.open()
    one.drain()
    yield one
    one.close()


def after_a_moment(listener):
    time.sleep(0.02)
    return set(listener.drain())


@pytest.mark.lab
def test_claims_are_heard_on_every_device_with_the_mac_that_claims(listener, askers):
    for device, asker in askers.items():
        for address in (VIP4, VIP6):
            for frame in frames.announcements(address, asker.mac):
                asker.send(frame)
        assert after_a_moment(listener) == {
            HeardClaim(frames.Claim(address, asker.mac), device) for address in (VIP4, VIP6)
        }


@pytest.mark.lab
def test_other_traffic_does_not_even_wake_the_process(listener, askers):
    asker = askers["lan"]
    for text in ("192.0.2.12", "2001:db8::12"):
        assert asker.answers_all(ipaddress.ip_address(text))
    other4, other6 = ipaddress.ip_address("192.0.2.101"), ipaddress.ip_address("2001:db8::101")
    for frame in (*frames.announcements(other4, asker.mac), *frames.announcements(other6, asker.mac)):
        asker.send(frame)
    time.sleep(0.02)
    assert hosts.select.select(listener.filenos(), [], [], 0)[0] == []


@pytest.mark.lab
def test_flood_is_drained_in_bounded_portions(listener, askers):
    frame = frames.announcements(VIP4, askers["lan"].mac)[0]
    for _ in range(100):
        askers["lan"].send(frame)
    time.sleep(0.05)
    assert len(listener.drain()) == 64
    assert len(listener.drain()) == 36


@pytest.mark.lab
def test_listener_outlives_a_device(listener, askers):
    hosts.join("later")
    hosts.run("ip", "-n", NODE, "link", "del", "later")
    askers["lan"].send(frames.announcements(VIP4, askers["lan"].mac)[0])
    assert len(after_a_moment(listener)) == 1
