"""A planned restart as the guard carries it out: what it remembers, and with what it starts each core."""

from __future__ import annotations

import errno
import socket
from types import SimpleNamespace

import pytest

from ha_monitor.model import ClusterConfig, Timing
from ha_monitor.runtime import guard, successor
from ha_monitor.runtime.children import Account, BackOff
from ha_monitor.runtime.goodbye import Goodbye
from ha_monitor.runtime.guard import Guard
from ha_monitor.runtime.hang import HangWatch
from ha_monitor.runtime.memory import Memory
from ha_monitor.runtime.preparation import Prepared
from ha_monitor.timebase import MS, SECOND
from tests.runtime.descriptors import is_open
from tests.runtime.test_orders import NODES, WITNESS

SHORT, LONG = SECOND, 5 * SECOND


def config_with(hold_ns):
    return ClusterConfig("web", NODES, WITNESS, (), timing=Timing(hold_ns // 10, hold_ns))


class Core:
    """A core that says what the test lets it say, and ends when the test ends it."""

    def __init__(self):
        self.said, self.heard, self.code = [], [], None
        self.is_ready = self.is_asked_to_end = False
        self.released, self.user_lease_ends_ns = (), 0
        self.goodbye, self.watch = Goodbye(), HangWatch(LONG, 100 * MS)
        self.child = SimpleNamespace(pid=1, reap=lambda *_: self.code, kill=lambda: None)
        self.channel = SimpleNamespace(receive=self._receive, send=self.heard.append, is_closed=True)

    def _receive(self):
        said, self.said = self.said, []
        return said

    def close(self):
        self.is_closed = True


class Files:
    """A Generation whose cores are played. ``starts``: memory and abstention of each, in order."""

    is_short_of_means = False

    def __init__(self, hold_ns, starts):
        self.config, self.self_name, self.is_witness = config_with(hold_ns), "pub2", True
        self.account = Account(990, 990)
        self.children, self.roles, self.starts = {}, (), starts
        self.back_off = {"core": BackOff()}

    def start_core(self, _listeners, memory, abstain_ns, _old, _at_ns):
        if self.is_short_of_means:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.starts.append((memory.hold_ns, abstain_ns))
        return Core()

    def take_over(self, other):
        self.followed = other

    def close(self):
        self.is_closed = True


class Reader:
    """Of the configuration. Ready at once, unless the test holds it up."""

    is_slow = False

    def answer(self, _at_ns):
        return None if self.is_slow else b""

    def end(self):
        pass


class Scribe:
    def __init__(self):
        self.lines, self.remembered = [], []

    def log(self, level, line):
        self.lines.append((level, line))

    def remember(self, memory):
        self.remembered.append(memory.hold_ns)


@pytest.fixture
def world(monkeypatch):
    """A guard whose core serves under the short hold; `files` is what stands on disk."""
    starts, scribe = [], Scribe()
    world = SimpleNamespace(starts=starts, scribe=scribe, hold_on_disk=SHORT)
    made = lambda *_: Files(world.hold_on_disk, starts)  # noqa: E731
    monkeypatch.setattr(successor, "make_generation", made)
    monkeypatch.setattr(guard, "ConfigReader", Reader)
    # Prepared after a reboot within the Lease's time: nothing to wait for any more.
    world.guard = Guard(Prepared(Files(SHORT, starts), None, Memory(hold_ns=SHORT), 0, scribe, None))
    world.guard._start_core()
    say(world, {"kind": "ready"})
    return world


def say(world, *messages):
    world.guard._core.said += messages
    world.guard._read_core()
    world.guard._read_configuration()


def restart(world, hold_ns):
    """Up to the moment when the new core is warm and the old one has ended."""
    world.hold_on_disk = hold_ns
    say(world, {"kind": "restart-asked", "who": "root"})
    old = world.guard._core
    world.guard._next.core.said.append({"kind": "warm"})
    world.guard._read_next_core()
    assert old.heard[-1] == {"kind": "stop", "hands_over": False}
    old.code = 0
    world.guard._read_core()
    say(world, {"kind": "ready"})


def test_a_longer_hold_is_remembered_before_the_core_that_may_grant_it_is_started(world):
    world.hold_on_disk = LONG
    assert world.starts == [(SHORT, SHORT)]
    say(world, {"kind": "restart-asked", "who": "root"})
    assert world.scribe.remembered == [LONG]
    assert world.starts[-1] == (LONG, LONG)


def test_after_a_restart_with_a_longer_hold_each_further_core_abstains_for_it(world):
    restart(world, LONG)
    assert world.guard._current.config.longest_hold_ns == LONG
    world.guard._core.code = -9
    world.guard._read_core()
    assert world.starts == [(SHORT, SHORT), (LONG, LONG), (LONG, LONG)]


def test_after_a_restart_with_a_shorter_hold_the_longer_one_is_still_counted_with(world):
    restart(world, LONG)
    restart(world, SHORT)
    assert world.guard._current.config.longest_hold_ns == SHORT
    assert world.scribe.remembered[-1] == LONG
    assert world.starts[-1] == (LONG, LONG)


def test_what_a_core_saved_meanwhile_is_not_lost_at_a_restart(world):
    say(world, {"kind": "save", "what": "counter", "counter": 77})
    restart(world, LONG)
    assert (world.guard._memory.counter, world.guard._memory.hold_ns) == (77, LONG)


def test_a_new_core_that_ends_at_its_start_leaves_the_old_one_and_the_longer_hold(world):
    world.hold_on_disk = LONG
    say(world, {"kind": "restart-asked", "who": "root"})
    old = world.guard._core
    world.guard._next.core.code = 1
    world.guard._read_next_core()
    assert world.guard._core is old
    assert world.guard._next is None
    assert old.heard[-1]["kind"] == "restart-refused"
    assert world.guard._memory.hold_ns == LONG, "the new core may have granted it"


def test_sockets_that_were_shared_twice_meanwhile_are_kept_as_they_were_shared_last(world):
    keys = [[1, link, "192.0.2.12", "192.0.2.13", 694] for link in ("lan", "direct")]
    first, again, both = (socket.socket().detach() for _ in range(3))
    say(
        world,
        {"kind": "sockets", "keys": keys[:1], "fds": [first]},
        {"kind": "sockets", "keys": keys, "fds": [again, both]},
    )
    goodbye = world.guard._core.goodbye
    assert [(key.as_list(), fd) for key, fd in goodbye.inheritable()] == [(keys[0], again), (keys[1], both)]
    assert not is_open(first)
    goodbye.close()


def test_a_guard_that_can_make_no_process_lives_on_and_starts_the_core_when_it_can(world, monkeypatch):
    monkeypatch.setattr(Files, "is_short_of_means", True)
    world.guard._core.code = -9
    world.guard._read_core()
    assert world.guard._core is None
    assert world.scribe.lines[-1][0] == "error"
    monkeypatch.setattr(Files, "is_short_of_means", False)
    not_before_ns = world.guard._current.back_off["core"].not_before_ns
    world.guard._tick(not_before_ns)
    assert world.guard._core is not None
    assert len(world.starts) == 2


def test_a_restart_without_the_means_for_a_second_core_is_refused_and_the_first_goes_on(world, monkeypatch):
    old = world.guard._core
    monkeypatch.setattr(Files, "is_short_of_means", True)
    say(world, {"kind": "restart-asked", "who": "root"})
    assert world.guard._core is old
    assert world.guard._next is None
    assert old.heard[-1]["kind"] == "restart-refused"


def test_while_the_configuration_is_read_the_guard_hears_the_core_and_counts_its_leases(world, monkeypatch):
    monkeypatch.setattr(Reader, "is_slow", True)
    heard, ticks = [], []
    monkeypatch.setattr(world.guard._exclusive, "take_lease", lambda group, *_: heard.append(group))
    monkeypatch.setattr(world.guard._exclusive, "tick", lambda at_ns, _now: ticks.append(at_ns))
    say(world, {"kind": "restart-asked", "who": "root"})
    say(world, {"kind": "guard-group", "group": "data", "until_ns": 7, "is_new": False})
    world.guard._tick(SECOND)
    assert (heard, ticks) == (["data"], [SECOND])
    assert len(world.starts) == 1
    monkeypatch.setattr(Reader, "is_slow", False)
    world.guard._read_configuration()
    assert len(world.starts) == 2


def test_a_second_order_to_restart_while_the_first_is_read_changes_nothing(world, monkeypatch):
    monkeypatch.setattr(Reader, "is_slow", True)
    say(world, {"kind": "restart-asked", "who": "root"})
    reader = world.guard._reader
    say(world, {"kind": "restart-asked", "who": "root"})
    assert world.guard._reader is reader


def test_a_core_that_dies_while_the_configuration_is_read_gives_the_restart_up_and_says_so(
    world, monkeypatch
):
    monkeypatch.setattr(Reader, "is_slow", True)
    say(world, {"kind": "restart-asked", "who": "root"})
    world.guard._core.code = -9
    world.guard._read_core()
    assert world.guard._reader is None
    assert any("restart refused" in line and "order it again" in line for _, line in world.scribe.lines)


def test_a_single_node_never_abstains_and_neither_do_its_further_cores(world, monkeypatch):
    alone = Files(SHORT, world.starts)
    alone.config = ClusterConfig("web", NODES[:1], None, ())
    monkeypatch.setattr(world.guard, "_current", alone)
    world.guard._core.code = -9
    world.guard._read_core()
    assert world.starts[-1] == (SHORT, 0)


def test_a_dead_core_without_the_kernels_lease_leaves_no_address_open(world, monkeypatch):
    closed = []
    monkeypatch.setattr(world.guard._bring_down, "close_all", lambda: closed.append(True))
    say(world, {"kind": "beat", "until_ns": 0})
    world.guard._core.code = -9
    world.guard._read_core()
    assert closed == [], "the kernel ends it"
    say(world, {"kind": "ready"}, {"kind": "beat", "until_ns": 2**62})
    world.guard._core.code = -9
    world.guard._read_core()
    assert closed == [True]


class Helper:
    """A child that ends when the test says so."""

    def __init__(self, role):
        self.role, self.pid, self.code = role, 7, None

    def reap(self, *_):
        return self.code


def test_a_new_core_is_told_of_the_helpers_that_it_finds(world):
    world.guard._current.children = {"publisher": Helper("publisher")}
    world.guard._core.code = -9
    world.guard._read_core()
    say(world, {"kind": "ready"})
    assert {"kind": "publisher-lives", "pid": 7} in world.guard._core.heard


@pytest.mark.parametrize("moment", ["stopping", "no core ready"])
def test_a_helper_that_ends_while_none_is_kept_is_reaped_and_told(world, moment):
    """Unreaped, it would wake the guard without end."""
    if moment == "stopping":
        world.guard._begin_stop("test")
    else:
        world.guard._core.is_ready = False
    helper = Helper("publisher")
    helper.code = -9
    world.guard._current.children = {"publisher": helper}
    world.guard._current.back_off["publisher"] = BackOff()
    world.guard._tick(SECOND)
    assert world.guard._current.children == {}
    assert {"kind": "publisher-lost"} in world.guard._core.heard
