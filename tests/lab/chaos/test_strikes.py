"""How strikes are healed, on a lab made up."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from ha_monitor.lab import faults
from ha_monitor.lab.chaos import strikes
from ha_monitor.lab.chaos.plan import Strike
from ha_monitor.lab.problems import LabError

POWER_OFF = Strike("power-off", "owner", "www", 0.0, 0.0, {})
KILLED = replace(POWER_OFF, fault="kill publisher")


@pytest.fixture
def striker(monkeypatch):
    """One whose every healing is refused."""

    def refused(*_):
        raise LabError("pub2: has no power")

    monkeypatch.setattr(faults, "heal_one", refused)
    monkeypatch.setattr(strikes.faults, "FAULTS", {"kill": SimpleNamespace(heal=refused)})
    monkeypatch.setattr(strikes.time, "sleep", lambda _: None)
    return strikes.Striker(None, SimpleNamespace(note=lambda *_, **__: None), lambda _: "pub2")


def heal(striker, *others):
    one = strikes.Struck(KILLED, "pub2", from_ns=1)
    striker.past += [one, *others]
    striker._heal(one, SimpleNamespace(fault="kill"))
    return one.heal_problem


def test_a_healing_that_is_refused_is_told(striker):
    assert heal(striker) == "pub2: has no power"


def test_what_is_killed_on_a_host_without_power_comes_back_with_the_power(striker):
    assert heal(striker, strikes.Struck(POWER_OFF, "pub2", from_ns=1)) == ""


@pytest.mark.parametrize("of", [{"host": "pub3"}, {"healed_ns": 2}, {"from_ns": 0}])
def test_a_power_cut_elsewhere_or_before_or_still_to_come_excuses_nothing(striker, of):
    assert heal(striker, strikes.Struck(POWER_OFF, **{"host": "pub2", "from_ns": 1, **of})) != ""
