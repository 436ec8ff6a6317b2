"""The whole of the kernel's side, as the core's loop uses it."""

import contextlib
import errno
import ipaddress
import time

import pytest

from ha_monitor.errors import NetlinkError
from ha_monitor.model import Protection
from ha_monitor.net import frames, service_address
from ha_monitor.net.closer import AddressCloser
from ha_monitor.net.lease import LeaseFeatures
from ha_monitor.net.netlink import KernelRefused
from ha_monitor.net.placement import ServiceAddress
from ha_monitor.net.rtnetlink import RouteSocket
from ha_monitor.net.service_address import (
    AddressVanished,
    CarrierChanged,
    CompetingClaim,
    DuplicateProbed,
    RulesRepaired,
    ServiceAddresses,
)
from ha_monitor.timebase import MS, SECOND, lease_clock_ns
from tests.net import hosts
from tests.net.hosts import LAN4, LAN6, NODE, STRANGER, VIP4, VIP6, inside, run

pytestmark = pytest.mark.lab
BOTH = (VIP4, VIP6)


@contextlib.contextmanager
def daemon(*interfaces, valid_ns=20 * SECOND, device=""):
    with inside(NODE):
        one = ServiceAddresses("test", [ServiceAddress(i, device) for i in interfaces], valid_ns)
    try:
        yield one
    finally:
        one.shutdown()


def prepare(service):
    with inside(NODE):
        service.prepare()


@pytest.fixture
def service(node):
    with daemon(LAN4, LAN6) as one:
        prepare(one)
        yield one


def serve(service, seconds=5.0):
    number = time.monotonic_ns()
    service.add_closed(BOTH)
    service.arm(number, int(seconds * SECOND))
    service.activate(BOTH, number)
    return number


def watch(service, seconds, until=lambda _: False):
    """Run the loop for a time; what it told."""
    told, end = [], time.monotonic() + seconds
    while time.monotonic() < end and not until(told):
        now = lease_clock_ns()
        due = service.next_deadline_ns()
        left = end - time.monotonic() if due is None else min(end - time.monotonic(), (due - now) / SECOND)
        hosts.select.select(service.filenos(), [], [], max(left, 0))
        told += service.read(lease_clock_ns())
        told += service.tick(lease_clock_ns())
    return told


def told_of(service, count):
    """What it told once there was that much, with a little time for more."""
    return watch(service, 10, until=lambda told: len(told) >= count) + watch(service, 0.05)


def test_takeover_adds_closed_opens_announces_and_closing_undoes_it(service, askers):
    service.add_closed(BOTH)
    assert service.present() == {VIP4: "lan", VIP6: "lan"}
    assert askers["lan"].answered(VIP4, 0.02) == askers["direct"].answered(VIP4, 0.02) == set()
    serve(service)
    assert askers["lan"].answers_all(VIP4)
    assert askers["lan"].answers_all(VIP6)
    service.announce(BOTH, lease_clock_ns())
    assert sum(hosts.speaks_for(f, VIP4) for f in askers["lan"].hear(1, last=4)) >= 2
    service.close(BOTH)
    service.close(BOTH)
    assert service.present() == {}
    assert service.state().held == {}
    assert askers["lan"].answered(VIP4, 0.02) == askers["lan"].answered(VIP6, 0.02) == set()
    assert service.protection() is Protection.KERNEL_LEASE


def test_one_step_activates_and_arms(service):
    number = serve(service)
    service.step(dict.fromkeys(BOTH, number), (number + 1, SECOND))
    state = service.state()
    assert state.held == dict.fromkeys(BOTH, number)
    assert set(state.window) == {number, number + 1}
    assert state.is_open(VIP4)


def test_announcements_follow_the_schedule_until_closed(service, askers):
    serve(service)
    asker = askers["lan"]
    asker.hear(0.0)
    service.announce([VIP4], lease_clock_ns())
    watch(service, 0.6)
    sent = [f for f in asker.hear(0.02) if f[12:14] == b"\x08\x06" and hosts.speaks_for(f, VIP4)]
    assert len(sent) == 6  # at 0, 50 and 200 ms, in two forms
    service.close([VIP4])
    assert service.next_deadline_ns() is None or service.next_deadline_ns() > lease_clock_ns() + SECOND


def test_address_removed_behind_our_back_is_told_once_and_repaired(service, askers):
    serve(service)
    watch(service, 0.05)
    run("ip", "-n", NODE, "addr", "del", "192.0.2.100/32", "dev", "lan")
    run("ip", "-n", NODE, "addr", "del", "2001:db8::100/128", "dev", "lan")
    assert told_of(service, 2) == [AddressVanished(VIP4), AddressVanished(VIP6)]
    for address in BOTH:
        service.repair(address)
    assert askers["lan"].answers_all(VIP4)
    assert askers["lan"].answers_all(VIP6)


