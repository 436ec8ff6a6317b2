"""Levels: tried in order, all devices of one, confirmed by status; tests give way to a fence."""

import asyncio

from ha_monitor.fence.power import Power, plugs_of
from ha_monitor.model import FenceDevice, FenceStep, Fencing
from tests.fence.agents import device, fencing, told

FAILS = "off) echo refused; exit 1;;"


def power(config):
    return Power(config, "a")


def fence(config, only_ask=False):
    return asyncio.run(power(config).fence("b", only_ask))


def test_the_first_level_that_works_is_enough(tmp_path):
    outcome = fence(fencing(device(tmp_path, "one"), device(tmp_path, "two"), levels=[["one"], ["two"]]))
    assert outcome.is_off
    assert outcome.detail == "level 1: one off, then status: Status: OFF"
    assert told(tmp_path, "two") == []


def test_after_a_failing_level_the_next_one_is_tried(tmp_path):
    devices = device(tmp_path, "one", FAILS), device(tmp_path, "two")
    outcome = fence(fencing(*devices, levels=[["one"], ["two"]]))
    assert outcome.is_off
    assert outcome.detail.startswith("level 2: two off")
    assert "action=off" in told(tmp_path, "one")


def test_after_a_hanging_level_the_next_one_is_tried(tmp_path):
    devices = device(tmp_path, "one", "off) exec sleep 600;;", timeout_s=0.5), device(tmp_path, "two")
    assert fence(fencing(*devices, levels=[["one"], ["two"]])).is_off


def test_when_all_levels_fail_each_is_told_and_nothing_is_off(tmp_path):
    devices = device(tmp_path, "one", FAILS), device(tmp_path, "two", FAILS)
    outcome = fence(fencing(*devices, levels=[["one"], ["two"]]))
    assert not outcome.is_off
    assert outcome.detail == "level 1: one off: failed (refused); level 2: two off: failed (refused)"


def test_a_level_needs_all_its_devices(tmp_path):
    devices = device(tmp_path, "one"), device(tmp_path, "two", FAILS)
    assert not fence(fencing(*devices, levels=[["one", "two"]])).is_off
    assert "action=off" in told(tmp_path, "two")


def test_two_plugs_of_one_device_are_both_switched(tmp_path):
    config = fencing(device(tmp_path, "pdu"), levels=[[("pdu", "1"), ("pdu", "2")]])
    assert fence(config).is_off
    assert (tmp_path / "plug-1").read_text() == (tmp_path / "plug-2").read_text() == "off\n"


def test_a_device_that_says_done_and_stays_on_is_not_believed(tmp_path):
    liar = device(tmp_path, "one", 'off) echo "Success: Powered OFF";;', timeout_s=1.0)
    outcome = fence(fencing(liar, levels=[["one"]]))
    assert not outcome.is_off
    assert "Status: ON" in outcome.detail


def test_only_asking_switches_nothing(tmp_path):
    config = fencing(device(tmp_path, "one"), levels=[["one"]])
    assert not fence(config, only_ask=True).is_off
    (tmp_path / "plug-").write_text("off")
    assert fence(config, only_ask=True).is_off
    assert "action=off" not in told(tmp_path, "one")


def test_only_what_powers_others_is_tested():
    devices = tuple(FenceDevice(name, "/fence") for name in ("mine", "theirs"))
    levels = {"a": ((FenceStep("mine"),),), "b": ((FenceStep("theirs", "1"), FenceStep("theirs", "2")),)}
    config = Fencing(devices, levels)
    assert Power(config, "a").devices == ("theirs",)
    assert plugs_of(config, ["b"], "theirs") == ("1", "2")


def test_a_test_asks_monitor_and_the_status_of_each_plug(tmp_path):
    config = fencing(device(tmp_path, "pdu"), levels=[[("pdu", "1"), ("pdu", "2")]])
    assert asyncio.run(power(config).test("pdu")).is_done
    actions = [line for line in told(tmp_path, "pdu") if line.startswith("action=")]
    assert actions == ["action=metadata", "action=monitor", "action=status", "action=status"]


def test_a_test_fails_for_a_plug_whose_status_cannot_be_told(tmp_path):
    broken = device(tmp_path, "pdu", "status) exit 8;;")
    answer = asyncio.run(power(fencing(broken, levels=[[("pdu", "1")]])).test("pdu"))
    assert not answer.is_done
    assert answer.detail == "plug 1: status: cannot tell the plug's status"


def test_a_fence_does_not_wait_for_a_test_that_hangs(tmp_path):
    slow = device(tmp_path, "one", "monitor) exec sleep 600;;", timeout_s=120)
    all_devices = power(fencing(slow, levels=[["one"]]))

    async def both():
        test = asyncio.create_task(all_devices.test("one"))
        while "action=monitor" not in told(tmp_path, "one"):
            await asyncio.sleep(0.01)
        outcome = await all_devices.fence("b", False)
        return outcome, await test

    outcome, test = asyncio.run(asyncio.wait_for(both(), 60))
    assert outcome.is_off
    assert test is None, "the test says nothing about the device"
