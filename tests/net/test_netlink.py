import errno
import struct
import sys

import pytest

from ha_monitor.net import netlink as nl

pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="the byte examples are little endian")


def test_attribute_is_padded_to_four_bytes_but_tells_its_own_length():
    assert nl.attribute(3, b"lan\0x") == bytes.fromhex("0900 0300 6c616e00 78000000")


def test_nested_attribute_bears_its_mark():
    assert nl.nested(1, nl.attribute(2, b"\1\2\3\4")) == bytes.fromhex("0c00 0180 0800 0200 01020304")


def test_message_is_numbered_and_asks():
    packet = nl.encode([nl.Message(20, nl.NLM_F_ACK, b"abc"), nl.Message(21, 0, b"")], 7)
    assert packet == bytes.fromhex("13000000 1400 0500 07000000 00000000 616263 00") + bytes.fromhex(
        "10000000 1500 0100 08000000 00000000"
    )


def test_attributes_come_back():
    data = nl.text(1, "web") + nl.nested(4, nl.attribute(1, b"12345"))
    assert nl.attributes(data)[1] == b"web\0"
    assert nl.attributes(nl.attributes(data)[4]) == {1: b"12345"}


@pytest.mark.parametrize("junk", [b"", b"\1", b"\3\0\1\0", b"\0\0\0\0", b"\xff\xff\1\0abcd"])
def test_attributes_that_make_no_sense_end_the_reading(junk):
    assert list(nl.iter_attributes(junk)) == []


@pytest.mark.parametrize("length", [0, 15, 17, 4_000_000_000])
def test_message_with_an_impossible_length_ends_the_reading(length):
    assert list(nl.iter_messages(struct.pack("=IHHII", length, 1, 0, 0, 0))) == []


def error(number, flags=0, extra=b""):
    header = bytes(16)
    return nl.Received(nl.NLMSG_ERROR, flags, 1, 0, struct.pack("=i", -number) + header + extra)


def test_acknowledgement_is_an_error_of_zero():
    assert nl.error_of(error(0)) == (0, "")


def test_refusal_carries_the_kernels_own_words():
    said = nl.text(nl.NLMSGERR_ATTR_MSG, "Invalid prefix")
    assert nl.error_of(error(errno.EINVAL, nl.NLM_F_ACK_TLVS, said)) == (errno.EINVAL, "Invalid prefix")


def test_refusal_says_what_was_asked_and_what_came_back():
    refused = nl.KernelRefused("add address 192.0.2.100/32 to device 2", errno.EPERM, "no such luck")
    assert str(refused) == (
        "add address 192.0.2.100/32 to device 2: Operation not permitted (EPERM); no such luck"
    )
    assert refused.errno == errno.EPERM


def test_protocol_that_no_kernel_has_is_refused_by_name():
    with pytest.raises(nl.KernelRefused, match="open netlink protocol 30"):
        nl.NetlinkSocket(30)
