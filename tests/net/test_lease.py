"""The kernel's Lease, with real packets."""

import time

import pytest

from ha_monitor.errors import NetlinkError
from ha_monitor.net.lease import KernelLease, table_name
from ha_monitor.net.netlink import KernelRefused
from tests.net import hosts
from tests.net.hosts import NODE, VIP4, VIP6, inside, run

pytestmark = pytest.mark.lab
SECOND_NS = 1_000_000_000
BOX = f"{hosts.LAB}-box"
QUESTIONS = {VIP4: 5, VIP6: 5}


@pytest.fixture
def lease(node):
    with inside(node):
        kernel = KernelLease("test", [VIP4, VIP6])
    kernel.install(["lan"])
    yield kernel
    kernel.shutdown()


@pytest.fixture
def addressed(lease):
    """The service addresses stand on `lan`, closed."""
    run("ip", "-n", NODE, "addr", "add", "192.0.2.100/32", "dev", "lan")
    run("ip", "-n", NODE, "addr", "add", "2001:db8::100/128", "dev", "lan", "nodad")
    return lease


def sending() -> int:
    return time.monotonic_ns()


def open_for(lease: KernelLease, seconds: float) -> int:
    number = sending()
    lease.arm(number, int(seconds * SECOND_NS))
    lease.step({VIP4: number, VIP6: number})
    return number


def test_kernel_can_do_all_of_it(lease):
    assert lease.features().missing == ""
    assert lease.features().silences_late_announcements


def test_without_rules_every_question_on_every_device_is_answered(node, askers):
    """The questions themselves are checked: this is the planted bug for all tests of silence."""
    run("ip", "-n", NODE, "addr", "add", "192.0.2.100/32", "dev", "lan")
    run("ip", "-n", NODE, "addr", "add", "2001:db8::100/128", "dev", "lan", "nodad")
    for asker in askers.values():
        for address, count in QUESTIONS.items():
            # Linux answers solicitations only on the device of the address, ARP on every one.
            expected = count if asker.device == "lan" or address is VIP4 else 1
            answered = asker.comes_to_answer(address, expected)
            assert len(answered) >= expected, (asker.device, answered)


def test_closed_address_answers_nothing_on_any_device(addressed, askers):
    for asker in askers.values():
        assert asker.answered(VIP4) == asker.answered(VIP6) == set(), asker.device


def test_armed_alone_stays_closed_and_activation_opens_until_the_window_ends(addressed, askers):
    number = sending()
    addressed.arm(number, 700_000_000)
    assert askers["lan"].answered(VIP4, 0.02) == set()
    addressed.step({VIP4: number, VIP6: number})
    assert askers["lan"].answers_all(VIP4)
    assert askers["lan"].answers_all(VIP6)
    time.sleep(0.72)
    for asker in askers.values():
        assert asker.answered(VIP4, 0.02) == asker.answered(VIP6, 0.02) == set()


def test_closing_silences_at_once_while_the_window_still_stands(addressed, askers):
    open_for(addressed, 5)
    addressed.close(VIP4, VIP6)
    assert askers["lan"].answered(VIP4, 0.02) == askers["lan"].answered(VIP6, 0.02) == set()
    assert addressed.state().held == {}
    assert len(addressed.state().window) == 1


def test_address_that_stays_closed_does_not_open_with_the_other(addressed, askers):
    number = sending()
    addressed.arm(number, 5 * SECOND_NS)
    addressed.activate(VIP4, number)
    assert askers["lan"].answers_all(VIP4)
    assert askers["lan"].answered(VIP6, 0.02) == set()


def test_renewals_leave_no_gap_for_one_packet_in_a_thousand(addressed, askers):
    asker = askers["lan"]
    number = open_for(addressed, 2)
    answered, start = set(), time.monotonic()
    for sequence in range(1000):
        if sequence % 50 == 0:
            addressed.step({VIP4: number, VIP6: number}, (number + 1, 2 * SECOND_NS))
            number += 1
        asker.send(asker.echo4(VIP4.packed, sequence))
        for frame in asker.hear(max(0.0002, start + sequence / 1000 - time.monotonic())):
            if hosts.speaks_for(frame, VIP4) and frame[34] == 0:
                answered.add(int.from_bytes(frame[40:42], "big"))
    answered |= {int.from_bytes(f[40:42], "big") for f in asker.hear(0.05) if f[12:14] == b"\x08\x00"}
    assert len(answered) == 1000