def test_what_a_refused_reading_would_have_told_is_told_by_the_next(service, monkeypatch):
    run("ip", "-n", NODE, "link", "add", "extra", "type", "veth", "peer", "end")
    for device in ("end", "extra"):
        run("ip", "-n", NODE, "link", "set", device, "up")
    serve(service)
    watch(service, 0.05)
    run("ip", "-n", NODE, "addr", "del", "192.0.2.100/32", "dev", "lan")
    run("ip", "-n", NODE, "link", "del", "extra")
    run("nft", "flush", "ruleset", host=NODE)

    def no_memory(_self):
        raise KernelRefused("list what is there", errno.ENOBUFS)

    for refused in ("addresses", "devices", "addresses"):
        with monkeypatch.context() as patched:
            patched.setattr(RouteSocket, refused, no_memory)
            with pytest.raises(KernelRefused):
                service.read(lease_clock_ns())
    told = service.read(lease_clock_ns())
    lost = {CarrierChanged(device, False) for device in ("end", "extra")}
    assert {*lost, AddressVanished(VIP4), RulesRepaired("")} == set(told)
    assert watch(service, 0.1) == []


def test_own_removal_is_no_news(service):
    serve(service)
    service.close(BOTH)
    assert watch(service, 0.1) == []


def test_flushed_ruleset_is_put_back_closed_and_opens_with_the_next_beat(service, askers):
    number = serve(service)
    run("nft", "flush", "ruleset", host=NODE)
    assert told_of(service, 1) == [RulesRepaired("nft")]
    assert askers["lan"].answered(VIP4, 0.02) == askers["lan"].answered(VIP6, 0.02) == set()
    service.step(dict.fromkeys(BOTH, number), (number + 1, 5 * SECOND))
    assert askers["lan"].answered(VIP4, 0.02) == set()  # its window was flushed
    service.step(dict.fromkeys(BOTH, number + 1))
    assert askers["lan"].answers_all(VIP4)


def test_beat_that_finds_the_rules_gone_puts_them_back_first(service, askers):
    number = serve(service)
    run("nft", "delete", "table", "arp", "ha-monitor-test", host=NODE)
    service.step(dict.fromkeys(BOTH, number), (number + 1, 5 * SECOND))
    assert "table arp ha-monitor-test" in run("nft", "list", "ruleset", host=NODE)
    service.step(dict.fromkeys(BOTH, number + 1))
    assert askers["lan"].answers_all(VIP4)


def test_changes_of_other_rules_are_no_news(service):
    run("nft", "add table inet firewall", host=NODE)
    run("nft", "delete table inet firewall", host=NODE)
    assert watch(service, 0.1) == []


def test_restart_adopts_what_is_open(service, askers):
    number = serve(service)
    with daemon(LAN4, LAN6) as restarted:
        prepare(restarted)
        assert restarted.present() == {VIP4: "lan", VIP6: "lan"}
        assert restarted.state().held == dict.fromkeys(BOTH, number)
        restarted.add_closed(BOTH)
        assert askers["lan"].answers_all(VIP4)
    assert askers["lan"].answers_all(VIP6)


def test_life_is_refreshed_when_half_of_it_is_gone_and_ends_when_nobody_does(node):
    with daemon(LAN4, LAN6, valid_ns=2 * SECOND) as service:
        prepare(service)
        service.add_closed(BOTH)
        watch(service, 3.2)
        assert set(service.present()) == set(BOTH)
        until = time.monotonic() + 7
        while time.monotonic() < until and service.present():
            time.sleep(0.1)
        assert service.present() == {}


def test_probe_finds_a_stranger_and_the_claim_ends_at_once(service):
    run("ip", "-n", STRANGER, "addr", "add", "192.0.2.100/32", "dev", "lan")
    run("ip", "-n", STRANGER, "addr", "add", "2001:db8::100/128", "dev", "lan", "nodad")
    for address in BOTH:  # its kernel answers from the moment when it has joined the address's group
        run("ping", "-c1", "-w10", str(address), host=NODE)
    service.probe(BOTH, lease_clock_ns())
    told = told_of(service, 2)
    stranger = hosts.mac_of(STRANGER, "lan").hex(":")
    assert set(told) == {DuplicateProbed(VIP4, stranger), DuplicateProbed(VIP6, stranger)}


def test_probe_of_a_free_address_ends_within_its_time(service):
    started = lease_clock_ns()
    service.probe(BOTH, started)
    told = watch(service, 10, until=lambda told: len(told) == 2)
    assert set(told) == {DuplicateProbed(VIP4, ""), DuplicateProbed(VIP6, "")}
    assert 10 * MS <= lease_clock_ns() - started < 1000 * MS  # 1000: a busy machine


@pytest.mark.parametrize("how", ["given", "learnt"])
def test_probe_ignores_the_clusters_own_nodes(service, how):
    run("ip", "-n", STRANGER, "addr", "add", "192.0.2.100/32", "dev", "lan")
    ignored = []
    if how == "given":
        ignored = [hosts.mac_of(STRANGER, "lan").hex(":")]
    else:
        run("ping", "-c1", "-W1", "192.0.2.9", host=NODE)
        service.learn_node_macs([ipaddress.ip_address("192.0.2.9")])
    service.probe([VIP4], lease_clock_ns(), ignored)
    assert told_of(service, 1) == [DuplicateProbed(VIP4, "")]


