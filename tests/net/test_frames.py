import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ha_monitor.net import frames

MAC = bytes.fromhex("020000000001")
VIP4, VIP6 = ipaddress.ip_address("192.0.2.100"), ipaddress.ip_address("2001:db8::100")


def test_gratuitous_arp_in_bytes():
    request, reply = frames.announcements(VIP4, MAC)
    head = "ffffffffffff 020000000001 0806 0001 0800 06 04"
    assert request == bytes.fromhex(head + "0001 020000000001 c0000264 000000000000 c0000264")
    assert reply == bytes.fromhex(head + "0002 020000000001 c0000264 020000000001 c0000264")


def test_unsolicited_advertisement_in_bytes():
    (frame,) = frames.announcements(VIP6, MAC)
    assert frame == bytes.fromhex(
        "333300000001 020000000001 86dd"
        "60000000 0020 3a ff 20010db8000000000000000000000100 ff020000000000000000000000000001"
        "88 00 f72c 20000000 20010db8000000000000000000000100 0201 020000000001"
    )


def test_probe_claims_nothing():
    assert frames.read_arp_claim(frames.probe(VIP4, MAC)[14:]) is None
    solicitation = frames.probe(VIP6, MAC)
    assert solicitation[:6] == bytes.fromhex("3333ff000100")
    assert solicitation[22:38] == bytes(16)  # from the unspecified address
    assert frames.read_advertisement(solicitation[14:], MAC) is None


@given(st.binary(min_size=1, max_size=99))
def test_checksum_over_data_with_its_checksum_is_zero(data):
    if len(data) % 2:
        data += b"\0"
    assert frames.checksum(data + frames.checksum(data).to_bytes(2, "big")) == 0


@pytest.mark.parametrize("address", [VIP4, VIP6])
def test_announcement_is_read_as_a_claim(address):
    for frame in frames.announcements(address, MAC):
        read = (
            frames.read_arp_claim
            if address.version == 4
            else lambda p: frames.read_advertisement(p, b"x" * 6)
        )
        assert read(frame[14:]) == frames.Claim(address, MAC)


def test_advertisement_without_option_is_claimed_by_its_sender():
    (frame,) = frames.announcements(VIP6, MAC)
    assert frames.read_advertisement(frame[14:-8], b"sender") == frames.Claim(VIP6, b"sender")


@given(st.binary(max_size=120))
def test_any_bytes_are_read_without_an_exception(junk):
    frames.read_arp_claim(junk)
    frames.read_advertisement(junk, MAC)


def test_arp_of_another_link_layer_is_no_claim():
    frame = bytearray(frames.announcements(VIP4, MAC)[0][14:])
    frame[4] = 20
    assert frames.read_arp_claim(bytes(frame)) is None
