"""Fences as facts: a failed one is critical in both systems, and only what is expected is told."""

from dataclasses import replace

import pytest

from ha_monitor.publish.declare import HostKind, Level
from ha_monitor.publish.judge import Judge
from ha_monitor.publish.nagios import check_results
from ha_monitor.publish.snapshot import snapshots
from ha_monitor.view import FenceDeviceView, FenceView
from tests.views import healthy

IDLE = FenceView("pub3", "idle", 0, "", "", "", 0, 0, 2)
DEVICE = FenceDeviceView("ipmi", ("pub3",), True, 90, "monitor: done")


def results(view):
    of_host = next(s for s in snapshots(view) if s.kind is HostKind.VOTER)
    return {result.service: result for result in check_results(of_host, Judge())}


def fenced(**changes):
    return replace(healthy(), fences=(replace(IDLE, **changes),), fence_devices=(DEVICE,))


@pytest.mark.parametrize(
    ("state", "level"),
    [("idle", Level.OK), ("fenced", Level.WARNING), ("failed", Level.CRITICAL)],
)
def test_a_fence_is_as_bad_as_its_state(state, level):
    result = results(fenced(state=state, who="ha-monitor", why="silent", detail="level 1: no answer"))
    assert result["HA fencing pub3"].code == level


def test_a_failed_fence_says_why_and_what_to_do():
    result = results(fenced(state="failed", who="ha-monitor", why="silent", detail="level 1: no answer"))
    text = result["HA fencing pub3"].text
    assert "could not be powered off" in text
    assert "level 1: no answer" in text


def test_a_device_that_fails_its_test_is_critical_and_one_not_tested_yet_is_not():
    broken = replace(fenced(), fence_devices=(replace(DEVICE, is_working=False, detail="connection lost"),))
    assert results(broken)["HA fence device ipmi"].code == Level.CRITICAL
    fresh = replace(fenced(), fence_devices=(replace(DEVICE, is_working=False, age_s=-1),))
    assert results(fresh)["HA fence device ipmi"].code == Level.OK


def test_a_node_without_devices_has_no_service_even_when_confirmed_by_hand():
    assert not any("fencing" in name for name in results(fenced(levels=0, state="fenced")))


def test_a_single_node_is_not_warned_that_nobody_could_take_over():
    alone = replace(healthy().groups[0], candidates=())
    pair = replace(healthy(), groups=(alone,))
    single = replace(pair, quorum="single")
    candidates = [
        [told.values.get("ha.group.candidates") for s in snapshots(view) for told in s.told
         if "ha.group.state" in told.values]
        for view in (pair, single)
    ]  # fmt: skip
    assert candidates == [[0], [None]]
