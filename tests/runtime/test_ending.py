"""How an exclusive group is ended: what is asked in which order, and what counts as proof."""

from __future__ import annotations

import os
import time

import pytest

from ha_monitor.model import Resource, ResourceKind
from ha_monitor.runtime.ending import (
    OUTPUT_MAX,
    Ending,
    Member,
    Outcome,
    Pause,
    Run,
    ending_steps,
    is_unit_stopped,
    member_of,
)
from ha_monitor.timebase import MS, SECOND

STOPPED, RUNNING = Outcome(3), Outcome(0)


class FakeCgroup:
    """``left``: so many kills end nothing yet."""

    def __init__(self, left=0):
        self.left, self.kills = left, 0

    def kill(self):
        self.kills += 1

    def remove(self):
        return self.kills > self.left

    def pids(self):
        return [42]


def member(name):
    return Member(
        name,
        Run(("stop", name), SECOND),
        Run(("status", name), SECOND),
        lambda outcome: outcome.code == 3,
    )


def play(steps, answers, rounds=30):
    """Take the steps; ``answers``: what a line says, by its words; what was asked, in order."""
    asked = []
    try:
        step = next(steps)
        for _ in range(rounds):
            asked.append(" ".join(step.argv) if isinstance(step, Run) else step)
            answer = answers.get(asked[-1]) if isinstance(step, Run) else Outcome(0)
            step = steps.send(answer.pop(0) if isinstance(answer, list) else answer or Outcome(0))
    except StopIteration:
        return asked, True
    return asked, False


BOTH = [member("fs"), member("db")]
ALL_STOPPED = {"status fs": STOPPED, "status db": STOPPED}


def test_it_stops_from_the_last_to_the_first_then_kills_then_proves():
    cgroup = FakeCgroup()
    asked, is_done = play(ending_steps(BOTH, cgroup, looks_first=False), ALL_STOPPED)
    assert asked == ["stop db", "stop fs", "status db", "status fs"]
    assert is_done
    assert cgroup.kills == 1


def test_what_its_status_calls_stopped_is_not_stopped_again_when_it_looks_first():
    asked, is_done = play(ending_steps(BOTH, FakeCgroup(), looks_first=True), ALL_STOPPED)
    assert [line for line in asked if line.startswith("stop")] == []
    assert is_done


def test_a_stop_that_fails_is_followed_by_death_before_the_next_stop():
    cgroup = FakeCgroup()
    steps = ending_steps(BOTH, cgroup, looks_first=False)
    assert next(steps).argv == ("stop", "db")
    assert steps.send(Outcome(None)).argv == ("stop", "fs")
    assert cgroup.kills == 1


def test_what_is_still_mounted_after_the_killing_is_stopped_again():
    answers = {"status db": STOPPED, "status fs": [RUNNING, STOPPED]}
    asked, is_done = play(ending_steps(BOTH, FakeCgroup(), looks_first=False), answers)
    assert asked == ["stop db", "stop fs", "status db", "status fs", "stop fs", "status fs"]
    assert is_done


def test_it_never_ends_while_a_status_does_not_say_stopped_and_it_says_why():
    answers = {**ALL_STOPPED, "status fs": RUNNING, "stop fs": Outcome(32, "umount: /san: target is busy.\n")}
    asked, is_done = play(ending_steps(BOTH, FakeCgroup(), looks_first=False), answers)
    assert not is_done
    pauses = [step for step in asked if isinstance(step, Pause)]
    assert pauses[0].trouble == "fs is not stopped: umount: /san: target is busy."


def test_a_status_without_an_answer_proves_nothing():
    answers = {**ALL_STOPPED, "status db": Outcome(None)}
    assert play(ending_steps(BOTH, FakeCgroup(), looks_first=False), answers)[1] is False


def test_a_process_that_is_left_stands_against_the_proof():
    asked, is_done = play(ending_steps(BOTH, FakeCgroup(left=2), looks_first=False), ALL_STOPPED)
    assert is_done
    assert [s.trouble for s in asked if isinstance(s, Pause)] == ["processes are left: [42]"] * 2


class LateStart:
    """A mount whose start line is held up outside the cgroup until ``lines`` others were run.

    It leaves no process behind. ``dying``: so long, in lines, the cgroup cannot be removed.
    """

    def __init__(self, lines, dying):
        self.lines, self.dying = lines, dying
        self.run = 0
        self.has_cgroup, self.is_mounted = True, False

    def kill(self):
        pass

    def remove(self):
        self.has_cgroup = self.has_cgroup and self.run < self.dying
        return not self.has_cgroup

    def pids(self):
        return [42]

    def play(self, steps):
        step = next(steps)
        for _ in range(30):
            step = steps.send(self._answer(step))

    def _answer(self, step):
        if isinstance(step, Pause):
            return Outcome(0)
        if step.argv[0] == "stop":
            self.is_mounted, told = False, Outcome(0)
        else:
            told = RUNNING if self.is_mounted else STOPPED
        self.run += 1
        if self.run == self.lines and self.has_cgroup:
            self.is_mounted = True
        return told


@pytest.mark.parametrize("looks_first", [True, False])
@pytest.mark.parametrize("dying", range(7))
@pytest.mark.parametrize("lines", range(1, 9))
def test_a_mount_that_begins_late_is_undone_whenever_it_slips_in(lines, dying, looks_first):
    late = LateStart(lines, dying)
    steps = ending_steps([member("fs")], late, looks_first)
    with pytest.raises(StopIteration):
        late.play(steps)
    assert not late.is_mounted
    assert not late.has_cgroup