def test_competing_claim_is_told_only_while_the_address_is_announced_here(service, askers):
    asker = askers["lan"]
    serve(service)
    for announced in (False, True):
        if announced:
            service.announce([VIP4], lease_clock_ns())
            watch(service, 0.01)
        asker.send(frames.announcements(VIP4, asker.mac)[0])
        claim = CompetingClaim(VIP4, asker.mac.hex(":"), "lan", False)
        assert (told_of(service, 1) if announced else watch(service, 0.05)) == ([claim] if announced else [])


def test_device_is_that_of_the_network_or_the_configured_one(node):
    far = ipaddress.ip_interface("10.99.0.1/24")
    with daemon(LAN4, far) as service:
        assert service.device_of(VIP4) == "lan"
        assert service.has_carrier(VIP4)
        assert service.device_of(far.ip) is None
        assert service.device_of(ipaddress.ip_address("198.51.100.12")) == "direct"  # a Link's own
        prepare(service)
        with pytest.raises(NetlinkError, match=r"10\.99\.0\.1: this host has no device with an address"):
            service.add_closed([far.ip, VIP4])
        assert service.present() == {VIP4: "lan"}
    with daemon(far, device="direct") as service:
        assert service.device_of(far.ip) == "direct"
        prepare(service)
        service.add_closed([far.ip])
        assert "10.99.0.1/24" in run("ip", "-n", NODE, "addr", "show", "dev", "direct")
        service.uninstall()


def test_device_that_came_back_bears_the_address_again(node):
    hosts.join("later")
    wanted = ipaddress.ip_interface("203.0.113.100/24")
    with daemon(wanted) as service:
        prepare(service)
        service.add_closed([wanted.ip])
        watch(service, 0.05)
        run("ip", "-n", NODE, "link", "del", "later")
        assert AddressVanished(wanted.ip) in told_of(service, 1)
        hosts.join("later")
        watch(service, 0.1)
        service.repair(wanted.ip)
        assert service.present() == {wanted.ip: "later"}
        rules = run("nft", "list", "table", "netdev", "ha-monitor-test", host=NODE)
        assert 'hook egress device "later"' in rules
        run("ip", "-n", NODE, "link", "del", "later")


def test_device_that_got_another_name_is_guarded_under_it(node):
    hosts.join("later")
    wanted = ipaddress.ip_interface("203.0.113.100/24")
    with daemon(wanted) as service:
        prepare(service)
        service.add_closed([wanted.ip])
        for line in ("set later down", "set later name renamed", "set renamed up"):
            run("ip", "-n", NODE, "link", *line.split())
        assert RulesRepaired not in {type(event) for event in watch(service, 0.1)}
        rules = run("nft", "list", "table", "netdev", "ha-monitor-test", host=NODE)
        assert 'hook egress device "renamed"' in rules
        assert service.device_of(wanted.ip) == "renamed"
        run("ip", "-n", NODE, "link", "del", "renamed")


def test_guard_closes_what_the_dead_core_had_open(service, askers):
    with inside(NODE):
        guard = AddressCloser("test", BOTH)
    serve(service)
    guard.close()
    guard.close()
    assert service.state().held == {}
    assert service.present() == {}
    assert askers["lan"].answered(VIP4, 0.02) == askers["lan"].answered(VIP6, 0.02) == set()
    guard.shutdown()


def test_guard_leaves_the_addresses_of_a_group_open_that_it_does_not_release(service):
    with inside(NODE):
        guard = AddressCloser("test", BOTH)
    serve(service)
    guard.close([VIP4])
    assert list(service.state().held) == [VIP6]
    assert list(service.present()) == [VIP6]
    guard.shutdown()


def test_guard_removes_the_addresses_even_where_no_rules_stand(service):
    with inside(NODE):
        guard = AddressCloser("test", BOTH)
    serve(service)
    run("nft", "flush", "ruleset", host=NODE)
    guard.close()
    assert service.present() == {}
    guard.shutdown()


def test_uninstall_leaves_nothing(service):
    serve(service)
    service.uninstall()
    assert service.present() == {}
    assert run("nft", "list", "ruleset", host=NODE) == ""


def test_kernel_without_nftables_gets_the_address_only_with_the_activation(node, askers, monkeypatch):
    lacking = LeaseFeatures(False, False, "no nf_tables here")
    monkeypatch.setattr(service_address.KernelLease, "features", lambda _: lacking)
    with daemon(LAN4) as service:
        prepare(service)
        assert service.protection() is Protection.USER_SPACE_LEASE
        assert service.features().missing == "no nf_tables here"
        service.add_closed([VIP4])
        service.arm(1, SECOND)
        assert service.present() == {}
        service.activate([VIP4], 1)
        assert askers["lan"].answers_all(VIP4)
        service.close([VIP4])
        assert askers["lan"].answered(VIP4, 0.02) == set()
