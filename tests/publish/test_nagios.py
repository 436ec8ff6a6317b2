"""What Nagios is told, to the letter."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ha_monitor.publish.judge import S_NS, Judge
from ha_monitor.publish.nagios import (
    TEXT_MAX,
    CheckResult,
    check_results,
    clean,
    event_result,
    external_command,
    quiet_results,
    spool_entry,
)
from ha_monitor.publish.snapshot import snapshots
from ha_monitor.view import SinkView, TransitionView
from tests.views import ADDRESS, GROUP, STARTED, T0_NS, healthy, node


def results(view, judge=None):
    judge = judge or Judge()
    return {(r.host, r.service): r for s in snapshots(view) for r in check_results(s, judge)}


@pytest.mark.parametrize("name", ["pub2", "pub3", "mon"])
def test_a_healthy_pair_that_just_started_shows_nothing_but_ok(name):
    sinks = tuple(SinkView(n, "x", "ok", 0, 0, 0, 0, 0, 0.0) for n in ("nagios", "zabbix"))
    judge = Judge()
    for second in (0, 1, 100, 100_000):
        view = replace(healthy(name), stamp_ns=T0_NS + second * S_NS, sinks=sinks)
        assert {r.code for r in results(view, judge).values()} == {0}


def test_without_a_witness_all_is_ok_too():
    view = replace(healthy(), witness="", witness_state="", nodes=healthy().nodes[:2])
    assert {r.code for r in results(view).values()} == {0}


def test_a_group_is_told_with_sentence_and_performance_data():
    assert results(healthy())["web", "HA group www"].text == (
        "running on pub2, could be taken over by pub3 | state=0 owners=1;;1:1 preferred=1"
        " candidates=1;1: moves_1h=0 unasked_1h=0;2;4 held=0 failback_pending=0"
    )


@pytest.mark.parametrize(
    ("hold", "code", "said"),
    [
        ("moves", 1, "moved too often, held where it is (held: held, asks) - running on pub2"),
        (
            "livelock",
            2,
            "passed round by Nodes that cannot serve it, frozen on one of them (held: frozen, asks)",
        ),
    ],
)
def test_a_held_group_asks(hold, code, said):
    result = results(replace(healthy(), groups=(replace(GROUP, hold=hold, hold_node="pub2"),)))
    assert result["web", "HA group www"].code == code
    assert said in result["web", "HA group www"].text


def test_ordered_moves_alarm_nobody():
    calm = replace(healthy(), groups=(replace(GROUP, moves_1h=50),))
    assert results(calm)["web", "HA group www"].code == 0
    busy = replace(healthy(), groups=(replace(GROUP, moves_1h=50, unasked_1h=5),))
    assert results(busy)["web", "HA group www"].code == 2


def test_two_owners_are_critical_at_once():
    result = results(replace(healthy(), groups=(replace(GROUP, owners=2),)))["web", "HA group www"]
    assert result.code == 2
    assert result.text.startswith("more than one Node says that it owns it (owners: 2) - running on pub2")


def test_nobody_owning_is_critical_after_a_minute_and_not_during_a_takeover():
    judge = Judge()
    view = replace(healthy(), groups=(replace(GROUP, owner="", owners=0, state="stopped"),))
    assert results(view, judge)["web", "HA group www"].code == 0
    later = replace(view, stamp_ns=T0_NS + 60 * S_NS)
    assert results(later, judge)["web", "HA group www"].code == 2


def test_a_lost_node_is_named_with_its_state():
    nodes = (healthy().nodes[0], node("pub3", state="lost", age_ms=5000, eligible=False))
    result = results(replace(healthy(), nodes=nodes))["web", "HA node pub3"]
    assert (result.code, result.text.split(" - ")[0]) == (2, "lost (state: lost)")


def test_a_duplicate_address_names_the_mac():
    address = replace(ADDRESS, duplicate_mac="02:00:00:00:00:99")
    result = results(replace(healthy(), groups=(replace(GROUP, addresses=(address,)),)))[
        "pub2", "HA vip 192.0.2.100"
    ]
    assert result.code == 2


FAILOVER = TransitionView(
    ident="pub3-7-1",
    group="www",
    at_ns=T0_NS - 600 * S_NS,
    kind="failure",
    cause="node-silent",
    sentence="www taken over by pub3: pub2 is silent",
    node_from="pub2",
    node_to="pub3",
    epoch="2.1.7",
    phases_ms={"detect": 900.0, "start": 20.4, "total": 1020.4},
)


def test_a_transition_is_a_result_with_its_own_stamp():
    result = event_result("web", FAILOVER)
    assert external_command(result) == (
        "[1699999400] PROCESS_SERVICE_CHECK_RESULT;web;HA event www;1;failure node-silent: www taken over by"
        " pub3: pub2 is silent (pub2 -> pub3 in 1020 ms) | detect=900ms start=20ms total=1020ms"
    )
    assert (result.is_event, result.ident) == (True, "pub3-7-1")


def test_a_failure_that_nobody_took_over_is_critical_and_planned_moves_are_ok():
    assert event_result("web", replace(FAILOVER, node_to="")).code == 2
    assert event_result("web", STARTED).code == 0


def test_a_fresh_failure_is_not_wiped_out_and_an_old_one_is():
    owned = replace(GROUP, owner="pub3", last=FAILOVER)
    view = replace(healthy("pub3"), groups=(owned,))
    assert quiet_results(view) == ()
    (quiet,) = quiet_results(replace(view, stamp_ns=FAILOVER.at_ns + 3600 * S_NS))
    assert (quiet.service, quiet.code, quiet.is_event) == ("HA event www", 0, False)
    assert quiet.text.startswith("last: failure node-silent")


def test_only_the_owner_says_that_all_is_quiet():
    assert quiet_results(healthy("pub3")) == ()
    assert [r.host for r in quiet_results(healthy("pub2"))] == ["web"]


@given(st.text())
def test_no_text_can_end_its_line_its_field_or_its_performance_data(text):
    assert not set(clean(text)) & set(";|\n\r`\x00\x1b")


@given(st.text(max_size=4000), st.text(max_size=4000))
def test_a_command_is_one_line_below_pipe_buf(line, data):
    result = CheckResult("h" * 64, "HA " + "s" * 200, 2, f"{clean(line)} | {clean(data)}", T0_NS)
    command = external_command(result)
    assert "\n" not in command
    assert len(command.encode()) < 4096


def test_a_text_that_is_too_long_loses_whole_performance_data_from_the_end():
    data = " ".join(f"label{n}={n}ms;1;2" for n in range(400))
    text = external_command(CheckResult("h", "s", 0, f"fine | {data}", T0_NS)).split(";", 4)[-1]
    assert len(text.encode()) <= TEXT_MAX
    assert f"fine | {data} ".startswith(f"{text} ")


def test_a_spool_entry_is_what_nagios_reads():
    assert spool_entry(CheckResult("web", "HA mode", 1, "late", T0_NS + 1500)) == (
        "host_name=web\nservice_description=HA mode\ncheck_type=1\ncheck_options=0\nscheduled_check=0\n"
        "reschedule_check=0\nlatency=0.0\nstart_time=1700000000.000001\nfinish_time=1700000000.000001\n"
        "early_timeout=0\nexited_ok=1\nreturn_code=1\noutput=late\n"
    )


def test_the_hosts_own_result_has_no_service():
    result = CheckResult("web", "", 0, "up", T0_NS)
    assert external_command(result) == "[1700000000] PROCESS_HOST_CHECK_RESULT;web;0;up"
    assert "service_description" not in spool_entry(result)
