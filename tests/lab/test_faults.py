"""Each fault does what its name says, is remembered, and is healed."""

import socket
import time
from collections.abc import Iterator

import pytest

from ha_monitor.lab import faults
from ha_monitor.lab.cast import CAST
from ha_monitor.lab.faults import FAULTS
from ha_monitor.lab.host import Host
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.roles import daemon_processes

pytestmark = pytest.mark.lab
PAIRS = (("pub2", "pub3"), ("pub2", "mon"), ("pub2", "client"), ("pub3", "mon"), ("pub3", "client"))


@pytest.fixture
def healed(lab: Lab) -> Iterator[Lab]:
    yield lab
    faults.heal(lab)


def hears(lab: Lab, receiver: str, sender: str, link: str = "lan", count: int = 1) -> int:
    """How many of ``count`` datagrams arrive. No ARP stands in the way: neighbours are written in."""
    to, source = lab.host(receiver), lab.host(sender)
    introduce(source, to, link)
    with (
        to.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox,
        source.socket(socket.AF_INET, socket.SOCK_DGRAM) as outbox,
    ):
        inbox.bind((to.member.v4(link), 7008))
        inbox.settimeout(0.1)
        arrived = 0
        for _ in range(count):
            outbox.sendto(b"x", inbox.getsockname())
        try:
            while inbox.recv(16):
                arrived += 1
        except TimeoutError:
            return arrived


_introduced = set()


def introduce(host: Host, other: Host, link: str) -> None:
    """Once for each pair and power-on; it is what takes most of the time."""
    meeting = (host.init(), other.init(), link)
    if meeting not in _introduced:
        address, mac = other.member.v4(link), other.member.mac(link)
        host.exec(["ip", "neigh", "replace", address, "lladdr", mac, "dev", link, "nud", "permanent"])
        _introduced.add(meeting)


def who_hears_whom(lab: Lab, link: str = "lan") -> set[str]:
    directed = [pair for a, b in PAIRS for pair in ((a, b), (b, a))]
    found = set()
    for sender, receiver in directed:
        if link in CAST[sender].links and link in CAST[receiver].links and hears(lab, receiver, sender, link):
            found.add(f"{sender}>{receiver}")
    return found


ALL_ON_LAN = {f"{a}>{b}" for pair in PAIRS for a, b in (pair, pair[::-1])}
BETWEEN_NODES = {"pub2>pub3", "pub3>pub2"}
PUB2_AND_MON = {"pub2>mon", "mon>pub2"}


def strike(lab: Lab, fault: str, host: str = "pub2", **chosen: object) -> None:
    faults.strike(lab, FAULTS[fault].blow(host, **chosen))


def carrier(lab: Lab, host: str, link: str) -> str:
    return lab.host(host).exec(["cat", f"/sys/class/net/{link}/carrier"]).stdout.strip()


def test_without_a_fault_everybody_hears_everybody(lab: Lab):
    assert who_hears_whom(lab) == ALL_ON_LAN
    assert who_hears_whom(lab, "direct") == BETWEEN_NODES


def test_partition_cuts_the_nodes_on_every_link_and_nothing_else(healed: Lab):
    strike(healed, "partition")
    assert who_hears_whom(healed) == ALL_ON_LAN - BETWEEN_NODES
    assert who_hears_whom(healed, "direct") == set()
    faults.heal(healed)
    assert who_hears_whom(healed) == ALL_ON_LAN
    assert who_hears_whom(healed, "direct") == BETWEEN_NODES


def test_partition_with_the_witness_far_leaves_the_client_reaching_both(healed: Lab):
    strike(healed, "partition", witness="far")
    assert who_hears_whom(healed) == ALL_ON_LAN - BETWEEN_NODES - PUB2_AND_MON
    assert who_hears_whom(healed, "direct") == set()


def test_one_way_silences_the_host_for_its_peer_only(healed: Lab):
    strike(healed, "one-way")
    assert who_hears_whom(healed) == ALL_ON_LAN - {"pub2>pub3"}
    assert who_hears_whom(healed, "direct") == {"pub3>pub2"}


def test_a_partition_stops_broadcasts_as_well(healed: Lab):
    strike(healed, "partition")
    healed.host("pub2").exec(["ip", "neigh", "flush", "dev", "lan", "nud", "all"])
    _introduced.clear()
    done = healed.host("pub2").exec(["ping", "-c1", "-W1", CAST["pub3"].v4()], check=False)
    assert done.returncode != 0


def test_lose_loses_the_share_it_says(healed: Lab):
    assert hears(healed, "client", "pub2", count=200) == 200
    strike(healed, "lose")
    assert 200 * 0.65 < hears(healed, "client", "pub2", count=200) < 200 * 0.95
    assert 200 * 0.65 < hears(healed, "pub2", "client", count=200) < 200 * 0.95
    assert hears(healed, "client", "pub3", count=200) == 200


def test_unplug_takes_the_carrier_and_heal_brings_it_back(healed: Lab):
    strike(healed, "unplug")
    assert carrier(healed, "pub2", "lan") == "0"
    assert carrier(healed, "pub2", "direct") == "1"
    assert carrier(healed, "pub3", "lan") == "1"
    faults.heal(healed)
    assert carrier(healed, "pub2", "lan") == "1"
    assert who_hears_whom(healed) == ALL_ON_LAN


def test_blackhole_keeps_the_carrier_and_lets_nothing_pass(healed: Lab):
    strike(healed, "blackhole")
    assert carrier(healed, "pub2", "lan") == "1"
    assert who_hears_whom(healed) == {pair for pair in ALL_ON_LAN if "pub2" not in pair}
    assert who_hears_whom(healed, "direct") == BETWEEN_NODES
    faults.heal(healed)
    assert who_hears_whom(healed) == ALL_ON_LAN


