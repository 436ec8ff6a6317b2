"""Between the core's words and the kernel's, with a kernel that is played."""

import ipaddress

import pytest

from ha_monitor.core import events as ev
from ha_monitor.errors import NetlinkError
from ha_monitor.model import ClusterConfig, Group, Protection, Resource, ResourceKind
from ha_monitor.net import service_address as net
from ha_monitor.net.monitor import CarrierChanged
from ha_monitor.runtime.kernel_io import (
    AGAIN_NS,
    LOOK_EVERY_NS,
    MACS_EVERY_NS,
    REPAIR_SHOWN_NS,
    ServiceKernel,
)
from tests.runtime.fakes import Clock
from tests.runtime.test_orders import NODES

V4, V6 = (ipaddress.ip_interface(text) for text in ("192.0.2.100/24", "2001:db8::100/64"))
GROUP = Group(
    "www",
    ("pub2", "pub3"),
    tuple(Resource(str(v.ip), ResourceKind.VIP, address=v) for v in (V4, V6)),
)
CONFIG = ClusterConfig("web", NODES, None, (GROUP,))
NAMES = ("192.0.2.100", "2001:db8::100")


class PlayedNet:
    """What `net.ServiceAddresses` would say and do."""

    def __init__(self):
        self.told = []
        self.devices = {V4.ip: "lan", V6.ip: "lan", NODES[0].addresses["lan"]: "lan"}
        self.without_carrier = set()
        self.level = Protection.KERNEL_LEASE
        self.refuses = False
        self.unreadable = set()  # what raises as if the kernel had no memory for its answer
        self.calls = []

    def _ask(self, what):
        if what in self.unreadable:
            raise NetlinkError(f"{what}: no buffer space")

    def filenos(self):
        return (3, 4)

    def read(self, at_ns):
        self._ask("read")
        told, self.told = self.told, []
        return tuple(told)

    def tick(self, at_ns):
        self._ask("tick")
        return ()

    def next_deadline_ns(self):
        return None

    def protection(self):
        return self.level

    def device_of(self, address):
        self._ask("device")
        return self.devices.get(address)

    def has_carrier(self, address):
        self._ask("carrier")
        device = self.devices.get(address)
        return device is not None and device not in self.without_carrier

    def learn_node_macs(self, addresses):
        self._ask("neighbours")
        self.calls.append(("learn", tuple(addresses)))

    def _do(self, *call):
        if self.refuses:
            raise NetlinkError("no buffer space")
        self.calls.append(call)

    def arm(self, sending, timeout_ns):
        self._do("arm", sending)

    def close(self, addresses):
        self._do("close", tuple(addresses))

    def add_closed(self, addresses):
        self._do("add", tuple(addresses))

    def probe(self, addresses, at_ns):
        self._do("probe", tuple(addresses))

    def activate(self, addresses, sending):
        self._do("activate", tuple(addresses), sending)


@pytest.fixture
def played():
    return PlayedNet()


@pytest.fixture
def kernel(played):
    made = ServiceKernel(CONFIG, NODES[0], played, Clock(1))
    made.tick(0)
    return made


def test_lost_carrier_names_link_and_service_addresses_of_the_device(kernel, played):
    played.told = [CarrierChanged("lan", False)]
    assert kernel.read(1) == [ev.CarrierChanged("lan", NAMES, False)]


def test_carrier_of_a_device_that_bears_nothing_of_ours_is_no_news(kernel, played):
    played.told = [CarrierChanged("eth9", False)]
    assert kernel.read(1) == []


def test_address_whose_network_went_with_its_device_is_regained_when_that_comes_again(kernel, played):
    played.told = [CarrierChanged("lan", False)]
    kernel.read(1)
    del played.devices[V6.ip]  # the device lost its IPv6 addresses when it went down
    played.told = [CarrierChanged("lan", True)]
    assert kernel.read(2) == [ev.CarrierChanged("lan", NAMES[:1], True)]
    assert kernel.tick(LOOK_EVERY_NS) == []
    played.devices[V6.ip] = "lan"
    assert kernel.tick(2 * LOOK_EVERY_NS) == [ev.CarrierChanged("", NAMES[1:], True)]
    assert kernel.tick(3 * LOOK_EVERY_NS) == []


def test_missing_carrier_at_start_is_found_by_looking(played):
    played.without_carrier = {"lan"}
    events = ServiceKernel(CONFIG, NODES[0], played, Clock(1)).tick(0)
    assert [event for event in events if isinstance(event, ev.CarrierChanged)] == [
        ev.CarrierChanged("", (name,), False) for name in NAMES
    ]


