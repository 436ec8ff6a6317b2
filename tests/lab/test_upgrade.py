"""Another program version on one host after the other, while clients ask; and one with another format."""

import os
import time

import pytest

from ha_monitor.lab import program, rolling
from ha_monitor.lab.cast import NODES, WITNESS, other_node
from ha_monitor.lab.daemons import PROGRAM, VOTERS, Daemons, config_text
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.observation import Observation, who_answers
from ha_monitor.publish.judge import Judge
from ha_monitor.publish.nagios import check_results
from ha_monitor.publish.snapshot import snapshots
from tests.lab.waiting import assert_never_double, view_of, wait_for

pytestmark = pytest.mark.lab

NEW, NEWEST = "7.1.0", "8.0.0"
NEXT_WIRE = 2


@pytest.fixture(scope="module")
def pair():
    """Nodes and Witness, each with a program of its own; the tests upgrade it further and further."""
    with Lab(f"w{os.getpid()}").session() as lab:
        for name in VOTERS:
            program.install(lab, name)
        daemons = Daemons(lab)
        daemons.configure(config_text())
        daemons.start()
        yield lab, daemons


def status_text(lab, name):
    return lab.host(name).exec([PROGRAM, "status"], check=False).stdout


def upgrade(lab, name, version, wire=None):
    """As its documentation says: install, then `ha-monitor restart`."""
    program.put_version(lab, name, version, wire)
    lab.host(name).exec([PROGRAM, "restart"], timeout=120)


def test_a_host_keeps_its_own_version_without_power_and_no_other_host_has_it(own_lab):
    own_lab.up()
    ask = ["python3", "-c", "import ha_monitor; print(ha_monitor.__version__)"]
    ask[0] = f"{os.path.dirname(PROGRAM)}/python"
    program.install(own_lab, "pub2")
    assert own_lab.host("pub2").exec(ask).stdout.strip() == program.THIS_VERSION
    for version in (NEW, NEWEST):  # within a second: no compiled file may be taken for the new one
        program.put_version(own_lab, "pub2", version)
        assert own_lab.host("pub2").exec(ask).stdout.strip() == version
    own_lab.host("pub2").power_off()
    own_lab.host("pub2").power_on()
    assert own_lab.host("pub2").exec(ask).stdout.strip() == NEWEST
    assert own_lab.host("pub3").exec(ask).stdout.strip() == program.THIS_VERSION


def test_hosts_are_upgraded_one_after_the_other_and_no_client_notices(pair):
    lab, daemons = pair
    owner = daemons.wait_settled()
    before = view_of(daemons, owner).groups[0].last
    with Observation(lab) as seen:
        from_ns = time.monotonic_ns()
        for name in (WITNESS, other_node(owner), owner):
            upgrade(lab, name, NEW)
            rolling.wait_for_told_versions(lab)
            if name != owner:
                assert f"{owner} {program.THIS_VERSION}" in status_text(lab, owner)
                assert f"{name} {NEW}" in status_text(lab, owner)
        until_ns = time.monotonic_ns()
        assert daemons.wait_settled() == owner
        assert_never_double(seen, from_ns)
        assert seen.outage(from_ns, until_ns, until_ns).outage_ns < 2_000_000_000
    assert "versions differ" not in status_text(lab, owner)
    last = view_of(daemons, owner).groups[0].last
    assert last.ident == before.ident or last.node_from == last.node_to == owner, last


def test_a_program_with_another_format_is_deaf_says_so_and_takes_over_with_the_majority(pair):
    lab, daemons = pair
    owner = daemons.wait_settled()
    other = other_node(owner)
    with Observation(lab) as seen:
        from_ns = time.monotonic_ns()
        upgrade(lab, other, NEWEST, NEXT_WIRE)
        for name, deaf_to in ((owner, other), (other, owner)):
            wait_for(
                lambda name=name, deaf_to=deaf_to: deaf_to in told_unreadable(lab, name),
                lambda name=name: status_text(lab, name),
            )
        wait_for(lambda: not view_of(daemons, other).is_quorate, f"{other} alone has no majority")
        assert "because of another program version" in security_text(daemons, owner)
        wait_for(lambda: who_answers(lab) == owner, "the Owner serves on with the Witness")
        upgrade(lab, WITNESS, NEWEST, NEXT_WIRE)
        wait_for(lambda: who_answers(lab) == other, lambda: status_text(lab, other))
        upgrade(lab, owner, NEWEST, NEXT_WIRE)
        assert daemons.wait_settled() == other
        assert_never_double(seen, from_ns)
    assert told_unreadable(lab, owner) == ""
    assert all(view_of(daemons, name).version == NEWEST for name in NODES)


def told_unreadable(lab, name):
    """The sentence of `status` about packets of another format, if it is there."""
    lines = status_text(lab, name).splitlines()
    return next((line for line in lines if "had a format that version" in line), "")


def security_text(daemons, name):
    results = [r for s in snapshots(view_of(daemons, name)) for r in check_results(s, Judge())]
    return next(r.text for r in results if r.service == "HA security")
