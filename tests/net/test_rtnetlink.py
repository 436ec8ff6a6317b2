import ipaddress
import time

import pytest

from ha_monitor.net import rtnetlink as rt
from ha_monitor.net.netlink import attribute, text
from tests.net import hosts
from tests.net.hosts import LAN4, LAN6, NODE, VIP4, VIP6, inside, run


def host(address, index=2, flags=rt.IFA_F_PERMANENT):
    return rt.HostAddress(ipaddress.ip_interface(address), index, flags)


@pytest.mark.parametrize("address", ["192.0.2.100/24", "2001:db8::100/64"])
@pytest.mark.parametrize("seconds", [None, 0, 10])
def test_address_comes_back_from_its_bytes(address, seconds):
    one = rt.HostAddress(ipaddress.ip_interface(address), 7, rt.IFA_F_NOPREFIXROUTE, 10, seconds)
    assert rt.read_address(rt.write_address(one)) == one


def test_address_of_another_family_is_passed_over():
    assert rt.read_address(rt.IFADDR.pack(28, 0, 0, 0, 1) + attribute(1, b"abcd")) is None


@pytest.mark.parametrize(
    ("flags", "has_carrier"), [(0x1043, True), (0x1003, False), (0x1042, False), (0, False)]
)
def test_device_has_carrier_if_it_is_up_and_runs(flags, has_carrier):
    body = rt.IFINFO.pack(0, 1, 3, flags, 0) + text(3, "lan") + attribute(1, bytes(range(6)))
    assert rt.read_device(body) == rt.Device(3, "lan", "00:01:02:03:04:05", has_carrier)


OWN = [
    host("127.0.0.1/8", 1),
    host("10.0.0.2/8", 2),
    host("10.1.0.2/16", 3),
    host("192.0.2.12/32", 4),
    host("2001:db8::c/64", 5),
    host("10.1.0.99/24", 6),
]


@pytest.mark.parametrize(
    ("address", "index"),
    [
        ("10.9.9.9", 2),
        ("10.1.9.9", 3),  # the narrower network wins
        ("192.0.2.13", None),  # a /32 leads nowhere
        ("192.0.2.12", 4),  # but bears itself
        ("2001:db8::100", 5),
        ("2001:db8:1::1", None),
        ("10.1.0.7", 3),  # 10.1.0.99 is a service address itself and counts for nothing
    ],
)
def test_device_for_an_address_is_the_one_in_its_network(address, index):
    service = [ipaddress.ip_address("10.1.0.99")]
    assert rt.device_for(ipaddress.ip_address(address), OWN, service) == index


@pytest.mark.parametrize(("index", "form"), [(2, "10.0.0.100/32"), (5, "10.0.0.100/24")])
def test_address_stands_alone_where_the_device_is_in_its_network(index, form):
    wanted = ipaddress.ip_interface("10.0.0.100/24")
    assert rt.service_form(wanted, index, OWN, 10).interface == ipaddress.ip_interface(form)


def test_ipv6_service_address_is_never_chosen_as_source():
    asked = rt.ServiceForm(LAN6, 2, 10).as_host_address()
    assert (asked.valid_s, asked.preferred_s, asked.flags) == (10, 0, rt.IFA_F_NODAD)


# With a real kernel


@pytest.fixture
def route(node):
    with inside(node):
        sock = rt.RouteSocket()
    yield sock
    sock.close()


def lan(route):
    return next(device for device in route.devices() if device.name == "lan")


def standing():
    import json

    shown = json.loads(run("ip", "-j", "addr", "show", "dev", "lan", host=NODE))
    return {one["local"]: one for one in shown[0]["addr_info"] if one["scope"] == "global"}


@pytest.mark.lab
def test_devices_and_addresses_are_those_that_ip_shows(route):
    device = lan(route)
    assert rt.mac_bytes(device.mac) == hosts.mac_of(NODE, "lan")
    assert device.has_carrier
    found = {str(a.interface.ip) for a in route.addresses() if a.device_index == device.index and not a.scope}
    assert found == set(standing())


