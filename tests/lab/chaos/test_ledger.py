"""Whether every change was told, from journals and records made up."""

from dataclasses import replace

from ha_monitor.lab.chaos.ledger import (
    Journaled,
    Struck,
    Told,
    is_told,
    journal_line,
    missing_of_journal,
    missing_of_observer,
)
from ha_monitor.lab.chaos.spans import Change

S = 1_000_000_000
TAKEOVER = "pub3 took over www: pub2 was heard on no Link for 890 ms"


def told(new="pub3", at_s=10.0, sentence=TAKEOVER, old="pub2", start_s=0.0):
    at_ns = round(at_s * S)
    return Told(
        f"{new}-{at_s}", "www", old, new, "node-silent", sentence, at_ns, at_ns + S, round(start_s * S)
    )


def journaled(sentence=TAKEOVER, host="pub3"):
    return Journaled(host, "www", "pub2", "pub3", "node-silent", sentence, 10 * S)


def was(is_so):
    return lambda _host, _from_ns, _until_ns: is_so


never = Struck(was(False), was(False))
always = Struck(was(True), was(True))


SEEN = Change("pub2", "pub3", round(9.1 * S), round(10.01 * S))


def test_a_line_of_the_journal_is_read():
    line = "ha-monitor: group www: pub2 -> pub3 (node-silent, 912 ms): " + TAKEOVER
    assert journal_line("pub3", line, 10 * S) == journaled()
    line = "ha-monitor: group app: nobody -> pub2 (cluster-started): pub2 started app: nobody owned it"
    assert journal_line("pub2", line, 0).old == ""
    assert journal_line("pub2", "ha-monitor: warning: group app: closed here (lease-lost)", 0) is None


def test_what_reached_the_sink_is_not_lost():
    assert missing_of_journal([journaled()], [told()], never) == []
    assert missing_of_observer("www", [SEEN], [told()], never) == []


def test_a_planted_loss_is_found_by_the_journal_and_by_the_observer():
    assert missing_of_journal([journaled()], [], never) == [journaled()]
    assert missing_of_observer("www", [SEEN], [], never) == [SEEN]


def test_the_same_sentence_twice_needs_two_transitions():
    assert missing_of_journal([journaled(), journaled()], [told()], never) == [journaled()]


def test_a_transition_of_another_time_group_or_host_tells_nothing_of_this_change():
    assert missing_of_observer("www", [SEEN], [told(at_s=20.0)], never) == [SEEN]
    assert missing_of_observer("www", [SEEN], [told(new="pub2")], never) == [SEEN]
    assert missing_of_observer("app", [SEEN], [told()], never) == [SEEN]


def test_a_transition_is_stamped_after_the_start_during_which_the_address_was_open():
    assert not is_told("www", SEEN, [told(at_s=12.0)])
    assert is_told("www", SEEN, [told(at_s=12.0, start_s=2.0)])


def test_a_transition_that_a_clock_stamped_which_had_been_set_is_known_by_its_arrival():
    stepped = told(at_s=3610.0)
    assert not is_told("www", SEEN, [stepped])
    assert is_told("www", SEEN, [replace(stepped, arrived_ns=round(10.05 * S))])


def test_an_address_that_answered_during_a_start_that_failed_is_told_by_the_failure():
    failed = replace(told(new="", old="pub3", at_s=11.0), cause="start-failed")
    assert is_told("www", SEEN, [failed])
    assert not is_told("www", SEEN, [replace(failed, old="pub2")])
    assert not is_told("www", SEEN, [replace(failed, at_ns=20 * S, arrived_ns=20 * S)])
    assert not is_told("www", SEEN, [replace(failed, cause="stop-failed")])


def test_a_record_that_a_power_cut_destroyed_is_told_by_the_next_owner():
    after = told(new="pub2", old="pub3", at_s=11.0, sentence="pub2 took over www: pub3 was heard on no Link")
    assert missing_of_observer("www", [SEEN], [after], always) == []
    assert missing_of_observer("www", [SEEN], [after], never) == [SEEN]
    assert missing_of_observer("www", [SEEN], [], always) == [SEEN]


def test_a_core_that_died_while_the_group_still_started_has_told_nothing_but_what_it_wrote_down_arrives():
    died = Struck(was(False), was(True))
    after = told(new="pub2", old="pub3", at_s=11.0, sentence="pub2 took over www: pub3 was heard on no Link")
    assert missing_of_observer("www", [SEEN], [after], died) == []
    assert missing_of_journal([journaled()], [after], died) == [journaled()]
