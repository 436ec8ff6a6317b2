"""What is done for each action, in which order, and what is not done when memory fails."""

from typing import get_args

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.messages import Release
from ha_monitor.model import Ballot, Cause, TransitionKind
from ha_monitor.runtime.effects import CLOSE_REPEATS, Effects
from tests.runtime.fakes import (
    RecordingChannel,
    RecordingKernel,
    RecordingLinks,
    VoterMemory,
    heartbeat,
    make_outside,
)

MOVED = ac.ReportTransition(
    "www",
    TransitionKind.FAILURE,
    Cause.NODE_SILENT,
    "pub3 took over",
    "pub2",
    "pub3",
    Ballot(5, 1, 255),
    (("detect", 900_000_000), ("total", 1_000_000_000)),
)


def test_every_action_of_the_core_has_its_effect():
    assert set(Effects._TABLE) == set(get_args(ac.Action))


def test_nothing_is_sent_in_a_step_whose_voter_state_could_not_be_saved(tmp_path):
    outside = make_outside(tmp_path, voter_file=VoterMemory(works=False))
    effects = Effects(outside)
    effects.begin_step()
    assert effects.do(ac.SaveVoterState(b"promise")) == (ev.VoterStateSaved(False),)
    effects.do(ac.SendHeartbeat(heartbeat()))
    assert outside.links.sent == []
    effects.begin_step()
    effects.do(ac.SendHeartbeat(heartbeat()))
    assert len(outside.links.sent) == 1


def test_saved_voter_state_answers_nothing_and_lets_packets_leave(tmp_path):
    outside = make_outside(tmp_path)
    effects = Effects(outside)
    assert effects.do(ac.SaveVoterState(b"promise")) == ()
    effects.do(ac.SendHeartbeat(heartbeat()))
    assert len(outside.links.sent) == 1


def test_refused_packet_becomes_one_hint(tmp_path):
    effects = Effects(make_outside(tmp_path, links=RecordingLinks(refuses=True)))
    assert list(effects.do(ac.SendHeartbeat(heartbeat()))) == [ev.PeerRefused(1, "lan")]


def test_window_is_armed_only_if_the_kernel_says_so(tmp_path):
    arm = ac.ArmWindow("www", 4, 900)
    assert Effects(make_outside(tmp_path)).do(arm) == (ev.WindowArmed("www", 4, True),)
    refusing = make_outside(tmp_path, kernel=RecordingKernel([], {"arm"}))
    assert Effects(refusing).do(arm) == (ev.WindowArmed("www", 4, False),)


def test_closing_that_the_kernel_refuses_is_tried_again_and_then_told(tmp_path):
    done = []
    outside = make_outside(tmp_path, kernel=RecordingKernel(done, {"close"}))
    answer = Effects(outside).do(ac.CloseAddresses("www", ("192.0.2.100",)))
    assert answer == (ev.AddressClosed("www", False),)
    assert len(done) == CLOSE_REPEATS


def test_closing_that_succeeds_is_done_once(tmp_path):
    done = []
    outside = make_outside(tmp_path, kernel=RecordingKernel(done))
    assert Effects(outside).do(ac.CloseAddresses("www", ("v",))) == (ev.AddressClosed("www", True),)
    assert done == [("close", ("v",))]


def test_repaired_address_is_announced(tmp_path):
    done = []
    Effects(make_outside(tmp_path, kernel=RecordingKernel(done))).do(ac.RepairAddress("www", "v"))
    assert done == [("repair", "v"), ("announce", ("v",))]


def test_transition_is_stamped_logged_published_and_answered(tmp_path):
    outside = make_outside(tmp_path)
    (answer,) = Effects(outside).do(MOVED)
    assert isinstance(answer, ev.TransitionStamped)
    note = answer.note
    assert (note.ident, note.at_ns) == ("pub2-0000000000000007-1", 1_700_000_000_000_000_000)
    assert note.epoch == "5.1.ff"
    assert dict(note.phases_ms) == {"detect": 900.0, "total": 1000.0}
    assert outside.publisher.sent[0]["transition"]["ident"] == note.ident
    assert outside.guard.sent == [
        {
            "kind": "log",
            "level": "info",
            "line": "group www: pub2 -> pub3 (node-silent, 1000 ms): pub3 took over",
        }
    ]


def test_goodbye_tells_the_guard_packets_and_what_they_release(tmp_path):
    outside = make_outside(tmp_path)
    release = Release("www", Ballot(3, 0, 9), 1, Cause.DAEMON_DIED)
    Effects(outside).do(ac.PrepareGoodbye((heartbeat([release]), heartbeat([release], link="direct"))))
    (message,) = outside.guard.sent
    assert [packet[:2] for packet in message["packets"]] == [(1, "lan"), (1, "direct")]
    assert message["releases"] == [["www", [3, 0, 9]]]


def test_worker_that_takes_no_order_is_told_to_people(tmp_path):
    outside = make_outside(tmp_path, worker=RecordingChannel(takes=False))
    Effects(outside).do(ac.StopResource("www", "nginx", 5))
    assert outside.guard.sent[0]["level"] == "error"
    assert "nginx" in outside.guard.sent[0]["line"]


def test_start_carries_the_epoch(tmp_path):
    outside = make_outside(tmp_path)
    Effects(outside).do(ac.StartResource("www", "nginx", 5, Ballot(1, 2, 3)))
    assert outside.worker.sent == [
        {"kind": "start", "group": "www", "resource": "nginx", "operation_id": 5, "epoch": [1, 2, 3]}
    ]


def test_exit_ends_the_process_with_its_code(tmp_path):
    outside = make_outside(tmp_path)
    Effects(outside).do(ac.Exit(3))
    assert outside.exit_code == 3
