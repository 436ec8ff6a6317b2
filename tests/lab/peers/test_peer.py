"""A real keepalived in ha-monitor's place: the lab's faults and observers mean it, and it leaves nothing."""

import os
from collections.abc import Iterator

import pytest

from ha_monitor.lab import faults
from ha_monitor.lab.cast import NODES
from ha_monitor.lab.daemons import Daemons, config_text
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.measure import measure
from ha_monitor.lab.peers.peer import Peer
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.subject import subject_of

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def keepalived() -> Iterator[tuple[Lab, Peer]]:
    with Lab(f"k{os.getpid()}").session() as lab, Peer(lab, "keepalived", "fast") as peer:
        yield lab, peer


def test_a_power_off_moves_the_address_after_its_dead_time(keepalived: tuple[Lab, Peer]):
    lab, peer = keepalived
    seen = measure(lab, "power-off", watch_s=3)
    # Adverts are 140 ms apart; the upper limit is for a busy machine.
    assert 250 < seen.outage_ms[0] < 20_000
    assert peer.wait_settled() in NODES


def test_killing_all_of_its_processes_leaves_the_address_on_both(keepalived: tuple[Lab, Peer]):
    lab, _peer = keepalived
    seen = measure(lab, "kill", watch_s=3)
    assert seen.double_ms_kernel[0] > 100


def test_another_process_of_the_lab_finds_out_what_runs_and_strikes_it(keepalived: tuple[Lab, Peer]):
    lab, peer = keepalived
    owner = peer.wait_settled()
    again = Lab(lab.name)
    assert subject_of(again).processes(owner) == peer.processes(owner) != []
    with pytest.raises(LabError, match="keepalived has no process 'core': all of them are struck"):
        faults.strike(again, faults.FAULTS["kill"].blow(owner, process="core"))


def test_ha_monitor_and_another_program_are_kept_apart(own_lab: Lab):
    with own_lab.session():
        Daemons(own_lab).configure(config_text())
        Daemons(own_lab).start_on(NODES[0])
        with pytest.raises(LabError, match="ha-monitor runs there"):
            Peer(own_lab, "keepalived", "fast").start()
        assert isinstance(subject_of(own_lab), Daemons)


def test_nothing_is_left_of_it(own_lab: Lab):
    with own_lab.session():
        with Peer(own_lab, "keepalived", "fast") as peer:
            paths = list(peer.program.files(NODES[0], "fast"))
        for node in NODES:
            host = own_lab.host(node)
            words = [word for process in host.processes() for word in process.argv]
            assert not [word for word in words if "keepalived" in word or "nginx" in word]
            assert not any(host.path(path).exists() for path in paths)
        assert peer.owners() == []
        assert isinstance(subject_of(own_lab), Daemons)
