"""What the real core's views make of the catalogue: a healthy pair is quiet, a Takeover is told."""

from dataclasses import replace

import pytest

from ha_monitor.core.events import SwitchOrdered
from ha_monitor.model import NagiosSink, Run, ZabbixSink
from ha_monitor.provision.expected import expected_services, hosts, subjects
from ha_monitor.publish.judge import Judge
from ha_monitor.publish.nagios import check_results, event_result, quiet_results
from ha_monitor.publish.scopes import SCOPES
from ha_monitor.publish.snapshot import snapshots
from ha_monitor.publish.zabbix import raw_item
from ha_monitor.timebase import SECOND
from ha_monitor.view import SinkView, TransitionView
from tests.core.world import World, command, pair, vip, www
from tests.views import T0_NS

SINKS = tuple(SinkView(name, "test", "ok", 0, 0, 0, 0, 0, 0.0) for name in ("nagios", "zabbix"))


class Told:
    """Looks at every voter of a world as its publisher does: often at first, then every two seconds."""

    def __init__(self, world):
        self.world = world
        self.judges = [Judge() for _ in world.members]
        self.bad, self.newest = [], {}

    def watch(self, seconds):
        end_ns = self.world.now_ns + int(seconds * SECOND)
        begin_ns = self.world.now_ns
        while self.world.now_ns < end_ns:
            self.world.run(0.1 if self.world.now_ns - begin_ns < 3 * SECOND else 2)
            for member, judge in zip(self.world.members, self.judges, strict=True):
                if member.is_up:
                    self.look(member, judge)

    def view(self, member):
        now_ns = self.world.now_ns
        return replace(member.core.view(now_ns), is_realtime=True, stamp_ns=T0_NS + now_ns, sinks=SINKS)

    def look(self, member, judge):
        view = self.view(member)
        for result in [r for s in snapshots(view) for r in check_results(s, judge)] + [*quiet_results(view)]:
            self.newest[result.host, result.service] = result
            if result.code:
                self.bad.append(
                    (round((self.world.now_ns / SECOND) % 1000, 1), result.host, result.service, result.text)
                )


def world_of(*resources):
    group = www(vip("192.0.2.100/24"), *resources)
    sinks = {"nagios": NagiosSink(nsca_ng="192.0.2.9:5668"), "zabbix": ZabbixSink("192.0.2.9:10051")}
    return World(pair(group, **sinks))


@pytest.fixture
def world():
    return world_of(command("web", Run.EVERYWHERE), command("job"))


def test_a_healthy_pair_shows_nothing_but_ok_from_its_first_moment(world):
    told = Told(world)
    told.watch(100)
    assert told.bad == []
    assert told.newest["web", "HA group www"].text.startswith("running on pub2, could be taken over by pub3")


def test_what_the_core_tells_is_what_the_configuration_lets_expect(world):
    told = Told(world)
    told.watch(10)
    events = {("web", "HA event www")}
    by_host = {(host.name, "") for host in hosts(world.config)}
    expected = {
        (h.name, s.description) for h in hosts(world.config) for s in expected_services(world.config, h)
    }
    assert set(told.newest) == expected | by_host | events


def test_subjects_are_the_same_from_view_and_configuration(world):
    world.run(10)
    told = Told(world)
    for host in hosts(world.config):
        views = [told.view(member) for member in world.members]
        (snapshot,) = [s for view in views for s in snapshots(view) if s.host == host.name]
        discovered = raw_item(snapshot)["lld"]
        for scope in SCOPES:
            if scope.macros:
                names = {
                    tuple(row[macro] for macro in scope.macros) for row in discovered.get(scope.name, ())
                }
                assert names == set(subjects(world.config, host, scope)), scope.name


def test_after_power_off_the_survivor_tells_the_cluster_and_the_lost_node(world):
    told = Told(world)
    told.watch(10)
    world.power_off("pub2")
    told.watch(90)
    assert told.newest["web", "HA group www"].text.startswith("no other Node could take it over")
    assert told.newest["web", "HA node pub2"].code == 2
    assert told.newest["web", "HA cluster"].code == 1
    assert told.newest["web", "HA cluster"].text.endswith("reporter_changes=1c")
    assert told.newest["pub3", "HA links pub2"].code == 2
    assert told.newest["web", "HA vip 192.0.2.100/24"].code == 0


def test_the_transition_of_a_takeover_is_a_warning_with_its_cause(world):
    world.run(10)
    world.power_off("pub2")
    world.run(5)
    member = world["pub3"]
    last = member.group.last
    result = event_result("web", replace(last, at_ns=T0_NS))
    assert (result.code, result.text.split(":")[0]) == (1, "failure node-silent")
    assert isinstance(last, TransitionView)


def test_when_all_nodes_are_gone_the_witness_tells_the_cluster(world):
    told = Told(world)
    told.watch(10)
    world.power_off("pub2")
    world.power_off("pub3")
    told.watch(70)
    cluster = told.newest["web", "HA cluster"]
    assert cluster.code == 2
    assert cluster.text.startswith("a group is served by nobody")
    assert "told by mon" in cluster.text
    assert told.newest["web", "HA group www"].code == 2


def test_losing_the_witness_is_a_warning_and_nothing_worse(world):
    told = Told(world)
    told.watch(10)
    world.power_off("mon")
    told.watch(150)
    assert told.newest["web", "HA witness"].code == 1
    assert told.newest["web", "HA group www"].code == 0
    assert told.newest["web", "HA cluster"].code == 1


def test_a_planned_switchover_alarms_nobody(world):
    told = Told(world)
    told.watch(10)
    world.order("pub2", SwitchOrdered(1, "www", "pub3", "test"))
    told.watch(30)
    assert told.newest["web", "HA group www"].text.startswith("running on pub3")
    assert told.bad == []
