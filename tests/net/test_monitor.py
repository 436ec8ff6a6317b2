import ipaddress
import struct
import time

import pytest

from ha_monitor.net import rtnetlink as rt
from ha_monitor.net.lease import KernelLease
from ha_monitor.net.monitor import (
    MOST_NEWS,
    AddressAppeared,
    AddressRemoved,
    CarrierChanged,
    DeviceAppeared,
    DeviceVanished,
    EventsLost,
    KernelMonitor,
    LinkTable,
    RulesetChanged,
    for_another_look,
    read_ruleset_change,
)
from ha_monitor.net.netlink import Received, text
from tests.net import hosts
from tests.net.hosts import NODE, VIP4, inside, run


def link(kind, name="lan", flags=0x1043, index=3, family=0):
    return Received(kind, 0, 0, 0, rt.IFINFO.pack(family, 1, index, flags, 0) + text(3, name))


def address(kind):
    body = rt.write_address(rt.HostAddress(ipaddress.ip_interface("192.0.2.100/32"), 3))
    return Received(kind, 0, 0, 0, body)


@pytest.fixture
def links():
    table = LinkTable()
    table.reload([rt.Device(3, "lan", "02:00:00:00:00:01", True)])
    return table


@pytest.mark.parametrize(
    ("message", "events"),
    [
        (link(rt.RTM_NEWLINK), ()),
        (link(rt.RTM_NEWLINK, flags=0x1003), (CarrierChanged("lan", False),)),
        (link(rt.RTM_NEWLINK, "new", index=4), (DeviceAppeared("new"), CarrierChanged("new", True))),
        (link(rt.RTM_NEWLINK, "wan"), (DeviceAppeared("wan"), CarrierChanged("wan", True))),
        (link(rt.RTM_DELLINK), (CarrierChanged("lan", False), DeviceVanished("lan"))),
        (link(rt.RTM_DELLINK, index=9), ()),
        (link(rt.RTM_DELLINK, family=7), ()),  # a port that leaves its bridge
        (address(rt.RTM_NEWADDR), (AddressAppeared(ipaddress.ip_address("192.0.2.100"), 3),)),
        (address(rt.RTM_DELADDR), (AddressRemoved(ipaddress.ip_address("192.0.2.100"), 3),)),
        (Received(99, 0, 0, 0, b""), ()),
    ],
)
def test_message_becomes_an_event_only_by_a_change(links, message, events):
    assert links.take(message) == events
    if message.kind == rt.RTM_NEWLINK:
        assert links.take(message) == ()


def test_new_dump_tells_what_was_missed(links):
    events = links.reload([rt.Device(4, "direct", "02:00:00:00:00:02", False)])
    assert events == (
        CarrierChanged("lan", False),
        DeviceVanished("lan"),
        DeviceAppeared("direct"),
        CarrierChanged("direct", False),
    )


def test_of_what_could_not_be_looked_up_each_devices_last_news_is_kept_and_all_else_is_read_anew():
    gone, back = CarrierChanged("lan", False), CarrierChanged("lan", True)
    removed = AddressRemoved(ipaddress.ip_address("192.0.2.100"), 3)
    kept = for_another_look([gone, DeviceAppeared("new"), removed, back, RulesetChanged("nft")])
    assert kept == (back, DeviceAppeared("new"), EventsLost())
    assert for_another_look([*kept, gone]) == (gone, DeviceAppeared("new"), EventsLost())
    flood = [CarrierChanged(f"veth{number}", True) for number in range(10 * MOST_NEWS)]
    assert for_another_look(flood) == (*flood[-MOST_NEWS:], EventsLost())


def test_ruleset_change_names_the_program():
    body = struct.pack("!BBH", 0, 0, 0) + text(3, "nft")
    assert read_ruleset_change(Received(0, 0, 0, 0, body)) == RulesetChanged("nft")
    assert read_ruleset_change(Received(0, 0, 0, 0, body[:4])) == RulesetChanged("")


@pytest.fixture
def watched(node):
    """The monitor and the Lease whose changes are no news to it."""
    with inside(node):
        lease, route = KernelLease("test", [VIP4]), rt.RouteSocket()
        monitor = KernelMonitor(lease.port)
    monitor.links.reload(route.devices())
    yield monitor, lease
    for one in (monitor, route):
        one.close()
    lease.shutdown()


def heard_within(monitor, event, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        hosts.select.select(monitor.filenos(), [], [], 0.1)
        if event in monitor.drain():
            return True
    return False


def drain(monitor):
    time.sleep(0.05)
    return monitor.drain()


@pytest.mark.lab
def test_cable_that_is_pulled_and_put_back_is_seen(watched):
    monitor, _ = watched
    for up in (False, True):
        run("ip", "-n", hosts.STRANGER, "link", "set", "direct", "up" if up else "down")
        assert heard_within(monitor, CarrierChanged("direct", up), 10)
    run("ip", "-n", hosts.STRANGER, "addr", "replace", "2001:db8:1::9/64", "dev", "direct", "nodad")


@pytest.mark.lab
def test_own_beat_does_not_wake_the_process_and_a_foreign_change_does(watched):
    monitor, lease = watched
    lease.install(["lan"])
    number = time.monotonic_ns()
    for beat in range(10):
        lease.step({VIP4: number + beat}, (number + beat + 1, 100_000_000))
    assert hosts.select.select(monitor.filenos(), [], [], 0.02)[0] == []
    run("nft", "add table inet other; add chain inet other c", host=NODE)
    run("nft", "flush ruleset", host=NODE)
    assert drain(monitor) == (RulesetChanged("nft"),)


@pytest.mark.lab
def test_events_that_did_not_fit_are_reported_as_lost(watched):
    monitor, _ = watched
    monitor._route.setsockopt(hosts.socket.SOL_SOCKET, hosts.socket.SO_RCVBUF, 2048)
    script = "\n".join(f"addr {verb} 203.0.113.7/32 dev lan" for _ in range(200) for verb in ("add", "del"))
    hosts.subprocess.run(["ip", "-n", NODE, "-b", "-"], input=script, text=True, check=True)
    assert any(isinstance(event, EventsLost) for event in monitor.drain())
    monitor.drain()
    run("ip", "-n", NODE, "addr", "add", "203.0.113.7/32", "dev", "lan")
    assert AddressAppeared(ipaddress.ip_address("203.0.113.7"), 0).address in {
        e.address for e in drain(monitor) if isinstance(e, AddressAppeared)
    }
    run("ip", "-n", NODE, "addr", "del", "203.0.113.7/32", "dev", "lan")
