"""What the other programs are told: the same silence to bear, the same address, both Nodes alike."""

import re
from xml.etree import ElementTree

import pytest

from ha_monitor.lab.cast import NODES, SERVICE_V4
from ha_monitor.lab.peers.heartbeat import ha_cf
from ha_monitor.lab.peers.keepalived import config
from ha_monitor.lab.peers.pacemaker import cib_xml, corosync_conf
from ha_monitor.lab.peers.peer import PEERS, program_named
from ha_monitor.lab.peers.program import shown_name
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.processes import Process
from ha_monitor.model import TIMINGS

MATCHED = [
    (name, timing)
    for name, program in PEERS.items()
    for timing in ("lan", "fast")
    if timing in program.dead_s
]


@pytest.mark.parametrize(("name", "timing"), MATCHED)
def test_the_matched_dead_time_is_our_lease(name: str, timing: str):
    lease_s = TIMINGS[timing].lease_ns / 1e9
    assert lease_s * 0.99 <= PEERS[name].dead_s[timing] <= lease_s * 1.1


def test_only_ucarp_has_no_fast_timing():
    assert [name for name, program in PEERS.items() if "fast" not in program.dead_s] == ["ucarp"]
    with pytest.raises(LabError, match="ucarp has no timing 'fast': default, lan"):
        program_named("ucarp", "fast")


@pytest.mark.parametrize("timing", ["default", "lan", "fast"])
def test_keepalived_is_told_the_interval_that_its_dead_time_is_counted_from(timing: str):
    text = config("pub3", timing, 100)
    interval_s = float(re.search(r"advert_int (\S+)", text).group(1))
    assert PEERS["keepalived"].dead_s[timing] == pytest.approx(interval_s * (3 + 156 / 256))
    # Fractions of a second are refused by VRRP version 2, and the wire knows hundredths only.
    assert ("vrrp_version 3" in text) == (interval_s != 1)
    assert round(interval_s * 100) == pytest.approx(interval_s * 100)


@pytest.mark.parametrize("timing", ["lan", "fast"])
def test_corosync_gives_a_node_up_after_token_and_consensus(timing: str):
    text = corosync_conf(timing)
    token, consensus = (int(re.search(rf"{word}: (\d+)", text).group(1)) for word in ("token", "consensus"))
    assert PEERS["pacemaker"].dead_s[timing] == (token + consensus) / 1000
    assert consensus >= 1.2 * token, "corosync refuses less"


def test_heartbeat_is_told_its_dead_time_and_none_by_default():
    assert "deadtime 1\n" in ha_cf("lan")
    assert "deadtime 500ms\n" in ha_cf("fast")
    assert "deadtime" not in ha_cf("default")


@pytest.mark.parametrize(("name", "timing"), MATCHED)
def test_every_program_owns_the_one_service_address(name: str, timing: str):
    files = [PEERS[name].files(node, timing) for node in NODES]
    assert any(SERVICE_V4 in file.text for file in files[0].values())
    assert files[0].keys() == files[1].keys()


@pytest.mark.parametrize("name", ["heartbeat", "pacemaker"])
def test_both_nodes_read_the_same_files(name: str):
    first, second = (PEERS[name].files(node, "lan") for node in NODES)
    assert first == second


def test_pacemakers_configuration_is_xml_without_stonith():
    options = {
        pair.get("name"): pair.get("value") for pair in ElementTree.fromstring(cib_xml("lan")).iter("nvpair")
    }
    assert options["stonith-enabled"] == "false"
    assert options["no-quorum-policy"] == "ignore"
    assert options["ip"] == SERVICE_V4


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("/usr/sbin/keepalived", "keepalived"),
        ("heartbeat: write: ucast lan", "heartbeat"),
        ("heartbeat: master control process", "heartbeat"),
        ("/usr/lib/pacemaker/pacemaker-based", "pacemaker-based"),
        ("nginx: worker process", "nginx"),
    ],
)
def test_a_process_is_known_by_the_name_that_it_shows(shown: str, name: str):
    assert shown_name((shown,)) == name


def test_no_program_takes_anothers_process_for_its_own():
    for program in PEERS.values():
        others = {name for other in PEERS.values() if other is not program for name in other.process_names}
        assert not any(program.is_process(Process(1, (name,))) for name in others)
        assert not program.is_process(Process(1, ("/usr/bin/python3", "-m", program.name)))
