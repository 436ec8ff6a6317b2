"""Only one answer promises STOPPED; silence promises nothing."""

import asyncio

import pytest

from ha_monitor.agents.base import (
    STATE_BY_ANSWER,
    Answer,
    Surroundings,
    first_line,
    format_epoch,
    resource_state,
    settle,
)
from ha_monitor.model import Ballot, Resource, ResourceKind, ResourceState
from ha_monitor.timebase import MS, lease_clock_ns


def test_only_exit_code_3_promises_stopped():
    answers = [None, *range(-64, 256)]
    promising = [a for a in answers if resource_state("lsb status", a) is ResourceState.STOPPED]
    assert promising == [3]


@pytest.mark.parametrize("convention", STATE_BY_ANSWER)
def test_no_answer_is_unknown_and_an_answer_out_of_the_table_is_failed(convention):
    assert resource_state(convention, None) is ResourceState.UNKNOWN
    assert resource_state(convention, "nonsense") is ResourceState.FAILED


def test_failed_unit_does_not_promise_that_it_is_stopped():
    assert resource_state("systemd ActiveState", "failed") is ResourceState.FAILED
    assert resource_state("systemd ActiveState", "deactivating") is ResourceState.STOPPING


def test_epoch_as_text_sorts_as_ballots_do():
    ballots = [Ballot(9, 1, 5), Ballot(10, 0, 0), Ballot(10, 0, 7), Ballot(10, 2, 1), Ballot(1 << 63, 0, 0)]
    assert sorted(format_epoch(b) for b in reversed(ballots)) == [format_epoch(b) for b in ballots]


def test_environment_names_group_node_resource_and_epoch():
    web = Resource("web", ResourceKind.COMMAND)
    assert Surroundings("www", "pub2", Ballot(4, 1, 9)).environment(web) == {
        "HA_MONITOR_GROUP": "www",
        "HA_MONITOR_NODE": "pub2",
        "HA_MONITOR_RESOURCE": "web",
        "HA_MONITOR_EPOCH": "00000000000000000004.001.00000000000000000009",
    }
    assert "HA_MONITOR_EPOCH" not in Surroundings("www", "pub2").environment(web)


def test_settle_asks_again_until_the_wanted_state_and_not_after_it():
    answers = iter(
        [ResourceState.STARTING, ResourceState.FAILED, ResourceState.RUNNING, ResourceState.FAILED]
    )

    async def status():
        return Answer(next(answers))

    answer = asyncio.run(settle(ResourceState.RUNNING, status, lease_clock_ns() + 10_000 * MS))
    assert answer == Answer(ResourceState.RUNNING)


def test_settle_gives_the_last_answer_when_its_time_is_over():
    async def status():
        return Answer(ResourceState.STARTING, "still")

    answer = asyncio.run(settle(ResourceState.RUNNING, status, lease_clock_ns() + 50 * MS))
    assert answer == Answer(ResourceState.STARTING, "still")


def test_detail_is_the_first_line_that_says_something_and_short():
    assert first_line("\n  \n nginx: [emerg] no\nmore") == "nginx: [emerg] no"
    assert first_line("") == ""
    assert len(first_line("x" * 10_000)) == 200
