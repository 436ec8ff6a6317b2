"""The worker's fences and pings: every order is answered once, tests repeat, the core reads what is meant."""

import asyncio
import ipaddress
import os

import pytest

from ha_monitor.core import events as ev
from ha_monitor.runtime import sources
from ha_monitor.runtime.fencer import Fencer
from ha_monitor.runtime.targets import TargetWatcher
from ha_monitor.timebase import SECOND, lease_clock_ns
from tests.fence.agents import device, fencing, told

BOUND_S = 60


def order(operation_id, only_ask=False):
    message = {"kind": "fence", "node": "b", "operation_id": operation_id, "only_ask": only_ask}
    return {**message, "why": "test"}


def fencer_of(config, packets):
    return Fencer(config, "a", lambda key, packet: packets.append((key, packet)))


def of_kind(packets, kind):
    return [packet for _, packet in packets if packet["kind"] == kind]


async def until(is_so):
    async with asyncio.timeout(BOUND_S):
        while not is_so():
            await asyncio.sleep(0.01)


def test_an_order_is_carried_out_and_answered_with_what_the_core_understands(tmp_path):
    packets = []

    async def story():
        fencer = fencer_of(fencing(device(tmp_path, "one"), levels=[["one"]]), packets)
        fencer.order(order(7))
        await until(lambda: packets)

    asyncio.run(story())
    ((key, packet),) = packets
    assert key == ("fence", "b", "", 7)
    event = sources.fence_end_of(packet)
    assert (event.node, event.operation_id, event.is_off) == ("b", 7, True)
    assert event.took_ns > 0


def test_a_second_order_for_the_same_node_is_answered_at_once_and_switches_nothing(tmp_path):
    packets = []
    slow = device(tmp_path, "one", f"off) sleep 1; echo off > {tmp_path}/plug-;;")

    async def story():
        fencer = fencer_of(fencing(slow, levels=[["one"]]), packets)
        fencer.order(order(7))
        fencer.order(order(8))
        await until(lambda: len(packets) == 2)
        return fencer.turned_away

    assert asyncio.run(story()) == 1
    first, second = (sources.fence_end_of(packet) for _, packet in packets)
    assert (first.operation_id, first.is_off) == (8, False)
    assert (second.operation_id, second.is_off) == (7, True)
    assert told(tmp_path, "one").count("action=off") == 1


def test_devices_are_tested_again_and_again(tmp_path):
    packets = []
    config = fencing(device(tmp_path, "one"), levels=[["one"]])
    often = type(config)(config.devices, config.levels, test_every_ns=SECOND // 100)

    async def story():
        task = asyncio.create_task(fencer_of(often, packets).run())
        await until(lambda: len(packets) >= 3)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(story())
    event = sources.fence_test_of(of_kind(packets, "fence-tested")[0])
    assert event == ev.FenceTested("one", True, "monitor: done")


def test_without_devices_and_targets_the_worker_has_nothing_to_tell():
    packets = []

    async def story():
        tasks = [
            asyncio.create_task(fencer_of(fencing(levels=[]), packets).run()),
            asyncio.create_task(TargetWatcher((), SECOND, lambda *told: packets.append(told)).run()),
        ]
        done, _ = await asyncio.wait(tasks, timeout=0.05)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return done

    assert asyncio.run(story()) == set(), "a part that ends would end the worker"
    assert packets == []


@pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets need root")
def test_targets_are_asked_and_the_core_is_told_when_the_answered_request_left():
    packets = []
    before_ns = lease_clock_ns()

    async def story():
        targets = (ipaddress.ip_address("127.0.0.1"),)
        watcher = TargetWatcher(targets, SECOND // 5, lambda key, packet: packets.append((key, packet)))
        task = asyncio.create_task(watcher.run())
        await until(lambda: any(packet["newest_ns"] for _, packet in packets))
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(story())
    event = sources.pinged_of(packets[-1][1])
    assert event.targets == 1
    assert before_ns < event.newest_ns <= lease_clock_ns()
