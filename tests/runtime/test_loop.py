"""The order of things in one turn of the loop: packet, clock, deadlines, event; answers before all else."""

import pytest

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.runtime.ipc import Channel, make_pair
from ha_monitor.runtime.loop import ROUNDS_MAX, Stepper
from ha_monitor.runtime.sources import ChannelSource
from tests.runtime.fakes import DEADLINE, Clock

PACKET = ev.PeerRefused(1, "lan")


class ScriptedCore:
    """Answers events from a script, notes what it was given and when."""

    is_stopped = False

    def __init__(self, next_deadline_ns=1 << 60, script=None):
        self.next_deadline_ns = next_deadline_ns
        self.script = script or {}
        self.seen = []

    def step(self, event, at_ns):
        self.seen.append((event, at_ns))
        if event == DEADLINE:
            self.next_deadline_ns = 1 << 60
        return self.script.get(type(event), ())


class ScriptedEffects:
    def __init__(self, answers=None):
        self.done = []
        self.answers = answers or {}

    def begin_step(self):
        pass

    def do(self, action):
        self.done.append(action)
        return self.answers.get(type(action), ())


def test_deadline_that_is_over_comes_before_the_packet_that_was_taken():
    core = ScriptedCore(next_deadline_ns=5)
    Stepper(core, ScriptedEffects(), Clock(10)).feed(PACKET)
    assert [event for event, _ in core.seen] == [DEADLINE, PACKET]


def test_deadline_that_is_not_over_does_not_come():
    core = ScriptedCore(next_deadline_ns=11)
    Stepper(core, ScriptedEffects(), Clock(10)).feed(PACKET)
    assert [event for event, _ in core.seen] == [PACKET]


def test_clock_is_read_anew_for_the_packet_after_its_deadlines():
    core = ScriptedCore(next_deadline_ns=5)
    Stepper(core, ScriptedEffects(), Clock(10, step_ns=1)).feed(PACKET)
    times = [at for _, at in core.seen]
    assert times == sorted(times)
    assert times[1] > times[0]


def test_answer_of_the_kernel_is_the_very_next_event_with_a_later_clock():
    arm, armed = ac.ArmWindow("www", 3, 900), ev.WindowArmed("www", 3, True)
    core = ScriptedCore(script={ev.PeerRefused: (arm, ac.Log("info", "after"))})
    effects = ScriptedEffects({ac.ArmWindow: (armed,)})
    Stepper(core, effects, Clock(step_ns=1)).feed(PACKET)
    assert [event for event, _ in core.seen] == [PACKET, armed]
    assert effects.done == [arm, ac.Log("info", "after")]
    assert core.seen[1][1] > core.seen[0][1]


def test_answers_of_one_step_keep_their_order_and_go_before_later_answers():
    first, second = ev.WindowArmed("a", 1, True), ev.AddressClosed("b", True)
    late = ev.VoterStateSaved(False)
    core = ScriptedCore(
        script={
            ev.PeerRefused: (ac.ArmWindow("a", 1, 9), ac.CloseAddresses("b", ())),
            ev.WindowArmed: (ac.SaveVoterState(b""),),
        }
    )
    effects = ScriptedEffects(
        {ac.ArmWindow: (first,), ac.CloseAddresses: (second,), ac.SaveVoterState: (late,)}
    )
    Stepper(core, effects, Clock()).feed(PACKET)
    assert [event for event, _ in core.seen] == [PACKET, first, late, second]


def test_core_that_asks_without_end_does_not_keep_the_loop_for_ever():
    again = ev.WindowArmed("a", 1, True)
    core = ScriptedCore(
        script={ev.PeerRefused: (ac.ArmWindow("a", 1, 9),), ev.WindowArmed: (ac.ArmWindow("a", 1, 9),)}
    )
    stepper = Stepper(core, ScriptedEffects({ac.ArmWindow: (again,)}), Clock())
    stepper.feed(PACKET)
    assert stepper.dropped_answers == 1


def test_deadlines_that_stay_over_are_run_a_bounded_number_of_times():
    class Hurried(ScriptedCore):
        def step(self, event, at_ns):
            self.seen.append((event, at_ns))
            return ()

    core = Hurried(next_deadline_ns=0)
    Stepper(core, ScriptedEffects(), Clock(1)).run_due()
    assert len(core.seen) == ROUNDS_MAX


def test_stopped_core_is_given_nothing_more():
    core = ScriptedCore()
    core.is_stopped = True
    Stepper(core, ScriptedEffects(), Clock()).feed(PACKET)
    assert core.seen == []


@pytest.mark.parametrize("is_noticed_by_sending", [False, True])
def test_the_end_of_a_channel_is_told_once_whoever_noticed_it(is_noticed_by_sending):
    here, there = make_pair()
    channel, told = Channel(here), []
    source = ChannelSource(channel, {}, lambda: told.append("gone"))
    assert source.next_deadline_ns() is None
    there.close()
    if is_noticed_by_sending:
        channel.send({"kind": "beat"})  # from now on there is nothing to select on
        assert source.filenos() == []
    else:
        source.take(here.fileno())
    assert source.next_deadline_ns() == 0
    for _ in range(3):
        source.tick(0)
    assert told == ["gone"]
    assert source.next_deadline_ns() is None
