from ha_monitor.core.events import ResourceReported
from ha_monitor.core.resources import RESTART_BACKOFF_NS, ResourceRecord
from ha_monitor.model import Resource, ResourceKind, ResourceState, Run
from ha_monitor.timebase import MS, SECOND

S = ResourceState
T0 = 100 * SECOND


def record(state=S.RUNNING, run=Run.EVERYWHERE):
    made = ResourceRecord(Resource("nginx", ResourceKind.COMMAND, run), T0)
    made.state = state
    return made


def report(state, operation="probe", operation_id=0, took_ns=MS):
    return ResourceReported("www", "nginx", state, operation, operation_id, took_ns, "detail")


def test_a_probe_without_an_answer_moves_nothing():
    made = record()
    assert not made.take(report(S.UNKNOWN), T0)
    assert made.state is S.RUNNING


def test_while_an_operation_runs_only_its_own_outcome_counts():
    made = record(S.STOPPED)
    made.begin("start", 7, T0)
    assert not made.take(report(S.STOPPED), T0)
    assert not made.take(report(S.RUNNING, "start", 6), T0)
    assert made.take(report(S.RUNNING, "start", 7, 30 * MS), T0)
    assert (made.state, made.start_ms) == (S.RUNNING, 30)


def test_the_outcome_of_an_operation_that_was_given_up_means_nothing():
    made = record(S.STOPPED)
    assert not made.take(report(S.RUNNING, "start", 7), T0)
    assert made.state is S.STOPPED


def test_a_stop_that_was_not_proved_blocks_and_no_probe_short_of_stopped_ends_it():
    made = record(run=Run.OWNER)
    made.begin("stop", 7, T0)
    made.take(report(S.UNKNOWN, "stop", 7), T0)
    assert (made.state, made.stop_failed) == (S.BLOCKED, True)
    made.take(report(S.RUNNING), T0)
    assert made.state is S.BLOCKED
    made.take(report(S.STOPPED), T0)
    assert made.state is S.STOPPED


def test_each_failure_waits_longer_before_the_next_start():
    made = record()
    waits = []
    for _ in range(len(RESTART_BACKOFF_NS) + 2):
        made.take(report(S.FAILED), T0)
        waits.append(made.restart_at_ns - T0)
        made.state = S.STOPPED
    assert tuple(waits) == (*RESTART_BACKOFF_NS, RESTART_BACKOFF_NS[-1], RESTART_BACKOFF_NS[-1])


def test_a_minute_of_running_forgives_earlier_failures():
    made = record()
    made.failures = 3
    made.take(report(S.RUNNING), T0 + 59 * SECOND)
    assert made.failures == 3
    made.take(report(S.RUNNING), T0 + 61 * SECOND)
    assert made.failures == 0
