"""The client of command line and plugins: socket first, a fresh file second, clear words else."""

import json
import time
from dataclasses import replace

import pytest

from ha_monitor import client
from ha_monitor.errors import ControlError
from ha_monitor.view import SinkView
from tests.cli.daemon import PlayedDaemon
from tests.views import healthy

SINK = SinkView("zabbix", "zabbix", "ok", 0, 0, 7, 0, 0, 0.1)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("HA_MONITOR_RUN", str(tmp_path))
    return tmp_path


def write_file(place, age_s):
    view = replace(healthy(), stamp_ns=time.time_ns() - int(age_s * 1e9), sinks=(SINK,))
    (place / "view.json").write_text(json.dumps(view, default=vars))
    return view


def test_view_comes_from_the_daemon_when_it_answers(place):
    write_file(place, 0)
    told = replace(healthy(), state="degraded")
    daemon = PlayedDaemon(place, told, None)
    assert client.fetch_view().state == "degraded"
    daemon.close()


def test_sinks_are_added_from_the_publishers_file_while_that_is_fresh(place):
    view = write_file(place, 0)
    daemon = PlayedDaemon(place, replace(view, sinks=()), None)
    assert client.fetch_view().sinks == view.sinks
    daemon.view = replace(daemon.view, stamp_ns=view.stamp_ns + 60 * 10**9)
    assert client.fetch_view().sinks == ()
    daemon.close()


def test_fresh_file_stands_in_for_a_silent_daemon(place):
    written = write_file(place, 1)
    assert client.fetch_view() == written


@pytest.mark.parametrize("age_s", [client.STALE_S + 1, -client.STALE_S - 1])
def test_old_file_and_one_from_the_future_are_not_believed(place, age_s):
    write_file(place, age_s)
    with pytest.raises(ControlError, match="too old to believe"):
        client.fetch_view()


def test_nobody_and_nothing_is_said_in_words(place):
    with pytest.raises(ControlError, match="no ha-monitor daemon runs on this host"):
        client.fetch_view()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"cluster": 5}'])
def test_what_is_no_view_is_an_error_and_no_traceback(text):
    with pytest.raises(ControlError, match="cannot be read"):
        client.parse_view(text)


def test_order_without_a_daemon_is_refused_in_words(place):
    with pytest.raises(ControlError, match="no ha-monitor daemon runs on this host"):
        client.order("stop")


def test_daemon_that_ends_while_it_is_asked_is_told_apart(place):
    daemon = PlayedDaemon(place, healthy(), lambda view, order: None)
    with pytest.raises(client.DaemonEndedError):
        client.order("restart")
    daemon.close()
