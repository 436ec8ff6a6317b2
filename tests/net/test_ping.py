"""ICMP echo: what is sent, which packets are answers to it, and a real round trip over the loopback."""

import ipaddress
import os
import select
import struct
import time

import pytest

from ha_monitor.net.ping import (
    REMEMBERED_MAX,
    Pinger,
    Target,
    answered,
    checksum,
    request,
)

TOKEN = bytes(range(16))
IP_HEAD = b"\x45" + b"\0" * 19


def answer_to(packet, kind=0):
    return IP_HEAD + bytes([kind]) + packet[1:]


def test_a_request_carries_a_checksum_that_adds_up():
    packet = request(True, 7, TOKEN)
    assert packet[0] == 8
    assert checksum(packet) == 0
    assert struct.unpack("!HH", packet[4:8]) == (0x0001, 7)


def test_an_odd_number_of_bytes_has_a_checksum_too():
    assert checksum(b"\x01") == 0xFEFF


def test_an_answer_to_our_request_is_known_by_its_token():
    packet = request(True, 7, TOKEN)
    assert answered(answer_to(packet), True, TOKEN) == 7
    assert answered(answer_to(request(True, 7, TOKEN[::-1])), True, TOKEN) == -1


@pytest.mark.parametrize(
    "packet",
    [b"", b"\x45", IP_HEAD, answer_to(request(True, 7, TOKEN))[:-1], answer_to(request(True, 7, TOKEN), 3)],
    ids=["empty", "a byte", "only the head", "cut short", "unreachable"],
)  # fmt: skip
def test_anything_else_is_no_answer(packet):
    assert answered(packet, True, TOKEN) == -1


def test_an_answer_over_ipv6_has_no_ip_head():
    packet = request(False, 9, TOKEN)
    assert packet[0] == 128
    assert answered(b"\x81" + packet[1:], False, TOKEN) == 9
    assert answered(b"\x80" + packet[1:], False, TOKEN) == -1


def wait_for_answer(pinger, watched):
    until = time.monotonic() + 10
    while not pinger.newest_ns:
        assert time.monotonic() < until, "no answer from the loopback"
        select.select([t.fileno() for t in watched], [], [], 0.2)
        for target in watched:
            target.listen()


@pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets need root")
@pytest.mark.parametrize("where", ["127.0.0.1", "::1"])
def test_a_target_that_answers_is_reached_since_its_request_left(where):
    watched = []
    pinger = Pinger([ipaddress.ip_address(where)], watched.append, lambda _: None)
    pinger.ask(1000)
    if not watched:
        pytest.skip(f"this host has no {where}")
    wait_for_answer(pinger, watched)
    assert pinger.newest_ns == 1000
    assert (pinger.reached(999), pinger.reached(1000)) == (1, 0)
    pinger.close()
    assert pinger.newest_ns == 1000, "what was answered stays known"


@pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets need root")
def test_a_target_without_a_route_is_one_that_does_not_answer_and_is_tried_again():
    watched, unwatched = [], []
    target = ipaddress.ip_address("255.255.255.255")  # connect() refuses a broadcast
    pinger = Pinger([target], watched.append, unwatched.append)
    pinger.ask(1)
    pinger.ask(2)
    assert pinger.reached(0) == 0
    assert watched == []


def test_requests_without_an_answer_are_forgotten_in_the_end():
    target = Target(ipaddress.ip_address("127.0.0.1"))
    assert not target.ask(1)  # no socket yet
    for at_ns in range(REMEMBERED_MAX * 2):
        target._sent[at_ns] = at_ns
    target._socket = SilentSocket()
    assert target.ask(5)
    assert len(target._sent) == REMEMBERED_MAX


class SilentSocket:
    """Takes everything and answers nothing."""

    def send(self, packet):
        return len(packet)

    def fileno(self):
        return 99