def test_what_a_status_calls_running_after_the_cgroup_is_gone_is_stopped_and_asked_again():
    cgroup = FakeCgroup()
    answers = {"status db": STOPPED, "status fs": [RUNNING, RUNNING, STOPPED]}
    asked, is_done = play(ending_steps(BOTH, cgroup, looks_first=False), answers)
    round_ = ["status db", "status fs"]
    assert asked[:6] == ["stop db", "stop fs", *round_, "stop fs", "status fs"]
    assert asked[6].trouble == "fs is not stopped"
    assert asked[7:] == round_
    assert is_done


def test_no_pause_is_made_when_the_killed_are_gone_by_the_time_the_statuses_are_told():
    cgroup = FakeCgroup()
    answers = iter([False, True, True])  # dying still; dead; gone
    cgroup.remove = lambda: next(answers)
    asked, is_done = play(ending_steps(BOTH, cgroup, looks_first=True), ALL_STOPPED)
    assert asked == ["status db", "status fs"] * 3
    assert is_done


def test_a_unit_is_stopped_when_systemd_has_no_cgroup_for_it_any_more():
    assert is_unit_stopped(Outcome(0, "ActiveState=inactive\nControlGroup=\n"))
    assert is_unit_stopped(Outcome(0, "ActiveState=failed\nControlGroup=\n"))
    assert not is_unit_stopped(Outcome(0, "ActiveState=failed\nControlGroup=/system.slice/db.service\n"))
    assert not is_unit_stopped(Outcome(0, "ActiveState=deactivating\nControlGroup=\n"))
    assert not is_unit_stopped(Outcome(1, ""))
    assert not is_unit_stopped(Outcome(0, "Job=4711\nActiveState=inactive\nControlGroup=\n")), "it will start"
    assert is_unit_stopped(Outcome(0, "Job=\nActiveState=inactive\nControlGroup=\n"))
    assert not is_unit_stopped(Outcome(None, "ActiveState=inactive\nControlGroup=\n"))


def test_a_unit_that_would_not_stop_is_killed_by_systemd_in_its_own_cgroup():
    unit = member_of(Resource("db", ResourceKind.SYSTEMD, unit="db.service"))
    stopped = Outcome(0, "ActiveState=inactive\nControlGroup=\n")
    running = Outcome(0, "ActiveState=active\nControlGroup=/system.slice/db.service\n")
    steps = ending_steps([unit], FakeCgroup(), looks_first=False)
    assert next(steps).argv[1:] == ("stop", "db.service")
    steps.send(Outcome(None))
    assert steps.send(running).argv[1:] == ("kill", "--kill-who=all", "--signal=SIGKILL", "db.service")
    assert steps.send(Outcome(0)).argv[1] == "stop"
    steps.send(Outcome(0))
    with pytest.raises(StopIteration):
        steps.send(stopped)


def listened(steps, heard):
    """The same steps; what each line came to is noted."""
    step = next(steps)
    while True:
        outcome = yield step
        heard.append(outcome)
        try:
            step = steps.send(outcome)
        except StopIteration:
            return


class TestWithRealLines:
    def run_to_end(self, resource, bound_s=20):
        ending = Ending(ending_steps([member_of(resource)], FakeCgroup(), False), {"WORD": "said"})
        bound = time.monotonic() + bound_s
        while not ending.advance(time.monotonic_ns()):
            assert time.monotonic() < bound
            time.sleep(0.01)

    def test_lines_run_with_the_environment_and_leave_no_descriptor_open(self, tmp_path):
        before = len(os.listdir("/proc/self/fd"))
        line = f"echo $WORD >{tmp_path}/stopped"
        status = f"test -e {tmp_path}/stopped && exit 3; exit 0"
        self.run_to_end(Resource("x", ResourceKind.COMMAND, stop=line, status=status))
        assert (tmp_path / "stopped").read_text() == "said\n"
        assert len(os.listdir("/proc/self/fd")) == before

    def test_a_line_that_cannot_be_begun_leaves_no_descriptor_open(self):
        before = len(os.listdir("/proc/self/fd"))
        ending = Ending(iter([]))
        for _ in range(3):
            ending._take_step(Run(("/nonexistent/program",), SECOND), 0)
        assert "No such file" in ending.trouble
        assert len(os.listdir("/proc/self/fd")) == before

    def test_a_line_that_never_stops_writing_is_cut_and_does_not_fill_the_memory(self, tmp_path):
        line = f"test -e {tmp_path}/once && exit 0; touch {tmp_path}/once; yes on and on"
        resource = Resource("x", ResourceKind.COMMAND, stop=line, status="exit 3", stop_timeout_ns=500 * MS)
        steps, heard = ending_steps([member_of(resource)], FakeCgroup(), False), []
        ending = Ending(listened(steps, heard))
        bound = time.monotonic() + 20
        while not ending.advance(time.monotonic_ns()):
            assert time.monotonic() < bound
            time.sleep(0.01)
        assert heard[0].code is None
        assert heard[0].output.startswith("on and on\n")
        assert len(heard[0].output) == OUTPUT_MAX

    def test_a_line_that_hangs_is_killed_with_its_children_at_its_time(self, tmp_path):
        line = f"test -e {tmp_path}/once && exit 0; touch {tmp_path}/once; sleep 600 & sleep 600"
        began = time.monotonic()
        resource = Resource("x", ResourceKind.COMMAND, stop=line, status="exit 3", stop_timeout_ns=300 * MS)
        self.run_to_end(resource)
        assert 0.3 <= time.monotonic() - began < 20
