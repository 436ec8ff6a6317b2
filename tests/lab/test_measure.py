"""A fault is played and judged right, against an owner whose doings are known."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ha_monitor.lab import faults
from ha_monitor.lab.cast import SERVICE_V4
from ha_monitor.lab.faults import FAULTS
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.measure import Measurement, Run, held_for_s, measure, play
from ha_monitor.lab.observation import Observation
from ha_monitor.lab.problems import LabError
from tests.lab.trivial_owner import disown, own

pytestmark = pytest.mark.lab


@pytest.fixture
def owned(lab: Lab) -> Iterator[Lab]:
    own(lab.host("pub2"))
    yield lab
    faults.heal(lab)
    for name in ("pub2", "pub3"):
        disown(lab.host(name))


class Doing(threading.Thread):
    """Does something once a fault has struck for a while, and knows when."""

    def __init__(self, lab: Lab, after_s: float, work: Callable[[], None]) -> None:
        super().__init__()
        self._lab, self._after_s, self._work = lab, after_s, work
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        deadline = time.monotonic() + 20
        while not faults.active(self._lab) and time.monotonic() < deadline:
            time.sleep(0.005)
        self.struck_s = time.monotonic()
        time.sleep(self._after_s)
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 (told by done_after_ms)
            self.error = error
        self.done_s = time.monotonic()

    def done_after_ms(self) -> float:
        self.join()
        assert self.error is None
        return (self.done_s - self.struck_s) * 1000


@pytest.mark.parametrize("fault", ["power-off", "unplug", "blackhole"])
def test_a_takeover_after_half_a_second_is_an_outage_of_half_a_second(owned: Lab, fault: str):
    def take_over() -> None:
        if fault != "power-off":
            disown(owned.host("pub2"))
        own(owned.host("pub3"))

    with Observation(owned) as seen:
        takeover = Doing(owned, 0.5, take_over)
        run = play(owned, FAULTS[fault], seen, hold_s=2.5, watch_s=1.0)
        taken_ms = takeover.done_after_ms()
    assert (run.owner_before, run.owner_after) == ("pub2", "pub3")
    assert run.recovered
    assert 400 < run.outage_ms < taken_ms + 400
    assert run.double_ms_observer == 0
    assert run.double_ms_kernel == 0
    assert run.after_heal_outage_ms < 400
    assert owned.host("pub2").is_on()


def test_a_planted_double_owner_in_a_partition_is_measured(owned: Lab):
    def double() -> None:
        own(owned.host("pub3"))
        time.sleep(0.5)
        own(owned.host("pub2"))

    with Observation(owned) as seen:
        planted = Doing(owned, 0.2, double)
        run = play(owned, FAULTS["partition"], seen, hold_s=1.5, watch_s=0.5)
        planted.done_after_ms()
    assert run.double_ms_kernel > 800
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
    assert run.outage_ms < 400


def test_an_interrupted_run_is_healed(owned: Lab, monkeypatch: pytest.MonkeyPatch):
    def interrupted(since_ns: int, seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ha_monitor.lab.measure._hold", interrupted)
    with Observation(owned) as seen, pytest.raises(KeyboardInterrupt):
        play(owned, FAULTS["power-off"], seen, hold_s=1)
    assert owned.host("pub2").is_on()
    assert faults.active(owned) == []


def test_two_measurements_at_once_are_refused(lab: Lab):
    with lab.claimed("measuring"), pytest.raises(LabError, match="another process is measuring here"):
        measure(Lab(lab.name), "kill")


def test_a_lab_that_suffers_already_is_not_measured(owned: Lab):
    faults.strike(owned, FAULTS["unplug"].blow("pub3"))
    with pytest.raises(LabError, match="suffers from unplug at pub3 already: ha-monitor lab heal"):
        measure(owned, "kill")


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
