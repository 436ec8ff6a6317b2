"""One Resource's operations and probes against an agent whose steps the test decides."""

import asyncio

import pytest

from ha_monitor.agents.base import Answer, Surroundings
from ha_monitor.model import Ballot, Resource, ResourceKind, ResourceState
from ha_monitor.runtime.keeper import Keeper, Order
from ha_monitor.timebase import SECOND, lease_clock_ns

R = ResourceState


class SlowAgent:
    """Every operation waits until the test lets it go on with an Answer."""

    def __init__(self, stop_timeout_ns):
        self.resource = Resource("web", ResourceKind.COMMAND, stop_timeout_ns=stop_timeout_ns)
        self.begun = asyncio.Queue()
        self.answers = {}
        self.ended_early = []
        self.pid = 0

    async def _operate(self, name, surroundings):
        answer = self.answers[name] = asyncio.get_running_loop().create_future()
        self.begun.put_nowait((name, surroundings.epoch.counter))
        try:
            return await answer
        except asyncio.CancelledError:
            self.ended_early.append(name)
            raise

    async def start(self, surroundings):
        return await self._operate("start", surroundings)

    async def stop(self, surroundings):
        return await self._operate("stop", surroundings)

    async def status(self, surroundings):
        return await self._operate("probe", surroundings)

    def main_pid(self):
        return self.pid

    async def listen(self, changed):
        self.changed = changed


class Bench:
    """A running Keeper and what it reported."""

    def __init__(self, first_probe_ns, stop_timeout_ns):
        self.agent = SlowAgent(stop_timeout_ns)
        self.reports = asyncio.Queue()
        self.keeper = Keeper(Surroundings("www", "pub2"), self.agent, self.reports.put_nowait, first_probe_ns)
        self.task = asyncio.create_task(self.keeper.run())

    async def begun(self):
        return await asyncio.wait_for(self.agent.begun.get(), 30)

    async def report(self):
        report = await asyncio.wait_for(self.reports.get(), 30)
        return report.operation, report.operation_id, report.state, report.detail

    def let(self, name, state, detail=""):
        self.agent.answers[name].set_result(Answer(state, detail))

    async def end(self):
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.task


def on_bench(story, first_probe_in_ns=3600 * SECOND, stop_timeout_ns=20 * SECOND):
    async def play():
        bench = Bench(lease_clock_ns() + first_probe_in_ns, stop_timeout_ns)
        await story(bench)
        await bench.end()
        return bench

    return asyncio.run(play())


def test_probe_that_began_before_an_operation_is_never_told():
    async def story(bench):
        assert await bench.begun() == ("probe", 0)
        bench.keeper.order(Order("stop", 5))
        assert await bench.begun() == ("stop", 0)
        bench.let("stop", R.STOPPED)
        assert await bench.report() == ("stop", 5, R.STOPPED, "")
        assert bench.reports.empty()
        assert bench.agent.ended_early == ["probe"]

    on_bench(story, first_probe_in_ns=0)


def test_stop_ends_a_start_that_is_still_under_way_and_both_are_told():
    async def story(bench):
        bench.keeper.order(Order("start", 1, Ballot(4, 0, 0)))
        assert await bench.begun() == ("start", 4)
        bench.keeper.order(Order("stop", 2))
        assert await bench.report() == ("start", 1, R.FAILED, "given up for a stop")
        assert await bench.begun() == ("stop", 4)
        bench.let("stop", R.STOPPED)
        assert await bench.report() == ("stop", 2, R.STOPPED, "")

    on_bench(story)


def test_start_waits_for_a_stop_and_a_newer_order_takes_its_place():
    async def story(bench):
        bench.keeper.order(Order("stop", 1))
        await bench.begun()
        bench.keeper.order(Order("start", 2))
        bench.keeper.order(Order("stop", 3))
        assert await bench.report() == ("start", 2, R.UNKNOWN, "a later order took its place")
        assert bench.agent.begun.empty()
        bench.let("stop", R.FAILED, "would not")
        assert await bench.report() == ("stop", 1, R.FAILED, "would not")
        assert (await bench.begun())[0] == "stop"

    on_bench(story)


def test_change_during_a_probe_is_probed_again():
    async def story(bench):
        bench.keeper.order(Order("probe", 9))
        await bench.begun()
        bench.agent.changed()
        bench.let("probe", R.RUNNING)
        assert await bench.report() == ("probe", 9, R.RUNNING, "")
        assert await bench.begun() == ("probe", 0)

    on_bench(story)


def test_exit_of_the_watched_process_is_probed_at_once_and_a_zombie_not_for_ever():
    async def story(bench):
        process = await asyncio.create_subprocess_exec("sleep", "300")
        bench.agent.pid = process.pid
        bench.keeper.order(Order("probe", 1))
        await bench.begun()
        bench.let("probe", R.RUNNING)
        await bench.report()
        process.kill()
        # Its parent may not have noticed yet: RUNNING is asked again a few times, then left to the interval.
        for _ in range(6):
            await bench.begun()
            bench.let("probe", R.RUNNING)
            await bench.report()
        await asyncio.sleep(0.2)
        assert bench.agent.begun.empty()
        await process.wait()

    on_bench(story)


def test_agent_that_cannot_start_a_program_answers_unknown_and_the_keeper_lives_on():
    async def story(bench):
        bench.keeper.order(Order("probe", 1))
        await bench.begun()
        bench.agent.answers["probe"].set_exception(OSError(11, "Resource temporarily unavailable"))
        operation, ident, state, detail = await bench.report()
        assert (operation, ident, state) == ("probe", 1, R.UNKNOWN)
        assert "temporarily unavailable" in detail
        bench.keeper.order(Order("probe", 2))
        await bench.begun()

    on_bench(story)


def test_a_stop_for_which_there_are_no_means_is_tried_again_before_it_fails():
    async def story(bench):
        bench.keeper.order(Order("stop", 1))
        for _ in range(2):
            assert (await bench.begun())[0] == "stop"
            bench.agent.answers["stop"].set_exception(OSError(24, "Too many open files"))
        assert (await bench.begun())[0] == "stop"
        bench.let("stop", R.STOPPED)
        assert await bench.report() == ("stop", 1, R.STOPPED, "")

    on_bench(story)


def test_a_stop_without_means_until_its_time_is_up_has_failed():
    async def story(bench):
        bench.keeper.order(Order("stop", 1))
        await bench.begun()
        bench.agent.answers["stop"].set_exception(OSError(24, "Too many open files"))
        operation, ident, state, detail = await bench.report()
        assert (operation, ident, state) == ("stop", 1, R.UNKNOWN)
        assert "Too many open files" in detail

    on_bench(story, stop_timeout_ns=0)


def test_ending_keeper_ends_the_operation_under_way():
    async def story(bench):
        bench.keeper.order(Order("start", 1))
        await bench.begun()

    assert on_bench(story).agent.ended_early == ["start"]