def test_everything_else_goes_on(addressed, askers):
    for asker in askers.values():
        own = [text.format(12).split("/")[0] for text in hosts.NETWORKS[asker.device]]
        for text in own:
            assert asker.answers_all(hosts.ipaddress.ip_address(text))
    assert "1 received" in run("ping", "-c1", "-W1", "192.0.2.100", host=NODE)  # lo is left alone


def test_device_that_appears_later_is_covered_with_no_process_awake(addressed):
    hosts.join("later")
    asker = hosts.Asker("later")
    try:
        assert asker.answered(hosts.ipaddress.ip_address("203.0.113.12"), 0.05)
        assert asker.answered(VIP4, 0.05) == asker.answered(VIP6, 0.05) == set()
    finally:
        asker.close()
        run("ip", "-n", NODE, "link", "del", "later")


def test_frames_made_by_a_process_that_woke_too_late_do_not_leave(addressed, askers):
    with inside(NODE):
        sock = hosts.socket.socket(hosts.socket.AF_PACKET, hosts.socket.SOCK_RAW, 0)
    asker = askers["lan"]

    def announced() -> int:
        asker.hear(0.0)
        for address, kind in ((VIP4, 0x0806), (VIP6, 0x86DD)):
            for frame in hosts.frames.announcements(address, asker.node_mac):
                try:
                    sock.sendto(frame, ("lan", kind))
                except OSError:
                    continue
        heard = asker.hear(0.03)
        return sum(hosts.speaks_for(f, VIP4) or hosts.speaks_for(f, VIP6) for f in heard)

    open_for(addressed, 0.3)
    assert announced() == 3
    time.sleep(0.32)
    assert announced() == 0
    sock.close()


def test_published_port_of_a_container_is_silent_too(addressed, askers):
    """NAT to elsewhere comes before local delivery, so the rules must come before NAT."""
    run("nft", "add table ip nat", host=NODE)
    run("nft", "add chain ip nat pre { type nat hook prerouting priority dstnat; }", host=NODE)
    run("nft", "add rule ip nat pre ip daddr 192.0.2.100 tcp dport 9 redirect to :9", host=NODE)
    assert "tcp" not in askers["lan"].answered(VIP4, 0.02)
    open_for(addressed, 5)
    assert "tcp" in askers["lan"].answered(VIP4, 0.02)


@pytest.fixture
def container(node):
    """A namespace behind the Node, whose UDP port 9 is published on the service address."""
    run("ip", "netns", "add", BOX)
    run("ip", "-n", BOX, "link", "add", "name", "eth0", "type", "veth", "peer", "name", "box", "netns", NODE)
    for host, device, address in ((NODE, "box", "172.31.0.1/24"), (BOX, "eth0", "172.31.0.2/24")):
        run("ip", "-n", host, "addr", "add", address, "dev", device)
        run("ip", "-n", host, "link", "set", device, "up")
    run("ip", "-n", BOX, "route", "add", "default", "via", "172.31.0.1")
    run("sysctl", "-qw", "net.ipv4.ip_forward=1", host=NODE)
    run("nft", "add table ip nat", host=NODE)
    run("nft", "add chain ip nat pre { type nat hook prerouting priority dstnat; }", host=NODE)
    run("nft", "add rule ip nat pre fib daddr type local udp dport 9 dnat to 172.31.0.2", host=NODE)
    with inside(BOX):
        served = hosts.socket.socket(hosts.socket.AF_INET, hosts.socket.SOCK_DGRAM)
        served.bind(("", 9))
    served.settimeout(0.2)
    yield served
    served.close()
    run("ip", "netns", "del", BOX)
    run("sysctl", "-qw", "net.ipv4.ip_forward=0", host=NODE)


@pytest.fixture
def client(node):
    """A UDP socket of the stranger's."""
    with inside(hosts.STRANGER):
        sock = hosts.socket.socket(hosts.socket.AF_INET, hosts.socket.SOCK_DGRAM)
    sock.settimeout(0.2)
    yield sock
    sock.close()


