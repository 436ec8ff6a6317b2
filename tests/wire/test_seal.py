"""Seal: nobody without the key, nothing for somebody else, nothing twice."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ha_monitor.errors import PacketRejected
from ha_monitor.messages import Release
from ha_monitor.model import Ballot, Cause
from ha_monitor.wire.replay import WINDOW
from ha_monitor.wire.seal import BODY_MAX, HEADER, PACKET_MAX, REASONS, TAG_BYTES, Keyring, Scope
from tests.wire.samples import KEY, LIVES, beat, endpoint, full_beat, heartbeats, opener, refusal, sealer

OTHER_KEY = bytes(32)


def reason_of(packet, by=None, link="lan", at_ns=1):
    opened_by = by or opener()
    with pytest.raises(PacketRejected) as caught:
        opened_by.open(packet, link, at_ns)
    assert opened_by.rejected[caught.value.reason] >= 1
    return caught.value.reason


@given(heartbeats.filter(lambda heartbeat: heartbeat.hears_incarnation != LIVES[1]))
def test_a_packet_that_names_another_life_bears_no_message(heartbeat):
    opened = opener().open(sealer().seal(heartbeat), heartbeat.link, 1)
    assert not opened.is_addressed
    assert (opened.heartbeat.messages, opened.heartbeat.requests) == ((), ())
    assert opened.heartbeat.hears_incarnation == 0
    assert opened.heartbeat.report == heartbeat.report


def test_a_packet_that_names_our_life_comes_out_as_it_went_in():
    opened = opener().open(sealer().seal(full_beat()), "lan", 1)
    assert opened.is_addressed
    assert opened.heartbeat == full_beat()


def test_the_fullest_packet_of_a_pair_stays_within_its_bound():
    assert len(sealer().seal(full_beat(8))) <= PACKET_MAX
    assert HEADER.size + BODY_MAX + TAG_BYTES == PACKET_MAX


def test_no_single_flipped_bit_is_accepted():
    packet = sealer().seal(full_beat(1))
    for bit in range(len(packet) * 8):
        changed = bytearray(packet)
        changed[bit // 8] ^= 1 << bit % 8
        assert reason_of(bytes(changed)) in ("magic", "version", "addressing", "key", "tag")


def test_no_shortened_or_lengthened_packet_is_accepted():
    packet = sealer().seal(full_beat(1))
    for length in range(len(packet)):
        assert reason_of(packet[:length]) in ("size", "tag")
    assert reason_of(packet + b"\0") == "tag"
    assert reason_of(packet + bytes(PACKET_MAX)) == "size"


def test_each_fault_is_counted_under_its_own_reason():
    packet = sealer().seal(beat())

    def changed(at, value):
        return packet[:at] + bytes([value]) + packet[at + 1 :]

    by = opener()
    by.open(packet, "lan", 1)
    faults = [
        b"short",
        changed(0, 0),
        changed(4, 9),
        changed(7, 2),
        changed(5, 7),
        changed(len(packet) - 1, packet[-1] ^ 1),
        packet,
    ]
    assert [reason_of(fault, by) for fault in faults] == [
        "size",
        "magic",
        "version",
        "addressing",
        "key",
        "tag",
        "replay",
    ]
    assert by.rejected == {**dict.fromkeys(REASONS, 1), "layout": 0, "retired": 0}


def test_a_body_that_only_a_key_holder_could_have_spoilt_is_counted_as_layout():
    packet = sealer().seal(beat())
    covered = packet[:-TAG_BYTES] + b"\0"
    assert reason_of(covered + Scope.of("web", "lan").tag(KEY, covered)) == "layout"


def test_a_refused_packet_leaves_no_trace_in_the_window():
    by, packet = opener(), sealer().seal(beat())
    forged = bytearray(packet)
    forged[20] ^= 0xFF  # another sequence
    reason_of(bytes(forged), by)
    assert by.open(packet, "lan", 1).is_addressed


@pytest.mark.parametrize(
    ("link", "cluster", "receiver"), [("direct", "web", 1), ("lan", "db", 1), ("lan", "web", 2)]
)
def test_a_packet_is_good_for_one_cluster_receiver_and_link(link, cluster, receiver):
    packet = sealer().seal(beat())
    assert reason_of(packet, opener(receiver=receiver, cluster=cluster), link) == "addressing"


@pytest.mark.parametrize(("link", "cluster"), [("direct", "web"), ("lan", "db")])
def test_the_tag_covers_the_names_even_where_the_header_lies(link, cluster):
    packet = bytearray(sealer().seal(beat()))
    packet[8:12] = Scope.of(cluster, link).short
    assert reason_of(bytes(packet), opener(cluster=cluster), link) == "tag"


def test_names_that_run_together_alike_are_still_two_scopes():
    assert Scope.of("web", "lan").prefix != Scope.of("we", "blan").prefix


def test_our_own_packets_sent_back_to_us_are_not_heard():
    assert reason_of(sealer().seal(beat(sender=1, receiver=0)), opener(receiver=1)) == "addressing"
    assert reason_of(sealer().seal(beat(sender=1, receiver=1)), opener(receiver=1)) == "addressing"


def test_a_packet_is_accepted_once():
    by, packet = opener(), sealer().seal(beat())
    by.open(packet, "lan", 1)
    assert reason_of(packet, by) == "replay"


def test_keys_are_changed_without_a_packet_lost():
    old, new = Keyring({1: KEY}, 1), Keyring({2: OTHER_KEY}, 2)
    both_old_seals, both_new_seals = Keyring({1: KEY, 2: OTHER_KEY}, 1), Keyring({2: OTHER_KEY, 1: KEY}, 2)
    for step, next_step in [(old, both_old_seals), (both_old_seals, both_new_seals), (both_new_seals, new)]:
        for ours, theirs in [(step, next_step), (next_step, step)]:
            assert opener(ring=theirs).open(sealer(ring=ours).seal(beat()), "lan", 1).is_addressed
    assert reason_of(sealer(ring=old).seal(beat()), opener(ring=new)) == "key"


def test_a_key_is_not_shown():
    assert KEY.hex() not in repr(Keyring({1: KEY}, 1))
    assert str(KEY) not in repr(Keyring({1: KEY}, 1))


def test_a_goodbye_sealed_at_the_last_renewal_is_heard_once_after_later_packets():
    by, seals = opener(), sealer()
    release = Release("www", Ballot(1, 0, 0xA0), -1, Cause.DAEMON_DIED)
    by.open(seals.seal(beat()), "lan", 1)
    goodbye = seals.seal(beat(messages=(release,)))
    for _ in range(WINDOW - 1):
        by.open(seals.seal(beat()), "lan", 1)
    assert by.open(goodbye, "lan", 2).heartbeat.messages == (release,)
    assert reason_of(goodbye, by) == "replay"


def test_a_goodbye_that_was_not_renewed_for_a_whole_window_is_lost():
    by, seals = opener(), sealer()
    goodbye = seals.seal(beat())
    for _ in range(WINDOW):
        packet = seals.seal(beat())
    by.open(packet, "lan", 1)
    assert reason_of(goodbye, by) == "replay"


def test_strangers_packets_are_refused_and_nothing_else_happens():
    by, noise = opener(), random.Random(1)
    for _ in range(2000):
        packet = noise.randbytes(noise.randrange(0, 1500))
        if noise.random() < 0.5:
            packet = sealer().seal(beat())[: HEADER.size] + packet
        reason_of(packet, by)
    assert sum(by.rejected.values()) == 2000


@settings(max_examples=200)
@given(st.binary(max_size=600))
def test_even_a_key_holder_can_only_be_refused(body):
    head = sealer().seal(beat())[: HEADER.size]
    packet = head + body + Scope.of("web", "lan").tag(KEY, head + body)
    assert refusal(opener().open, packet, "lan", 1) in (None, "layout", "size")


def test_two_voters_meet_and_one_restarts():
    """Endpoint to endpoint, each naming what it last heard as a core does; times are a beat apart."""
    clock = iter(range(1, 10**9, 10))

    def exchange(source, target, source_index, life, hears, echo):
        at = next(clock)
        heartbeat = beat(
            sender=source_index,
            receiver=1 - source_index,
            incarnation=life,
            hears_incarnation=hears,
            echo_sent_ns=echo,
            sent_ns=at,
        )
        (packet,) = source.packets(heartbeat)
        return target.open(packet, "lan", at + 1), at

    here, there = endpoint(1), endpoint(0)
    opened, sent = exchange(there, here, 0, 0xA0, 0, 0)
    assert not opened.is_addressed
    assert opened.is_news
    opened, sent = exchange(here, there, 1, LIVES[1], opened.heartbeat.incarnation, sent)
    assert opened.is_addressed
    opened, _ = exchange(there, here, 0, 0xA0, LIVES[1], sent)
    assert opened.is_addressed

    reborn = endpoint(0, incarnation=0xA1)
    opened, _ = exchange(reborn, here, 0, 0xA1, 0, 0)
    assert (opened.is_addressed, opened.is_news) == (False, False)
    opened, sent = exchange(here, reborn, 1, LIVES[1], 0xA0, 0)  # our core still knows the old life
    assert opened.is_addressed
    assert opened.heartbeat.hears_incarnation == 0xA1
    opened, _ = exchange(reborn, here, 0, 0xA1, LIVES[1], sent)
    assert opened.is_addressed


def test_two_voters_that_both_hold_an_old_life_for_a_candidate_hear_each_other_again():
    ends = endpoint(0), endpoint(1)

    def say(index, at):
        names = {"incarnation": LIVES[index], "hears_incarnation": LIVES[1 - index]}
        heartbeat = beat(sender=index, receiver=1 - index, echo_sent_ns=at - 50, sent_ns=at, **names)
        (packet,) = ends[index].packets(heartbeat)
        return ends[1 - index].open(packet, "lan", at).is_addressed

    assert say(0, 100)
    assert say(1, 100)
    for index in (0, 1):
        old = beat(sender=1 - index, receiver=index, incarnation=0xDEAD + index, hears_incarnation=0)
        assert not ends[index].open(sealer().seal(old), "lan", 110).is_news
    heard = [(say(0, at), say(1, at)) for at in range(200, 1000, 100)]
    assert heard[3:] == [(True, True)] * 5


def test_a_long_heartbeat_leaves_as_several_packets_and_arrives_whole():
    here, there = endpoint(1), endpoint(0)
    packets = there.packets(full_beat(16))
    assert len(packets) > 1
    arrived = [here.open(packet, "lan", 1).heartbeat for packet in packets]
    assert sum((part.messages for part in arrived), ()) == full_beat(16).messages