@pytest.mark.lab
def test_service_address_is_added_twice_and_removed_twice(route):
    for wanted in (LAN4, LAN6):
        one = rt.service_form(wanted, lan(route).index, route.addresses(), 30).as_host_address()
        route.add(one)
        route.add(one)
        shown = standing()[str(wanted.ip)]
        assert shown["valid_life_time"] in (29, 30)
        assert shown["prefixlen"] == wanted.max_prefixlen
        route.remove(one)
        route.remove(one)
        assert str(wanted.ip) not in standing()


@pytest.mark.lab
def test_adding_again_gives_new_life(route):
    for wanted in (LAN4, LAN6):
        route.add(rt.ServiceForm(wanted, lan(route).index, 5).as_host_address())
        route.add(rt.ServiceForm(wanted, lan(route).index, 50).as_host_address())
        assert standing()[str(wanted.ip)]["valid_life_time"] in (49, 50)
        route.remove(rt.ServiceForm(wanted, lan(route).index, 5).as_host_address())


@pytest.mark.lab
def test_address_that_nobody_refreshes_is_gone_after_its_life(route):
    for wanted in (LAN4, LAN6):
        route.add(rt.ServiceForm(wanted, lan(route).index, 2).as_host_address())
    assert {str(VIP4), str(VIP6)} <= set(standing())
    until = time.monotonic() + 5
    while time.monotonic() < until and {str(VIP4), str(VIP6)} & set(standing()):
        time.sleep(0.1)
    assert not {str(VIP4), str(VIP6)} & set(standing())


@pytest.mark.lab
def test_ipv6_service_address_can_be_bound_at_once(route):
    form = rt.service_form(LAN6, lan(route).index, route.addresses(), 30).as_host_address()
    with inside(NODE), hosts.socket.socket(hosts.socket.AF_INET6, hosts.socket.SOCK_DGRAM) as sock:
        run("sysctl", "-qw", "net.ipv6.conf.lan.accept_dad=1", host=NODE)
        try:
            route.add(form)
            sock.bind((str(VIP6), 0))
        finally:
            run("sysctl", "-qw", "net.ipv6.conf.lan.accept_dad=0", host=NODE)
            route.remove(form)


@pytest.mark.lab
def test_removal_takes_no_other_address_of_the_network_along(route):
    """The service address came first, so the Node's own is secondary to it, as after a boot."""
    index = lan(route).index
    run("sysctl", "-qw", "net.ipv4.conf.all.promote_secondaries=0", host=NODE)
    run("sysctl", "-qw", "net.ipv4.conf.lan.promote_secondaries=0", host=NODE)
    first = rt.ServiceForm(ipaddress.ip_interface("203.0.113.100/24"), index, 30).as_host_address()
    route.add(first)
    run("ip", "-n", NODE, "addr", "add", "203.0.113.5/24", "brd", "+", "dev", "lan", "label", "lan:own")
    before = standing()["203.0.113.5"]
    assert before["secondary"]
    route.remove(first)
    after = standing()
    assert "203.0.113.100" not in after
    assert {k: after["203.0.113.5"][k] for k in ("label", "broadcast")} == {
        "label": "lan:own",
        "broadcast": "203.0.113.255",
    }
    run("ip", "-n", NODE, "addr", "del", "203.0.113.5/24", "dev", "lan")


@pytest.mark.lab
def test_removing_from_a_device_that_is_gone_is_fine(route):
    route.remove(rt.ServiceForm(LAN4, 99, 5).as_host_address())


@pytest.mark.lab
def test_adding_to_a_device_that_is_gone_is_refused_with_the_address_named(route):
    with pytest.raises(rt.KernelRefused, match=r"192\.0\.2\.100/24 to device 99: No such device"):
        route.add(rt.ServiceForm(LAN4, 99, 5).as_host_address())


@pytest.mark.lab
def test_neighbours_tell_the_macs_of_the_other_nodes(route):
    run("ping", "-c1", "-W1", "192.0.2.9", host=NODE)
    known = route.neighbours()
    assert known[ipaddress.ip_address("192.0.2.9")] == rt.mac_text(hosts.mac_of(hosts.STRANGER, "lan"))