def test_container_behind_the_address_hears_and_says_nothing_once_it_is_closed(addressed, container, client):
    open_for(addressed, 5)
    client.sendto(b"question", (str(VIP4), 9))
    question, asker = container.recvfrom(99)
    container.sendto(b"answer", asker)
    assert (question, client.recv(99)) == (b"question", b"answer")
    addressed.close(VIP4)
    container.sendto(b"too late", asker)
    with pytest.raises(TimeoutError):
        client.recv(99)
    client.sendto(b"again", (str(VIP4), 9))
    with pytest.raises(TimeoutError):
        container.recv(99)


def test_container_on_a_node_reaches_the_owner_elsewhere(lease, container):
    """The Node forwards: the address is not its own."""
    run("ip", "-n", hosts.STRANGER, "addr", "add", "192.0.2.100/32", "dev", "lan")
    run("ip", "-n", hosts.STRANGER, "route", "add", "172.31.0.0/24", "via", "192.0.2.12")
    assert "1 received" in run("ping", "-c1", "-W1", "192.0.2.100", host=BOX)
    run("ip", "-n", hosts.STRANGER, "route", "del", "172.31.0.0/24")


def test_question_that_bears_a_service_address_itself_gets_no_answer(lease, askers):
    second = hosts.ipaddress.ip_address("192.0.2.200")
    with inside(NODE):
        both = KernelLease("test", [VIP4, second])
    both.install(["lan"])
    run("ip", "-n", NODE, "addr", "add", "192.0.2.100/32", "dev", "lan")
    for asker in askers.values():
        asker.send(hosts.frames.arp_frame(1, asker.mac, second.packed, bytes(6), VIP4.packed))
        assert not any(hosts.speaks_for(frame, VIP4) for frame in asker.hear(0.05)), asker.device
    both.shutdown()


def test_announcement_by_the_owner_is_learnt_while_closed_here(lease, askers):
    asker = askers["lan"]
    run(
        "ip",
        "-n",
        NODE,
        "neigh",
        "replace",
        "192.0.2.100",
        "lladdr",
        "02:00:00:00:00:99",
        "nud",
        "stale",
        "dev",
        "lan",
    )
    for frame in hosts.frames.announcements(VIP4, asker.mac):
        asker.send(frame)
    time.sleep(0.02)
    assert asker.mac.hex(":") in run("ip", "-n", NODE, "neigh", "show", "192.0.2.100")


def test_node_still_reaches_the_owner_elsewhere(lease, node):
    run("ip", "-n", hosts.STRANGER, "addr", "add", "192.0.2.100/32", "dev", "lan")
    run("ip", "-n", hosts.STRANGER, "addr", "add", "2001:db8::100/128", "dev", "lan", "nodad")
    assert "1 received" in run("ping", "-c1", "-W1", "192.0.2.100", host=NODE)
    assert "1 received" in run("ping", "-c1", "-W1", "2001:db8::100", host=NODE)


def test_installing_again_leaves_what_is_open_open(addressed, askers):
    number = open_for(addressed, 5)
    with inside(NODE):
        restarted = KernelLease("test", [VIP4, VIP6])
    restarted.install(["lan"])
    assert restarted.state().held == {VIP4: number, VIP6: number}
    assert number in restarted.state().window
    assert askers["lan"].answers_all(VIP4)
    with pytest.raises(NetlinkError, match="used already"):
        restarted.arm(number, SECOND_NS)
    restarted.shutdown()


def test_other_process_can_close_what_this_one_opened(addressed, askers):
    with inside(NODE):
        guard = KernelLease("test", [VIP4, VIP6])
    open_for(addressed, 5)
    guard.close(VIP4, VIP6)
    assert askers["lan"].answered(VIP4, 0.02) == askers["lan"].answered(VIP6, 0.02) == set()
    number = open_for(addressed, 5)  # what it remembers is wrong; it reads back and goes on
    assert addressed.state().held == {VIP4: number, VIP6: number}
    guard.shutdown()


def test_configuration_with_other_addresses_forgets_the_old(addressed):
    open_for(addressed, 5)
    with inside(NODE):
        changed = KernelLease("test", [VIP6])
    changed.install(["lan"])
    assert set(changed.state().held) == {VIP6}
    assert "192.0.2.100" not in run("nft", "list", "ruleset", host=NODE)
    changed.shutdown()


