"""The demonstration ends red when it should: with a publisher stopped, and without the kernel's rules."""

import os
import signal

import pytest

from ha_monitor.lab.demo.record import Report
from ha_monitor.lab.demo.stage import Stage
from ha_monitor.lab.demo.story import Step, Story
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.observation import Observation
from ha_monitor.lab.roles import daemon_processes

pytestmark = [pytest.mark.lab, pytest.mark.stack]
KILL = Step("kill of all its daemons", "kill", 1400, is_failback_awaited=False)


class OneStep(Story):
    """The kill alone, without pictures."""

    def play(self):
        with Observation(self._stage.lab) as seen:
            self._play(KILL, seen)


class WithoutRules(OneStep):
    """Somebody flushes the ruleset of the struck host, whose daemon is no longer there to put it back."""

    def struck(self, host):
        self._stage.lab.host(host).exec(["nft", "flush", "ruleset"])


class WithoutPublisher(OneStep):
    """The other Node's publisher is stopped and cannot tell of the Takeover."""

    def struck(self, host):
        other = next(name for name in ("pub2", "pub3") if name != host)
        for process in daemon_processes(self._stage.lab.host(other), "publisher"):
            process.signal(signal.SIGSTOP)


@pytest.fixture(scope="module")
def stage():
    made = Stage(Lab(f"r{os.getpid()}"), print, failback="never")
    try:
        made.up()
        yield made
    finally:
        made.down()


def played(story, stage, tmp_path):
    report = Report("now")
    story(stage, report, tmp_path, print).play()
    report.transitions_made = report.transitions_in_zabbix = 0
    return report.problems()


def test_nothing_broken_is_green(stage, tmp_path):
    assert played(OneStep, stage, tmp_path) == []


def test_without_the_kernels_rules_it_is_red(stage, tmp_path):
    assert any("served by two Nodes" in problem for problem in played(WithoutRules, stage, tmp_path))


def test_with_a_publisher_stopped_it_is_red(stage, tmp_path):
    problems = played(WithoutPublisher, stage, tmp_path)
    assert any("publisher" in problem for problem in problems), problems
