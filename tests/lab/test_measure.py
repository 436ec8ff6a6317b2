"""A fault is played and judged right, against an owner whose doings are known."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ha_monitor.lab import faults
from ha_monitor.lab.cast import SERVICE_V4
from ha_monitor.lab.faults import FAULTS
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.measure import Measurement, Run, held_for_s, play
from ha_monitor.lab.observation import Observation
from tests.lab.trivial_owner import disown, own

pytestmark = pytest.mark.lab


@pytest.fixture
def owned(lab: Lab) -> Iterator[Lab]:
    own(lab.host("pub2"))
    yield lab
    faults.heal(lab)
    for name in ("pub2", "pub3"):
        disown(lab.host(name))


def later(seconds: float, work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        time.sleep(seconds)
        work()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("fault", ["power-off", "unplug", "blackhole"])
def test_a_takeover_after_half_a_second_is_an_outage_of_half_a_second(owned: Lab, fault: str):
    with Observation(owned) as seen:
        # play() waits half a second before it strikes.
        takeover = later(0.5 + 0.5, lambda: own(owned.host("pub3")))
        heal = later(0.5 + 0.8, lambda: disown(owned.host("pub2")) if fault != "power-off" else None)
        run = play(owned, FAULTS[fault], seen, hold_s=1.2, watch_s=1.0)
        takeover.join()
        heal.join()
    assert (run.owner_before, run.owner_after) == ("pub2", "pub3")
    assert run.recovered
    assert 400 < run.outage_ms < 700
    assert run.double_ms_observer == 0
    assert run.after_heal_outage_ms < 150
    if fault != "power-off":
        return
    assert run.double_ms_kernel == 0
    assert owned.host("pub2").is_on()


def test_a_planted_double_owner_in_a_partition_is_measured(owned: Lab):
    with Observation(owned) as seen:
        takeover = later(0.5 + 0.3, lambda: own(owned.host("pub3")))
        back = later(0.5 + 0.8, lambda: own(owned.host("pub2")))
        run = play(owned, FAULTS["partition"], seen, hold_s=1.2, watch_s=0.5)
        takeover.join()
        back.join()
    assert run.double_ms_kernel > 1000
    assert run.double_ms_observer > 300


def test_nobody_after_the_fault_is_no_recovery(owned: Lab):
    with Observation(owned) as seen:
        run = play(owned, FAULTS["power-off"], seen, hold_s=0.3, watch_s=0.7)
    assert not run.recovered
    assert run.owner_after is None
    assert run.outage_ms > 900
    assert run.after_heal_outage_ms > 600


def test_a_fault_of_the_standby_is_no_outage(owned: Lab):
    with Observation(owned, SERVICE_V4) as seen:
        run = play(owned, FAULTS["power-off"], seen, hold_s=0.3, watch_s=0.5, host="pub3")
    assert run.owner_after == "pub2"
    assert run.outage_ms < 150


def test_an_interrupted_run_is_healed(owned: Lab, monkeypatch: pytest.MonkeyPatch):
    def interrupted(since_ns: int, seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ha_monitor.lab.measure._hold", interrupted)
    with Observation(owned) as seen, pytest.raises(KeyboardInterrupt):
        play(owned, FAULTS["power-off"], seen, hold_s=1)
    assert owned.host("pub2").is_on()
    assert faults.active(owned) == []


def test_the_json_has_exactly_the_keys_of_the_promise():
    result = Measurement("kill", "lan")
    result.add(Run("pub2", "pub3", 1.5, 0.0, 0.0, 2.0, 0.1, recovered=True))
    assert result.as_json() == {
        "fault": "kill",
        "timing": "lan",
        "runs": 1,
        "outage_ms": [1.5],
        "double_ms_observer": [0.0],
        "double_ms_kernel": [0.0],
        "after_heal_outage_ms": [2.0],
        "probe_stalled_ms": [0.1],
    }


def test_a_long_lease_is_outlasted():
    assert held_for_s(FAULTS["partition"], "gentle") >= 20
    assert 2 <= held_for_s(FAULTS["partition"], "lan") <= 4
    assert held_for_s(FAULTS["freeze"], "lan") == 10