def test_two_clusters_share_a_host(addressed, askers):
    other = hosts.ipaddress.ip_address("192.0.2.12")
    with inside(NODE):
        second = KernelLease("other", [other])
    second.install()
    assert askers["lan"].answered(other, 0.02) == set()
    open_for(addressed, 5)
    assert askers["lan"].answers_all(VIP4)
    second.uninstall()
    assert askers["lan"].answers_all(other)
    assert addressed.is_intact()
    second.shutdown()


@pytest.mark.parametrize(
    "harm",
    [
        "flush ruleset",
        "flush table inet ha-monitor-test",
        "delete table arp ha-monitor-test",
        "delete chain netdev ha-monitor-test egress-lan",
        "flush chain inet ha-monitor-test to4",
        "delete element inet ha-monitor-test service4 { 192.0.2.100 }",
    ],
)
def test_harm_by_others_is_noticed_and_mended(addressed, askers, harm):
    open_for(addressed, 5)
    assert addressed.is_intact()
    run("nft", harm, host=NODE)
    assert not addressed.is_intact()
    addressed.install(["lan"])
    assert addressed.is_intact()
    addressed.close(VIP4, VIP6)
    assert askers["lan"].answered(VIP4, 0.02) == askers["direct"].answered(VIP6, 0.02) == set()


def test_flushed_rules_come_back_closed(addressed, askers):
    open_for(addressed, 5)
    run("nft", "flush", "ruleset", host=NODE)
    assert askers["lan"].answers_all(VIP4)  # nobody guards it
    addressed.install(["lan"])
    assert askers["lan"].answered(VIP4, 0.02) == askers["lan"].answered(VIP6, 0.02) == set()


def test_step_without_rules_is_refused(lease):
    run("nft", "delete", "table", "arp", "ha-monitor-test", host=NODE)
    with pytest.raises(KernelRefused, match="No such file"):
        lease.arm(sending(), SECOND_NS)


def test_sendings_that_ran_out_do_not_pile_up(lease):
    number = sending()
    for i in range(200):
        lease.step({VIP4: number + i}, (number + i + 1, 20_000_000))
    time.sleep(1.5)
    assert len(lease.state().window) == 0


def test_window_shorter_than_the_kernels_grain_is_never_written(lease):
    with pytest.raises(NetlinkError, match="below"):
        lease.arm(sending(), 19_999_999)
    assert lease.state().window == {}


def test_sending_is_armed_once(lease):
    number = sending()
    lease.arm(number, SECOND_NS)
    with pytest.raises(NetlinkError, match="used already"):
        lease.arm(number, SECOND_NS)


def test_listing_of_the_rules_can_be_saved_and_loaded_and_is_closed_then(addressed, askers, tmp_path):
    open_for(addressed, 5)
    saved = tmp_path / "rules"
    saved.write_text("flush ruleset\n" + run("nft", "list", "ruleset", host=NODE))
    run("nft", "-f", str(saved), host=NODE)
    assert askers["lan"].answered(VIP4, 0.02) == askers["lan"].answered(VIP6, 0.02) == set()
    addressed.install(["lan"])
    open_for(addressed, 5)
    assert askers["lan"].answers_all(VIP4)


def test_uninstall_leaves_the_rules_of_others(lease):
    run("nft", "add table inet mine", host=NODE)
    lease.uninstall()
    assert run("nft", "list", "ruleset", host=NODE).split() == ["table", "inet", "mine", "{", "}"]


def test_device_that_vanished_between_listing_and_installing_is_no_obstacle(lease):
    number = open_for(lease, 5)
    lease.install(["lan", "gone0"])
    assert lease.is_intact()
    assert lease.state().held == {VIP4: number, VIP6: number}
    assert "egress-lan" in run("nft", "list", "ruleset", host=NODE)


@pytest.mark.parametrize("name", ["", "two words", "a/b", "x" * 65])
def test_cluster_name_that_no_table_can_bear_is_refused(name):
    with pytest.raises(NetlinkError, match="cannot name a table"):
        table_name(name)
