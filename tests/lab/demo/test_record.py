"""What makes the demonstration end red, value by value."""

from dataclasses import replace

import pytest

from ha_monitor.lab.demo.page import page
from ha_monitor.lab.demo.record import Report, Requests, StepRecord

STEP = StepRecord(
    title="power-off",
    fault="power-off",
    timing="lan",
    runs=1,
    outage_ms=[950.0],
    double_ms_observer=[0.0],
    double_ms_kernel=[0.0],
    after_heal_outage_ms=[3.0],
    probe_stalled_ms=[2.0],
    requests=Requests(1000, 95),
    owner_before="pub2",
    owner_after="pub3",
    nagios={"web/HA group www": "OK: running on pub3"},
    zabbix={"web/ha.group.owner[www]": "pub3"},
    visible_after_s={"nagios": 1.5, "zabbix": 1.2},
    outage_max_ms=1400,
)
GREEN = Report("2026-01-01T00:00:00+00:00", [STEP], transitions_made=2, transitions_in_zabbix=2)


def test_a_step_that_keeps_the_promise_is_green():
    assert GREEN.problems() == []


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"double_ms_observer": [1.0]}, "served by two Nodes"),
        ({"double_ms_kernel": [5.0]}, "served by two Nodes"),
        ({"outage_ms": [1401.0]}, "outage 1401 ms, promised 1400"),
        ({"after_heal_outage_ms": [101.0]}, "101 ms without service after healing"),
        ({"requests": Requests(0, 0)}, "no HTTP request was sent"),
        ({"visible_after_s": {"nagios": None, "zabbix": 1.0}}, "nagios did not show the new state"),
        ({"visible_after_s": {"nagios": 1.0, "zabbix": 31.0}}, "zabbix did not show the new state"),
    ],
)
def test_each_broken_promise_is_told(broken, says):
    report = replace(GREEN, steps=[replace(STEP, **broken)])
    assert len(report.problems()) == 1
    assert says in report.problems()[0]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"transitions_in_zabbix": 1}, "2 changes of Owner were seen, Zabbix's history holds 1"),
        ({"not_ok": ["Nagios: web/HA cluster: WARNING"]}, "a healthy pair shows Nagios: web/HA cluster"),
        ({"failures": ["pictures: a login page"]}, "pictures: a login page"),
    ],
)
def test_what_is_wrong_beside_the_steps_is_told(broken, says):
    assert says in replace(GREEN, **broken).problems()[0]


def test_the_page_names_every_step_and_problem_and_escapes_what_was_read_back():
    step = replace(STEP, nagios={"web/x": "OK: <script>"}, double_ms_kernel=[5.0])
    text = page(replace(GREEN, steps=[step], pictures=["nagios.png"]))
    assert "power-off: the address was served by two Nodes" in text
    assert '<img src="nagios.png"' in text
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
