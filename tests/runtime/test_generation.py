"""The processes of one configuration: what is opened for them, and what is left when that fails."""

import errno
import grp
import json
import os
import pwd
from types import SimpleNamespace

import pytest

from ha_monitor.errors import PrerequisiteError
from ha_monitor.plain import to_plain
from ha_monitor.runtime import generation as generation_module
from ha_monitor.runtime.children import Account
from ha_monitor.runtime.generation import Generation
from ha_monitor.runtime.preparation import make_generation
from tests.runtime.descriptors import open_descriptors, room_for
from tests.runtime.test_orders import CONFIG

NEEDED = 6  # configuration, keys, and both ends to worker and publisher
ACCOUNT = Account(990, 991, (4, 991))
TOLD = json.dumps(
    {"config": to_plain(CONFIG), "keys": [[1, "00" * 32]], "account": [990, 991, [4, 991]]}
).encode()


def make():
    return Generation(CONFIG, b"{}", b"[]", ACCOUNT, "pub2", is_witness=False)


@pytest.mark.parametrize("room", range(NEEDED))
def test_one_that_lacks_a_descriptor_leaves_none_behind(room):
    before = open_descriptors()
    with room_for(room), pytest.raises(OSError) as caught:
        make()
    assert caught.value.errno == errno.EMFILE
    assert open_descriptors() == before


def test_one_that_has_its_descriptors_gives_all_back():
    before = open_descriptors()
    with room_for(NEEDED):
        make().close()
    assert open_descriptors() == before


def test_want_of_descriptors_is_an_answer_that_a_guard_can_refuse_a_restart_with(monkeypatch):
    monkeypatch.setenv("HA_MONITOR_SELF", "pub2")
    with room_for(NEEDED - 1), pytest.raises(PrerequisiteError, match="Too many open files"):
        make_generation(TOLD, is_witness=False)


def test_publisher_starts_as_the_prepared_account_though_the_name_service_fails(monkeypatch):
    monkeypatch.setenv("HA_MONITOR_SELF", "pub2")
    generation, started = make_generation(TOLD, is_witness=False), {}

    def child(role, _command, _environment, _fds, account):
        started[role] = account
        return SimpleNamespace(expose_to_oom=lambda: None)

    def failing(*_):
        raise KeyError("getpwnam(): name not found")

    for module, name in ((pwd, "getpwnam"), (grp, "getgrnam"), (os, "getgrouplist")):
        monkeypatch.setattr(module, name, failing)
    monkeypatch.setattr(generation_module, "Child", child)
    for role in generation.roles:
        generation.start(role, 0)
    assert started == {"worker": None, "publisher": ACCOUNT}
    generation.close()
