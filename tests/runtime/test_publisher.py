"""The publisher: what it tells when, what it acknowledges, and as a process of its own."""

import contextlib
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from ipaddress import ip_address

import pytest

from ha_monitor.errors import SinkError
from ha_monitor.model import ClusterConfig, Group, NagiosSink, Voter, ZabbixSink
from ha_monitor.plain import to_plain
from ha_monitor.publish.outbox import NAGIOS, ZABBIX, Delivery
from ha_monitor.runtime.ipc import CONFIG_FD, CORE_FD, Channel, make_pair, text_fd
from ha_monitor.runtime.publisher import Publisher
from ha_monitor.sinks.base import AtOnce
from ha_monitor.timebase import MS, SECOND
from ha_monitor.view import read_view
from tests.sinks.trapper import FakeTrapper
from tests.views import GROUP, STARTED, T0_NS, healthy

CONFIG = ClusterConfig(
    "web",
    (
        Voter(0, "pub2", {"lan": ip_address("192.0.2.12")}),
        Voter(1, "pub3", {"lan": ip_address("192.0.2.13")}),
    ),
    None,
    (Group("www", ("pub2", "pub3")),),
)


class Away(AtOnce):
    """A sink that takes nothing, so that the outbox shows what was told."""

    batch_max = 10

    def __init__(self, name, policy):
        self.name, self.kind, self.policy = name, "test", policy

    def send(self, batch):
        raise SinkError("away")


class World:
    def __init__(self, directory):
        self.wall_ns, self.at_ns = T0_NS, SECOND
        self.sinks = (Away("nagios", NAGIOS), Away("zabbix", ZABBIX))
        self.publisher = Publisher(CONFIG, self.sinks, directory, lambda: self.wall_ns)

    def pass_time(self, length_ns):
        self.wall_ns += length_ns
        self.at_ns += length_ns

    def tell(self, view):
        self.publisher.take_view(json.loads(json.dumps(asdict(replace(view, stamp_ns=self.wall_ns)))))
        return self.publisher.tell(self.at_ns)

    def waiting(self, name="zabbix"):
        (courier,) = [c for c in self.publisher._couriers if c.sink.name == name]
        return [w.parcel for w in courier.outbox.batch(10_000, 1 << 62)]

    def raws(self):
        return [(p.slot.split("\t")[0], p.at_ns - T0_NS) for p in self.waiting() if p.slot.endswith("ha.raw")]


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    made = World(tmp_path / "outbox")
    yield made
    made.publisher.close(0)


def test_the_first_view_is_told_at_once_to_both_systems(world):
    world.tell(healthy())
    assert world.raws() == [("pub2", 0), ("web", 0)]
    slots = {p.slot for p in world.waiting("nagios")}
    assert {"pub2\tHA node", "web\tHA cluster", "web\tHA event www", "web\t"} <= slots


