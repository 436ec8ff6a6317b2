"""The observers against an owner whose doings are known."""

import signal
import time

import pytest

from ha_monitor.lab.cast import SERVICE_V4, SERVICE_V6
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.observation import Observation, who_answers
from tests.lab.trivial_owner import announce, disown, own

pytestmark = pytest.mark.lab
MS = 1_000_000


@pytest.fixture
def nobody_owns(lab: Lab):
    yield
    for name in ("pub2", "pub3"):
        disown(lab.host(name))


@pytest.mark.usefixtures("nobody_owns")
@pytest.mark.parametrize("address", [SERVICE_V4, SERVICE_V6])
def test_a_healthy_owner_shows_no_outage_and_no_double(lab: Lab, address: str):
    own(lab.host("pub2"))
    with Observation(lab, address) as seen:
        assert seen.wait_for(lambda: seen.owner() == "pub2")
        began = time.monotonic_ns()
        time.sleep(1)
        ended = time.monotonic_ns()
        seen.wait_until(ended)
        assert seen.outage(began, ended, ended).outage_ns < 100 * MS
        assert seen.double_observer_ns(began, ended) == 0
        assert seen.double_kernel_ns(began, ended) == 0
        rounds = [answer.first_ns for answer in seen.asker.answers if began <= answer.first_ns <= ended]
        assert len(rounds) > 150, "the arp host asks about every 4 ms"
    assert who_answers(lab, address) == "pub2"


@pytest.mark.usefixtures("nobody_owns")
@pytest.mark.parametrize("address", [SERVICE_V4, SERVICE_V6])
def test_an_outage_of_known_length_is_measured(lab: Lab, address: str):
    own(lab.host("pub2"))
    with Observation(lab, address) as seen:
        assert seen.wait_for(lambda: seen.owner() == "pub2")
        began = time.monotonic_ns()
        disown(lab.host("pub2"))
        gone = time.monotonic_ns()
        time.sleep(0.5)
        back = time.monotonic_ns()
        own(lab.host("pub3"))
        ended = time.monotonic_ns()
        assert seen.wait_for(lambda: seen.owner() == "pub3", timeout_s=20)
        watched = time.monotonic_ns()
        seen.wait_until(watched)
        gap = seen.outage(began, ended, watched)
        assert gap.ended
        assert back - gone - 50 * MS <= gap.outage_ns <= ended - began + 50 * MS
        assert seen.double_observer_ns(began, watched) == 0
        assert seen.double_kernel_ns(began, watched) == 0


@pytest.mark.usefixtures("nobody_owns")
@pytest.mark.parametrize("address", [SERVICE_V4, SERVICE_V6])
def test_a_planted_double_owner_is_seen_by_both_observers(lab: Lab, address: str):
    own(lab.host("pub2"))
    with Observation(lab, address) as seen:
        assert seen.wait_for(lambda: seen.owner() == "pub2")
        began = time.monotonic_ns()
        own(lab.host("pub3"))
        assert seen.wait_for(lambda: seen.owner() == "pub3")
        both = time.monotonic_ns()
        time.sleep(0.3)
        announce(lab.host("pub2"))
        assert seen.wait_for(lambda: seen.owner() == "pub2")
        ended = time.monotonic_ns()
        disown(lab.host("pub3"))
        seen.wait_until(time.monotonic_ns())
        assert 250 * MS < seen.double_observer_ns(began, ended) <= ended - began
        assert ended - both - 50 * MS <= seen.double_kernel_ns(began, ended) <= ended - began


@pytest.mark.usefixtures("nobody_owns")
def test_the_arp_host_does_not_repair_the_clients_neighbour_table(lab: Lab):
    """A takeover that is not announced must stay an outage, however often the arp host asks."""
    own(lab.host("pub2"))
    with Observation(lab) as seen:
        assert seen.wait_for(lambda: seen.owner() == "pub2")
        disown(lab.host("pub2"))
        lab.host("pub3").exec(["ip", "address", "add", f"{SERVICE_V4}/24", "dev", "lan"])
        moved = time.monotonic_ns()
        assert seen.wait_for(
            lambda: seen.asker.answers[-1].host == "pub3" and seen.asker.answers[-1].first_ns > moved
        )
        assert not seen.wait_for(lambda: seen.owner() == "pub3", timeout_s=0.7)
        announce(lab.host("pub3"))
        assert seen.wait_for(lambda: seen.owner() == "pub3", timeout_s=20)


@pytest.mark.usefixtures("nobody_owns")
@pytest.mark.parametrize("part", ["responder", "probe"])
def test_a_stall_of_the_probes_own_parts_is_no_outage(lab: Lab, part: str):
    own(lab.host("pub2"))
    with Observation(lab) as seen:
        assert seen.wait_for(lambda: seen.owner() == "pub2")
        host = lab.host("pub2" if part == "responder" else "client")
        (process,) = [p for p in host.processes() if f"ha_monitor.lab.observers.{part}" in p.argv]
        began = time.monotonic_ns()
        process.signal(signal.SIGSTOP)
        time.sleep(0.3)
        process.signal(signal.SIGCONT)
        time.sleep(0.2)
        ended = time.monotonic_ns()
        seen.wait_until(ended)
        assert seen.stalled_ns(began, ended) > 250 * MS
        assert seen.outage(began, ended, ended).outage_ns < 100 * MS


# Kind of question -> the Link on which it is let in, what else must pass so that it can be
# answered (the Node resolves the arp host's MAC before an echo), and what is closed.
OPEN_TO = {
    "ARP on lan": ("lan", "ether type arp accept"),
    "ICMP on direct": ("direct", "icmp type echo-request accept; arp operation reply accept"),
    "solicitation on lan": ("lan", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"),
    "ICMPv6 echo on direct": ("direct", "icmpv6 type { echo-request, nd-neighbor-advert } accept"),
}


def close_all_but(open_link: str, rule: str) -> str:
    closed_link = "direct" if open_link == "lan" else "lan"
    hook = "type filter hook ingress device"
    return (
        f"table netdev test {{\n"
        f"  chain one {{ {hook} {open_link} priority 0; policy drop; {rule}; }}\n"
        f"  chain other {{ {hook} {closed_link} priority 0; policy drop; }}\n"
        f"}}\n"
    )


@pytest.mark.usefixtures("nobody_owns")
@pytest.mark.parametrize("kind", OPEN_TO)
def test_each_kind_of_question_alone_finds_a_holder(lab: Lab, kind: str):
    """A kernel that is closed to all kinds but one, on one Link, is still found out."""
    host = lab.host("pub3")
    own(host)
    host.exec(["nft", "-f", "-"], stdin=close_all_but(*OPEN_TO[kind]))
    try:
        with Observation(lab) as seen:
            began = time.monotonic_ns()
            assert seen.wait_for(
                lambda: sum(a.host == "pub3" and a.first_ns > began for a in seen.asker.answers) > 5,
                timeout_s=3,
            )
    finally:
        host.exec(["nft", "delete", "table", "netdev", "test"])