def test_two_faults_at_once_are_healed_together_by_another_process(healed: Lab):
    strike(healed, "partition")
    strike(healed, "unplug", host="pub3", link="direct")
    assert [blow.fault for blow in faults.heal(Lab(healed.name))] == ["unplug", "partition"]
    assert who_hears_whom(healed) == ALL_ON_LAN
    assert who_hears_whom(healed, "direct") == BETWEEN_NODES
    assert faults.active(healed) == []


def test_one_fault_can_be_healed_while_another_goes_on(healed: Lab):
    strike(healed, "partition")
    strike(healed, "unplug", host="pub3", link="direct")
    partition, unplug = faults.active(healed)
    faults.heal_one(healed, partition)
    faults.heal_one(healed, partition)
    assert who_hears_whom(healed) == ALL_ON_LAN
    assert carrier(healed, "pub3", "direct") == "0"
    assert faults.active(healed) == [unplug]


def test_a_partition_survives_the_power_coming_back(healed: Lab):
    strike(healed, "partition")
    healed.host("pub3").power_off()
    healed.host("pub3").power_on()
    faults.apply_filters(healed)
    assert who_hears_whom(healed) == ALL_ON_LAN - BETWEEN_NODES


ROLES = ("guard", "core", "worker", "publisher")


@pytest.fixture
def impostors(lab: Lab) -> Iterator[Lab]:
    """Processes that are called as ha-monitor's are."""
    host = lab.host("pub2")
    for role in ROLES:
        host.register(role, ["bash", "-c", f"exec -a 'ha-monitor: {role}' sleep 1000"])
        host.start(role)
    deadline = time.monotonic() + 5
    while len(daemon_processes(host)) < len(ROLES) and time.monotonic() < deadline:
        time.sleep(0.01)
    yield lab
    for process in daemon_processes(host):
        process.signal(9)
    with lab.state.change() as state:
        state.daemons.clear()


def states(lab: Lab) -> dict[str, str]:
    host = lab.host("pub2")
    found = {}
    for role in ROLES:
        for process in daemon_processes(host, role):
            with open(f"/proc/{process.pid}/stat") as file:
                found[role] = file.read().rpartition(")")[2].split()[0]
    return found


def eventually(lab: Lab, wanted: dict[str, str]) -> bool:
    """A signal takes effect when the process is scheduled: on a busy machine, not at once."""
    deadline = time.monotonic() + 20
    while (now := states(lab)) != {**now, **wanted} and time.monotonic() < deadline:
        time.sleep(0.02)
    return now == {**now, **wanted}


def test_kill_takes_one_process_or_all(impostors: Lab):
    strike(impostors, "kill", process="worker")
    assert eventually_left(impostors, {"guard", "core", "publisher"})
    strike(impostors, "kill")
    assert eventually_left(impostors, set())
    with impostors.state.change() as state:
        state.faults.clear()


def eventually_left(lab: Lab, roles: set[str]) -> bool:
    """A killed process is there until the kernel has ended it."""
    deadline = time.monotonic() + 20
    while set(states(lab)) != roles and time.monotonic() < deadline:
        time.sleep(0.02)
    return set(states(lab)) == roles


def test_freeze_stops_and_heal_continues(impostors: Lab):
    strike(impostors, "freeze", process="core")
    assert eventually(impostors, {"core": "T", "guard": "S"})
    faults.heal(impostors)
    assert eventually(impostors, {"core": "S"})
    strike(impostors, "freeze")
    assert eventually(impostors, dict.fromkeys(ROLES, "T"))
    faults.heal(impostors)
    assert eventually(impostors, dict.fromkeys(ROLES, "S"))


def test_an_unknown_process_link_and_host_without_power_are_named(healed: Lab):
    with pytest.raises(LabError, match="'boss' is not a process of ha-monitor: guard, core"):
        strike(healed, "kill", process="boss")
    with pytest.raises(LabError, match="pub2 is on no Link 'moon': lan, direct"):
        strike(healed, "unplug", link="moon")
    with pytest.raises(LabError, match="pub2: no process of ha-monitor runs there"):
        strike(healed, "kill")
    assert faults.active(healed) == []
    strike(healed, "power-off")
    with pytest.raises(LabError, match="pub2: has no power; heal it first"):
        strike(healed, "freeze")


def test_service_crash_takes_the_master_of_a_web_server_and_its_workers():
    class Process:
        def __init__(self, *argv: str) -> None:
            self.argv = argv

    class Machine:
        def processes(self) -> list[Process]:
            return [
                Process("nginx: master process /usr/sbin/nginx -e /run/e.log -c /etc/lab-web/nginx.conf"),
                Process("nginx: worker process"),
                Process("/usr/sbin/apache2", "-D", "FOREGROUND"),
                Process("/bin/sh", "-c", "/etc/lab-web/control status"),
            ]

    struck = faults.web_servers(Machine())  # type: ignore[arg-type]
    assert [p.argv[0].split()[0] for p in struck] == ["nginx:", "nginx:", "/usr/sbin/apache2"]


def test_a_cut_between_nodes_catches_what_ucarp_sends_from_a_mac_of_its_own():
    drops = faults._partition_drops(FAULTS["partition"].blow("pub2"))
    caught = {drop.port for drop in drops if drop.from_mac == faults.VIRTUAL_MAC}
    assert caught == {"pub2-lan", "pub2-direct", "pub3-lan", "pub3-direct"}
    one_way = faults._one_way_drops(FAULTS["one-way"].blow("pub2"))
    assert {drop.port for drop in one_way} == {"pub3-lan", "pub3-direct"}
