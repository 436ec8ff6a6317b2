"""The body of a packet: what goes in comes out, and nothing else comes in."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ha_monitor.errors import PacketRejected
from ha_monitor.messages import Answer, Ask, GroupReport, Heartbeat, TransitionNote
from ha_monitor.model import Cause, GroupState, Hold, NodeState, TransitionKind
from ha_monitor.wire import layout
from ha_monitor.wire.layout import body_of, read_body
from ha_monitor.wire.seal import BODY_MAX
from ha_monitor.wire.split import fits, split
from tests.wire.samples import beat, full_beat, heartbeats, refusal

ROUTE = {"sender": 0, "receiver": 1, "incarnation": 0xA0}


@given(heartbeats)
def test_every_heartbeat_comes_back_as_it_went(heartbeat):
    assert read_body(body_of(heartbeat), link=heartbeat.link, **ROUTE) == heartbeat


def test_a_report_that_was_written_before_is_written_the_same_again():
    heartbeat = full_beat()
    others = replace(heartbeat, messages=()), replace(heartbeat, report=beat().report), heartbeat
    for other in others:
        assert read_body(body_of(other), link=other.link, **ROUTE) == replace(other, **ROUTE)
    assert body_of(others[2]) == body_of(replace(heartbeat, report=replace(heartbeat.report)))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_heartbeat_or_refused_by_layout(body):
    assert refusal(read_body, body, link="lan", **ROUTE) in (None, "layout")


@given(heartbeats, st.data())
def test_a_changed_body_is_never_another_error_than_a_refusal(heartbeat, data):
    body = bytearray(body_of(heartbeat))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    assert refusal(read_body, bytes(body), link="lan", **ROUTE) in (None, "layout")


def test_a_body_is_refused_at_every_shorter_length():
    body = body_of(full_beat())
    for length in range(len(body)):
        with pytest.raises(PacketRejected, match="layout"):
            read_body(body[:length], link="lan", **ROUTE)


def test_a_body_with_a_byte_too_many_is_refused():
    with pytest.raises(PacketRejected, match="1 bytes too many"):
        read_body(body_of(beat()) + b"\0", link="lan", **ROUTE)


def test_long_texts_are_cut_between_characters():
    report = replace(beat().report, groups=(GroupReport("www", GroupState.FAILED, reason="ü" * 40),))
    back = read_body(body_of(beat(report=report)), link="lan", **ROUTE)
    assert back.report.groups[0].reason == "ü" * 20


def test_numbers_that_only_grow_stop_at_their_largest():
    report = replace(beat().report, uptime_s=2**40)
    assert read_body(body_of(beat(report=report)), link="lan", **ROUTE).report.uptime_s == 2**32 - 1


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Answer, "open held abstain"),
        (Hold, "none moves livelock"),
        (TransitionKind, "failure planned failback operator"),
        (NodeState, "joining online standby suspect lost stopped"),
        (GroupState, "stopped starting running degraded stopping moving failed blocked"),
        (
            Cause,
            (
                "cluster-started node-silent lease-lost daemon-died daemon-stopped daemon-restarted"
                " carrier-lost link-isolated resource-failed start-failed stop-failed address-duplicate"
                " standby-ordered switchover-ordered failback higher-epoch node-fenced held livelock"
            ),
        ),
    ],
)
def test_codes_on_the_wire_do_not_move(kind, values):
    # A new member goes to the end; one in the middle would make two releases misunderstand each other.
    assert [member.value for member in kind][: len(values.split())] == values.split()


def test_codes_of_messages_do_not_move():
    names = [kind.__name__ for kind in layout._CODES]
    assert names == ["Ask", "Asked", "Prepare", "Promise", "Propose", "Accept", "Refuse", "Release"]


def test_a_record_that_forgets_a_field_is_refused_when_it_is_made():
    # A field with a default that nobody writes arrives as that default, and no test of the core sees it.
    with pytest.raises(AssertionError, match="Ask"):
        layout._record(Ask, group=layout._NAME)


def test_every_field_of_a_heartbeat_is_in_the_body_or_the_header():
    fields = {field.name for field in dataclasses.fields(Heartbeat)}
    assert fields == {*layout._BODY, "sender", "receiver", "link", "incarnation"}


def test_notes_of_transitions_are_split_too():
    note = TransitionNote("i" * 60, "www", 1, "failure", "node-silent", "s" * 200, "pub2", "pub3", "9.1.ff")
    heartbeat = replace(full_beat(8), transitions=(note,) * 8)
    parts = split(heartbeat, BODY_MAX)
    assert all(fits(part, BODY_MAX) for part in parts)
    assert sum((part.transitions for part in parts), ()) == heartbeat.transitions
    assert sum((part.messages for part in parts), ()) == heartbeat.messages


def test_a_phase_that_is_no_number_is_refused():
    writer = layout.Writer()
    layout._put_float(writer, float("nan"))
    with pytest.raises(PacketRejected, match="layout"):
        layout._get_float(layout.Reader(writer.packed()))


def test_a_pair_with_eight_groups_says_all_in_one_packet():
    assert split(full_beat(8), BODY_MAX) == (full_beat(8),)


def test_what_does_not_fit_is_split_without_losing_or_reordering_a_message():
    heartbeat = full_beat(16)
    parts = split(heartbeat, BODY_MAX)
    assert len(parts) > 1
    assert all(fits(part, BODY_MAX) for part in parts)
    assert sum((part.messages for part in parts), ()) == heartbeat.messages
    assert {part.report for part in parts} == {heartbeat.report}
    assert [part.requests for part in parts] == [heartbeat.requests] + [()] * (len(parts) - 1)


def test_reasons_are_left_out_where_the_report_alone_is_too_long():
    heartbeat = full_beat(16, reason="x" * 40, name="n" * 29 + "-{:02}")
    parts = split(heartbeat, BODY_MAX)
    assert all(fits(part, BODY_MAX) for part in parts)
    assert [group.reason for group in parts[0].report.groups] == [""] * 16
    assert sum((part.messages for part in parts), ()) == heartbeat.messages