def test_what_did_not_change_is_told_every_ten_seconds_and_no_more(world):
    for _ in range(61):
        world.tell(healthy())
        world.pass_time(SECOND)
    stamps = [at for host, at in world.raws() if host == "web"]
    gaps = [(b - a) // SECOND for a, b in itertools.pairwise(stamps)]
    assert gaps[-3:] == [10, 10, 10]


def test_a_change_is_repeated_soon_for_a_while(world):
    """The former reporter's last call may arrive late, and Nagios lets the older result win."""
    for _ in range(61):
        world.tell(healthy())
        world.pass_time(SECOND)
    changed_ns = world.wall_ns - T0_NS
    for _ in range(60):
        world.tell(replace(healthy(), groups=(replace(GROUP, state="degraded"),)))
        world.pass_time(SECOND)
    stamps = [at for host, at in world.raws() if host == "web" and at >= changed_ns]
    gaps = [(b - a) // SECOND for a, b in itertools.pairwise(stamps)]
    assert gaps[:7] == [3] * 7
    assert set(gaps[7:]) == {10}


def test_a_change_is_told_within_100_ms_also_when_it_follows_another_one(world):
    world.tell(healthy())
    world.pass_time(20 * MS)
    moved = replace(healthy(), groups=(replace(GROUP, state="degraded"),))
    again_ns = world.tell(moved)
    assert again_ns == SECOND + 100 * MS
    world.pass_time(80 * MS)
    world.publisher.tell(world.at_ns)
    assert world.raws()[-1] == ("web", 20 * MS)


def test_a_view_is_told_once_and_silence_of_the_core_stays_silence(world):
    world.tell(healthy())
    for _ in range(30):
        world.pass_time(SECOND)
        world.publisher.tell(world.at_ns)
    assert len(world.raws()) == 2


def test_a_view_from_before_a_pause_is_not_told(world):
    view = replace(healthy(), stamp_ns=world.wall_ns)
    world.pass_time(10 * SECOND)
    world.publisher.take_view(asdict(view))
    world.publisher.tell(world.at_ns)
    assert world.raws() == []


def test_who_no_longer_tells_the_cluster_takes_back_what_waits_for_it(world):
    world.tell(healthy())
    world.publisher.take_transition(asdict(STARTED))
    world.publisher.keep_transitions()
    world.pass_time(SECOND)
    world.tell(replace(healthy(), reporter="pub3"))
    assert {host for host, _ in world.raws()} == {"pub2"}
    assert [p.ident for p in world.waiting() if p.is_event] == [STARTED.ident]
    assert not any(p.slot == "web\tHA cluster" for p in world.waiting("nagios"))


def test_who_no_longer_owns_a_group_takes_back_its_quiet_word_about_it(world):
    """It would wipe out the warning of the failure that took the group away."""
    quiet = "web\tHA event www"
    world.tell(replace(healthy(), reporter="pub3"))
    assert quiet in {p.slot for p in world.waiting("nagios")}
    world.pass_time(SECOND)
    world.tell(replace(healthy(), reporter="pub3", groups=(replace(GROUP, owner=""),)))
    assert quiet not in {p.slot for p in world.waiting("nagios")}


def test_what_waited_for_the_cluster_from_a_former_life_is_taken_back_too(tmp_path):
    first = World(tmp_path)
    first.tell(healthy())
    first.publisher.close(0)
    second = World(tmp_path)
    second.tell(replace(healthy(), reporter="pub3"))
    assert {host for host, _ in second.raws()} == {"pub2"}
    second.publisher.close(0)


def test_a_transition_is_acknowledged_when_both_outboxes_have_it(world):
    world.publisher.take_transition(asdict(STARTED))
    assert world.publisher.keep_transitions() == [STARTED.ident]
    for name in ("nagios", "zabbix"):
        assert [p.ident for p in world.waiting(name)] == [STARTED.ident]
    assert world.publisher.keep_transitions() == []


def test_a_transition_that_one_outbox_does_not_take_is_kept_and_tried_again(world, monkeypatch):
    full = world.publisher._couriers[1].outbox
    put = full.put

    def refuse(parcels):
        raise SinkError("database or disk is full")

    monkeypatch.setattr(full, "put", refuse)
    world.publisher.take_transition(asdict(STARTED))
    assert world.publisher.keep_transitions() == []
    monkeypatch.setattr(full, "put", put)
    assert world.publisher.keep_transitions() == [STARTED.ident]
    for name in ("nagios", "zabbix"):
        assert len(world.waiting(name)) == 1


def test_an_outbox_that_cannot_be_opened_is_shown_and_opened_later(tmp_path):
    blocked = tmp_path / "outbox"
    blocked.write_text("in the way")
    world = World(blocked)
    assert {(s.name, s.state) for s in world.publisher.sinks()} == {("nagios", "down"), ("zabbix", "down")}
    world.publisher.take_transition(asdict(STARTED))
    assert world.publisher.keep_transitions() == []
    blocked.unlink()
    world.publisher.open_outboxes()
    assert world.publisher.keep_transitions() == [STARTED.ident]
    world.publisher.close(0)


def test_what_is_no_view_and_no_transition_is_counted(world):
    world.publisher.take_view({"nodes": 7})
    world.publisher.take_transition([])
    assert world.publisher.rejected == 2
    world.publisher.tell(world.at_ns)
    assert world.raws() == []


def test_view_json_holds_the_view_and_the_sinks_and_is_readable_by_all(world, tmp_path):
    path = tmp_path / "view.json"
    world.publisher.write_view_file(path)
    assert not path.exists()
    world.tell(healthy())
    world.publisher.write_view_file(path)
    view = read_view(json.loads(path.read_text()))
    assert (view.stamp_ns, view.groups) == (T0_NS, healthy().groups)
    assert {sink.name for sink in view.sinks} == {"nagios", "zabbix"}
    assert path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["view.json"]


def test_a_sink_that_answers_gets_everything(tmp_path):
    class Taker(Away):
        got: list[str] = []  # noqa: RUF012 (one sink in this test)

        def send(self, batch):
            self.got += [w.parcel.slot for w in batch]
            return Delivery(tuple(w.row for w in batch))

    taker = Taker("zabbix", ZABBIX)
    publisher = Publisher(CONFIG, (taker,), tmp_path, lambda: T0_NS)
    publisher.take_view(asdict(healthy()))
    publisher.tell(SECOND)
    publisher.close(5)
    assert taker.got == ["pub2\tha.raw", "pub2\tha.tick", "web\tha.raw", "web\tha.tick"]


class Process:
    """A real publisher process at the other end of a real channel."""

    def __init__(self, tmp_path, config):
        ours, theirs = make_pair()
        self.channel = Channel(ours)
        fd = text_fd("config", json.dumps(to_plain(config)).encode())
        environment = {
            **os.environ,
            CONFIG_FD: str(fd),
            CORE_FD: str(theirs.fileno()),
            "HA_MONITOR_RUN": str(tmp_path / "run"),
            "HA_MONITOR_STATE": str(tmp_path / "state"),
            "HA_MONITOR_ETC": str(tmp_path / "etc"),
        }
        (tmp_path / "run").mkdir(exist_ok=True)
        self.view_file = tmp_path / "run" / "view.json"
        argv = [sys.executable, "-m", "ha_monitor.runtime.publisher"]
        self.child = subprocess.Popen(argv, env=environment, pass_fds=(fd, theirs.fileno()))
        theirs.close()
        os.close(fd)

    def send(self, kind, value):
        assert self.channel.send({"kind": kind, kind: json.loads(json.dumps(asdict(value)))})

    def receive(self, within_s=40.0):
        select.select((self.channel.fileno(),), (), (), within_s)
        return self.channel.receive()

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            self.child.kill()
        self.child.wait(5)


def now(view):
    return replace(view, stamp_ns=time.time_ns())


def wait_for(look, within_s=40.0):
    deadline = time.monotonic() + within_s
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert seen
    return seen


@pytest.fixture
def trapper():
    made = FakeTrapper()
    yield made
    made.close()


@pytest.fixture
def process(tmp_path, trapper):
    nagios = NagiosSink(command_file=str(tmp_path / "nagios.cmd"))
    made = Process(tmp_path, replace(CONFIG, nagios=nagios, zabbix=ZabbixSink(trapper.server)))
    yield made
    made.end()


def test_the_process_acknowledges_delivers_and_answers(process, trapper, tmp_path):
    process.channel.send({"kind": "ping", "number": 7})
    assert process.receive() == [{"kind": "pong", "number": 7}]
    process.send("transition", STARTED)
    assert process.receive() == [{"kind": "ack", "ident": STARTED.ident}]
    process.send("view", now(healthy()))
    wait_for(
        lambda: (
            {v[:2] for v in trapper.values()} >= {("web", "ha.event"), ("web", "ha.raw"), ("pub2", "ha.raw")}
        )
    )
    event = next(v for v in trapper.values() if v[1] == "ha.event")
    assert (event[3], event[4]) == (STARTED.at_ns // SECOND, STARTED.at_ns % SECOND)
    view = read_view(
        json.loads(wait_for(lambda: process.view_file.exists() and process.view_file.read_text()))
    )
    assert {s.name for s in view.sinks} == {"nagios", "zabbix"}


def test_a_dead_nagios_does_not_delay_zabbix_and_gets_the_newest_later(process, trapper, tmp_path):
    process.send("transition", STARTED)
    process.send("view", now(healthy()))
    wait_for(lambda: ("web", "ha.raw") in {v[:2] for v in trapper.values()})
    path = tmp_path / "nagios.cmd"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    text = bytearray()

    def read():
        with contextlib.suppress(BlockingIOError):
            text.extend(os.read(reader, 1 << 16))
        return text.count(b"\n") > 20

    wait_for(read, 15)
    os.close(reader)
    lines = text.decode().splitlines()
    assert sum(";web;HA event www;0;planned cluster-started" in line for line in lines) == 1
    assert lines == sorted(lines, key=lambda line: int(line[1:11]))


def test_a_transition_survives_a_killed_publisher_and_is_sent_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        server = f"127.0.0.1:{free.getsockname()[1]}"
    config = replace(CONFIG, zabbix=ZabbixSink(server))
    first = Process(tmp_path, config)
    first.send("transition", STARTED)
    assert first.receive() == [{"kind": "ack", "ident": STARTED.ident}]
    first.child.send_signal(signal.SIGKILL)
    first.child.wait(5)
    trapper = FakeTrapper()
    second = Process(tmp_path, replace(config, zabbix=ZabbixSink(trapper.server)))
    second.send("transition", STARTED)  # the core did not see the acknowledgement
    wait_for(trapper.values)
    assert second.receive() == [{"kind": "ack", "ident": STARTED.ident}]
    time.sleep(0.5)
    assert [v[1] for v in trapper.values()] == ["ha.event"]
    second.end()
    trapper.close()


@pytest.mark.parametrize("way", ["closed channel", "SIGTERM"])
def test_it_flushes_and_ends_when_the_core_is_gone_or_it_is_told_to(process, trapper, way):
    process.send("view", now(healthy("pub3")))
    if way == "SIGTERM":
        wait_for(process.view_file.exists)
        process.child.send_signal(signal.SIGTERM)
    else:
        process.channel.close()
    assert process.child.wait(6) == 0
    assert ("pub3", "ha.raw") in {v[:2] for v in trapper.values()}
