"""Transitions wait for the publisher's word, over a restart of the core, within a bound."""

from ha_monitor.messages import TransitionNote
from ha_monitor.runtime.transitions import TransitionOutbox, line_of


def note(ident, **changes):
    fields = {"kind": "failure", "cause": "node-silent", "sentence": "s", "node_from": "a", "node_to": "b"}
    return TransitionNote(ident=ident, group="www", at_ns=1, epoch="1.0.1", **(fields | changes))


def idents(outbox):
    return [row["ident"] for row in outbox.waiting()]


def test_transition_waits_until_it_is_acknowledged(tmp_path):
    outbox = TransitionOutbox(tmp_path, "pub2", 7)
    outbox.put(note("1"))
    outbox.put(note("2"))
    outbox.acknowledge("1")
    outbox.acknowledge("never sent")
    assert idents(outbox) == ["2"]


def test_next_core_sends_what_the_last_one_could_not(tmp_path):
    TransitionOutbox(tmp_path, "pub2", 7).put(note("1", phases_ms=(("total", 5.0),)))
    (row,) = TransitionOutbox(tmp_path, "pub2", 8).waiting()
    assert (row["ident"], row["phases_ms"]) == ("1", {"total": 5.0})


def test_oldest_are_dropped_and_counted_past_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("ha_monitor.runtime.transitions.KEPT_MAX", 5)
    outbox = TransitionOutbox(tmp_path, "pub2", 7)
    for number in range(5 + 2):
        outbox.put(note(str(number)))
    assert outbox.dropped == 2
    assert idents(outbox)[0] == "2"


def test_next_core_knows_the_latest_transition_of_each_group(tmp_path):
    outbox = TransitionOutbox(tmp_path, "pub2", 7)
    latest = note("2", phases_ms=(("total", 5.0),))
    outbox.put(note("1"))
    outbox.put(latest)
    outbox.acknowledge("2")
    assert TransitionOutbox(tmp_path, "pub2", 8).last_notes() == [latest]


def test_damaged_file_is_no_obstacle(tmp_path):
    (tmp_path / "transitions.json").write_text('{"not": "a list"')
    assert idents(TransitionOutbox(tmp_path, "pub2", 7)) == []


def test_idents_are_unique_over_lives(tmp_path):
    first, second = TransitionOutbox(tmp_path, "pub2", 7), TransitionOutbox(tmp_path, "pub2", 8)
    drawn = [first.next_ident(), first.next_ident(), second.next_ident()]
    assert len(set(drawn)) == 3


def test_line_tells_the_way_the_cause_and_the_length():
    assert line_of(note("1", phases_ms=(("total", 12.4),))) == "group www: a -> b (node-silent, 12 ms): s"
    assert line_of(note("1", node_to="")) == "group www: a -> nobody (node-silent): s"
