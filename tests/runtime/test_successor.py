"""What a planned restart takes over, and what it refuses."""

from dataclasses import replace

import pytest

from ha_monitor.errors import HaMonitorError
from ha_monitor.model import Quorum
from ha_monitor.runtime import successor
from ha_monitor.runtime.children import Account
from tests.runtime.test_orders import CONFIG


class Made:
    is_witness = False

    def __init__(self, config, uid=990):
        self.config, self.is_closed, self.taken_over = config, False, None
        self.account = Account(uid, 990, (uid,))

    def close(self):
        self.is_closed = True

    def take_over(self, other):
        self.taken_over = other


def made(monkeypatch, config):
    generation = Made(config)
    monkeypatch.setattr(successor, "make_generation", lambda *_: generation)
    return generation


def test_a_refused_one_leaves_no_descriptor_behind(monkeypatch):
    refused = made(monkeypatch, replace(CONFIG, quorum=Quorum.FENCING))
    with pytest.raises(HaMonitorError, match=r"quorum fencing.*stop and start on every host"):
        successor.succeeding_generation(Made(CONFIG), b"")
    assert refused.is_closed


def test_one_that_decides_by_the_same_voters_takes_over(monkeypatch):
    current, accepted = Made(CONFIG), made(monkeypatch, CONFIG)
    assert successor.succeeding_generation(current, b"") is accepted
    assert accepted.taken_over is current
    assert not accepted.is_closed


def test_one_whose_publisher_could_not_write_its_outbox_is_refused(monkeypatch):
    refused = made(monkeypatch, CONFIG)
    with pytest.raises(HaMonitorError, match=r"'uid 990, gid 990' is not uid 65534.*stop and start"):
        successor.succeeding_generation(Made(CONFIG, uid=65534), b"")
    assert refused.is_closed
