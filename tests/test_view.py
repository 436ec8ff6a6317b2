"""The published picture survives JSON and refuses what is none."""

import json
from dataclasses import asdict

import pytest

from ha_monitor.view import SinkView, read_transition, read_view
from tests.views import STARTED, healthy


@pytest.mark.parametrize("name", ["pub2", "pub3", "mon"])
def test_view_survives_json(name):
    assert read_view(json.loads(json.dumps(asdict(healthy(name))))) == healthy(name)


def test_transition_survives_json():
    assert read_transition(json.loads(json.dumps(asdict(STARTED)))) == STARTED


def test_a_newer_daemons_keys_are_ignored_and_absent_defaults_are_filled():
    plain = asdict(healthy())
    plain["surprise"] = plain["nodes"][0]["surprise"] = 1
    del plain["sinks"]
    assert read_view(plain) == healthy()


def test_sinks_come_back_as_values():
    sink = SinkView("nagios", "nsca-ng", "ok", 0, 0, 1, 0, 0, 0.1)
    assert read_view({**asdict(healthy()), "sinks": [asdict(sink)]}).sinks == (sink,)


@pytest.mark.parametrize("data", [{}, {"nodes": 3}, {**asdict(healthy()), "maintenance": None}, []])
def test_anything_else_is_refused(data):
    with pytest.raises(ValueError, match="no view"):
        read_view(data)
