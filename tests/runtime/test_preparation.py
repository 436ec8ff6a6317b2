"""What is refused before anything starts: each with where, what stands there and what to do."""

import errno
import os
import re
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ha_monitor.errors import ConfigError, PrerequisiteError
from ha_monitor.model import Group, Quorum
from ha_monitor.runtime import preparation
from ha_monitor.runtime.children import Account
from ha_monitor.runtime.memory import HOLD_UNKNOWN_NS, Memory, load_memory, store_memory
from ha_monitor.timebase import SECOND
from tests.runtime.test_orders import CONFIG


@pytest.fixture
def places(tmp_path, monkeypatch):
    for name in ("ETC", "RUN", "STATE"):
        directory = tmp_path / name.lower()
        directory.mkdir()
        monkeypatch.setenv(f"HA_MONITOR_{name}", str(directory))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "is_witness", "hint"),
    [
        ("pub9", False, "'pub9' is not one of: pub2, pub3; the host's name must stand there"),
        ("mon", False, "mon is the Witness: start `ha-monitor witness`"),
        ("pub2", True, "pub2 is a Node: start `ha-monitor run`"),
        ("pub9", True, "'pub9' is not one of: mon; the host's name must stand there"),
    ],
)
def test_host_that_is_not_what_it_is_started_as_is_told_so(monkeypatch, name, is_witness, hint):
    monkeypatch.setenv("HA_MONITOR_SELF", name)
    with pytest.raises(ConfigError, match=hint):
        preparation.own_name(CONFIG, is_witness)


def test_host_is_known_by_its_name(monkeypatch):
    monkeypatch.setenv("HA_MONITOR_SELF", "pub3")
    assert preparation.own_name(CONFIG, is_witness=False) == "pub3"
    monkeypatch.setenv("HA_MONITOR_SELF", "mon")
    assert preparation.own_name(CONFIG, is_witness=True) == "mon"


def test_first_start_abstains_for_the_unknown_and_remembers_the_known_hold(places):
    memory, abstain_ns = preparation.remember_hold(CONFIG)
    assert (memory.hold_ns, abstain_ns) == (SECOND, HOLD_UNKNOWN_NS)
    assert load_memory(places / "state") == (memory, True)


def test_later_start_abstains_for_the_longest_hold_that_was_granted(places):
    store_memory(places / "state", Memory(hold_ns=3 * SECOND))
    assert preparation.remember_hold(CONFIG)[1] == 3 * SECOND


def test_socket_is_private_before_it_is_bound_and_has_its_mode_after(places):
    listeners = preparation.open_listeners()
    modes = {name: (places / "run" / name).stat().st_mode & 0o777 for name in ("control.sock", "status.sock")}
    assert modes == {"control.sock": 0o660, "status.sock": 0o666}
    listeners.control.close()
    listeners.status.close()


@pytest.mark.parametrize(
    ("changed", "is_refused"),
    [
        ({}, False),
        ({"stop_within_ns": 9 * SECOND}, True),
        ({"exclusive": False}, True),
        ({"prefer": ("pub3", "pub2")}, False),
        ({"prefer": ("pub2", "pub3", "pub4")}, True),  # the guard of pub4 would know nothing of it
        ({"prefer": ("pub2",)}, True),
    ],
)
def test_a_restart_that_changes_what_voters_hold_or_guards_end_is_refused(changed, is_refused):
    group = Group("data", ("pub2", "pub3"), (), exclusive=True, stop_within_ns=8 * SECOND)
    old, new = (SimpleNamespace(groups=(g,), watchdog=None) for g in (group, replace(group, **changed)))
    with pytest.raises(ConfigError, match="stop and start") if is_refused else nullcontext():
        preparation.refuse_new_holds(old, new)


def test_what_start_lines_write_lies_where_the_publisher_cannot_lay_links(places):
    preparation.make_directories()
    assert (places / "run" / "output").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("changed", "is_refused"),
    [
        ({}, False),
        ({"nodes": tuple(replace(node, addresses={}) for node in CONFIG.nodes)}, False),
        ({"nodes": CONFIG.nodes[::-1]}, True),
        ({"witness": None}, True),
        ({"quorum": Quorum.FENCING}, True),
    ],
)
def test_a_restart_that_changes_who_decides_is_refused(changed, is_refused):
    with pytest.raises(ConfigError, match="stop and start") if is_refused else nullcontext():
        preparation.refuse_new_voters(CONFIG, replace(CONFIG, **changed))


@pytest.mark.skipif(os.geteuid() != 0, reason="the daemon runs as root")
def test_lock_that_cannot_be_made_is_told_by_its_path_and_what_it_must_be(places):
    for name in ("guard.lock", "core.lock"):
        (places / "run" / name).mkdir()
    for name, step in (
        ("guard.lock", lambda: preparation.prepare(is_witness=False)),
        ("core.lock", preparation.await_former_core),
    ):
        told = f"{places}/run/{name}: cannot be opened: Is a directory; it must be a file that root can write"
        with pytest.raises(PrerequisiteError, match=re.escape(told)):
            step()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_filesystem_that_takes_no_lock_is_told_by_what_is_wrong_with_it(places, monkeypatch, number):
    def refused(path, *_):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(PrerequisiteError, match=f"core.lock: cannot be opened: {os.strerror(number)}"):
        preparation.await_former_core()


@pytest.mark.parametrize("place", ["run", "state/outbox"])
def test_place_that_the_publisher_cannot_be_given_is_told_by_its_path(places, monkeypatch, place):
    chown = os.chown

    def refused(path, *ids, **how):
        if path == places / place:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        chown(path, *ids, **how)

    monkeypatch.setattr(os, "chown", refused)
    told = f"{places / place}: cannot be given to the publisher (uid {os.geteuid()}): Read-only file system"
    with pytest.raises(PrerequisiteError, match=re.escape(told)):
        preparation.own_outbox(Account(os.geteuid(), os.getegid()))


def test_something_else_in_the_outboxs_place_is_told(places):
    (places / "state" / "outbox").write_text("")
    with pytest.raises(PrerequisiteError, match="state/outbox: cannot be given to the publisher"):
        preparation.own_outbox(Account(os.geteuid(), os.getegid()))
