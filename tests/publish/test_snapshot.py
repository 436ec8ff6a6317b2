"""From the View to what is told, and by whom."""

from dataclasses import replace

import pytest

from ha_monitor.publish.snapshot import snapshots, tells_cluster
from ha_monitor.view import SinkView
from tests.views import ADDRESS, GROUP, RESOURCE, healthy, link, node


def value(view, scope, ident, names=()):
    for snapshot in snapshots(view):
        for told in snapshot.told:
            if told.scope.name == scope and told.names == names:
                return told.values.get(ident)
    raise AssertionError(f"nobody tells {ident} of {scope} {names}")


@pytest.mark.parametrize(("name", "hosts"), [("pub2", ["pub2", "web"]), ("pub3", ["pub3"]), ("mon", ["mon"])])
def test_each_tells_its_own_host_and_only_the_reporter_the_cluster(name, hosts):
    assert [s.host for s in snapshots(healthy(name))] == hosts


def witness(**changes):
    nodes = (*healthy("mon").nodes[:2], node("mon", is_self=True, uptime_s=60))
    return replace(healthy("mon"), nodes=nodes, **changes)


def test_the_witness_tells_the_cluster_only_while_it_sees_no_node_online():
    assert not tells_cluster(witness())
    assert tells_cluster(witness(nodes_online=0))
    assert not tells_cluster(witness(nodes_online=1, reporter="mon"))


def test_a_witness_that_just_started_does_not_talk_over_the_reporter():
    assert not tells_cluster(replace(healthy("mon"), nodes_online=0))


def test_unknown_values_are_not_told():
    view = replace(healthy(), links=(replace(link("pub3", "lan"), rtt_ms=-1.0),))
    assert value(view, "link", "ha.link.rtt", ("pub2", "pub3", "lan")) is None
    assert value(view, "link", "ha.link.state", ("pub2", "pub3", "lan")) == 0


def test_a_word_outside_its_map_is_unknown():
    assert value(replace(healthy(), state="sparkling"), "cluster", "ha.cluster.state") is None


def test_pseudo_groups_are_not_told():
    view = replace(healthy(), groups=(GROUP, replace(GROUP, name="_reporter", addresses=(), resources=())))
    told = {t.names for s in snapshots(view) for t in s.told if t.scope.name == "group"}
    assert told == {("www",)}


def test_vip_resources_are_told_as_addresses_only():
    vip = replace(RESOURCE, name="192.0.2.100", kind="vip", run="owner")
    view = replace(healthy(), groups=(replace(GROUP, resources=(vip, RESOURCE)),))
    told = {t.names for s in snapshots(view) for t in s.told if t.scope.name == "resource"}
    assert told == {("nginx",)}


def test_the_margin_of_renewals_is_told_by_the_owner_alone():
    assert value(healthy("pub2"), "own-group", "ha.group.lease.left", ("www",)) == 88
    assert value(healthy("pub3"), "own-group", "ha.group.lease.left", ("www",)) is None


def test_a_resource_that_must_run_everywhere_is_absent_when_stopped():
    stopped = replace(GROUP, resources=(replace(RESOURCE, state="stopped"),))
    assert value(replace(healthy("pub3"), groups=(stopped,)), "resource", "ha.res.absent", ("nginx",)) == 1


def test_a_resource_of_the_owner_is_foreign_elsewhere():
    running = replace(GROUP, resources=(replace(RESOURCE, run="owner"),))
    assert value(replace(healthy("pub3"), groups=(running,)), "resource", "ha.res.foreign", ("nginx",)) == 1
    assert value(replace(healthy("pub2"), groups=(running,)), "resource", "ha.res.foreign", ("nginx",)) == 0


def test_links_up_counts_late_ones_and_not_one_way_ones():
    links = tuple(
        replace(link("pub3", n), state=s) for n, s in (("a", "late"), ("b", "one-way"), ("c", "up"))
    )
    view = replace(healthy(), links=links)
    assert value(view, "peer", "ha.links.up", ("pub2", "pub3")) == 2
    assert value(view, "peer", "ha.link.oneway", ("pub2", "pub3")) == 1


def test_a_change_of_state_changes_the_signature_and_a_measure_does_not():
    own = snapshots(healthy("pub3"))[0]
    faster = replace(healthy("pub3"), stall_max_ms=9, links=(link("pub2", "lan"), *healthy("pub3").links[1:]))
    assert snapshots(faster)[0].signature() == own.signature()
    opened = replace(GROUP, addresses=(replace(ADDRESS, is_open=False),))
    assert snapshots(replace(healthy("pub2"), groups=(opened,)))[0].signature() != own.signature()


def test_sinks_of_this_host_are_told():
    sink = SinkView("zabbix", "trapper", "backlog", 12, 30, 100, 1, 0, 2.5)
    view = replace(healthy("mon"), sinks=(sink,))
    assert value(view, "sink", "ha.sink.state", ("zabbix",)) == 1
    assert value(view, "sink", "ha.sink.queue", ("zabbix",)) == 12


def test_a_group_that_is_not_meant_for_a_node_is_no_obstacle():
    nodes = (node("pub2", is_self=True, eligible=False, eligible_reason="not in prefer"),)
    assert value(replace(healthy(), nodes=nodes), "self-node", "ha.node.eligible") == 1
    nodes = (node("pub2", is_self=True, eligible=False, eligible_reason="standby"),)
    assert value(replace(healthy(), nodes=nodes), "self-node", "ha.node.eligible") == 0


def test_names_are_made_safe():
    odd = replace(GROUP, name="a;b|c]\n'd", addresses=(), resources=())
    told = [
        t.names
        for s in snapshots(replace(healthy(), groups=(odd,)))
        for t in s.told
        if t.scope.name == "group"
    ]
    assert told == [("a_b_c___d",)]