def test_removed_rules_lower_the_protection_for_a_while_and_name_who_did_it(kernel, played):
    played.told = [net.RulesRepaired("nft")]
    (event,) = kernel.read(10)
    assert (event.level, event.detail) == (1, "rules were removed by nft and put back")
    assert kernel.read(10 + REPAIR_SHOWN_NS - 1) == []
    assert kernel.tick(10 + REPAIR_SHOWN_NS) == [ev.ProtectionChanged(2, "")]


def test_kernel_without_rules_leaves_the_end_of_the_lease_to_the_guard(played):
    played.level = Protection.USER_SPACE_LEASE
    kernel = ServiceKernel(CONFIG, NODES[0], played, Clock(1_000))
    events = kernel.tick(0)
    assert [e.level for e in events if isinstance(e, ev.ProtectionChanged)] == [1]
    kernel.arm("www", 5, 900)
    kernel.activate(NAMES, 5)
    assert kernel.user_lease_ends_ns == 1_900
    kernel.arm("www", 6, 1_200)
    kernel.activate(NAMES[1:], 6)
    assert kernel.user_lease_ends_ns == 1_900, "of the first that must be gone"
    assert kernel.close(NAMES[:1])
    assert kernel.user_lease_ends_ns == 2_200, "the other one stays open"
    assert kernel.close(NAMES)
    assert kernel.user_lease_ends_ns == 0


def test_group_without_addresses_needs_no_window(kernel, played):
    assert kernel.arm("_reporter", 5, 900)
    assert ("arm", 5) not in played.calls


def test_refusals_of_the_kernel_become_answers(kernel, played):
    played.refuses = True
    assert not kernel.arm("www", 5, 900)
    assert not kernel.close(NAMES)
    assert kernel.add("www") == "no buffer space"
    assert kernel.probe(NAMES, 1) == [ev.DuplicateProbed("www", name, "") for name in NAMES]


def test_claim_of_a_stranger_is_told_and_one_of_a_node_is_not(kernel, played):
    played.told = [net.CompetingClaim(V4.ip, "02:00:00:00:00:01", "lan", is_node=False)]
    assert kernel.read(1) == [ev.CompetingClaimHeard(NAMES[0], "02:00:00:00:00:01")]
    played.told = [net.CompetingClaim(V4.ip, "02:00:00:00:00:02", "lan", is_node=True)]
    assert kernel.read(2) == []


def test_probe_and_removal_are_told_by_the_resources_names(kernel, played):
    played.told = [net.DuplicateProbed(V6.ip, ""), net.AddressVanished(V4.ip)]
    assert kernel.read(1) == [ev.DuplicateProbed("www", NAMES[1], ""), ev.AddressRemoved(NAMES[0])]


@pytest.mark.parametrize("what", ["read", "tick", "device", "carrier"])
def test_kernel_that_could_not_be_read_is_asked_again_and_nothing_it_told_is_lost(kernel, played, what):
    played.told, played.without_carrier = [net.AddressVanished(V4.ip), CarrierChanged("lan", False)], {"lan"}
    played.unreadable = {what}
    at_ns = LOOK_EVERY_NS
    told = [*kernel.read(at_ns), *kernel.tick(at_ns)]
    assert (kernel.filenos(), kernel.next_deadline_ns()) == ((), at_ns + AGAIN_NS)
    played.unreadable = set()
    told += kernel.tick(at_ns + AGAIN_NS)
    assert [e for e in told if not isinstance(e, ev.ProtectionChanged)] == [
        ev.AddressRemoved(NAMES[0]),
        ev.CarrierChanged("lan", NAMES, False),
    ]
    assert kernel.filenos() == (3, 4)
    assert kernel.next_deadline_ns() > at_ns + AGAIN_NS


def test_kernel_that_cannot_be_read_lowers_the_protection_once_and_as_long_as_it_lasts(kernel, played):
    changes, at_ns = [], 1
    while at_ns < 3 * REPAIR_SHOWN_NS:
        played.unreadable = {"tick"} if at_ns % 2 else {"read", "tick"}  # each time for another reason
        changes += kernel.tick(at_ns)
        at_ns = kernel.next_deadline_ns() + 1
    (change,) = changes
    assert change.level == Protection.USER_SPACE_LEASE
    assert change.detail.startswith("the kernel could not be read")
    assert change.detail.endswith("tick: no buffer space")
    played.unreadable = set()
    assert kernel.tick(at_ns) == []
    assert kernel.tick(at_ns + REPAIR_SHOWN_NS) == [ev.ProtectionChanged(Protection.KERNEL_LEASE, "")]


def test_neighbours_that_cannot_be_read_are_read_another_time(kernel, played):
    played.unreadable = {"neighbours"}
    assert kernel.tick(MACS_EVERY_NS) == []
    assert kernel.filenos() == (3, 4)


def test_view_names_no_device_while_the_kernel_cannot_be_read(kernel, played):
    assert kernel.device(NAMES[0]) == "lan"
    played.unreadable = {"device"}
    assert kernel.device(NAMES[0]) == ""
