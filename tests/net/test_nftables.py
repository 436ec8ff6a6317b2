import ipaddress
import sys

import pytest

from ha_monitor.net import lease_rules as rules
from ha_monitor.net import nftables as nft
from ha_monitor.net.netlink import NLM_F_ACK, attributes, iter_attributes

TABLE = nft.Table(nft.ARP, "ha-monitor-web")


def test_batch_asks_once_and_its_rehearsal_has_no_end():
    body = [nft.new_table(TABLE), nft.delete_rules(TABLE)]
    kinds = [message.kind for message in nft.batch(body)]
    assert kinds == [16, nft.NEWTABLE, nft.DELRULE, 17]
    assert [bool(message.flags & NLM_F_ACK) for message in nft.batch(body)] == [False, False, True, False]
    assert [message.kind for message in nft.batch(body, is_rehearsal=True)] == kinds[:3]


@pytest.mark.skipif(sys.byteorder != "little", reason="the byte example is little endian")
def test_armed_sending_in_bytes():
    message = nft.add_elements(TABLE, "window", [nft.element(nft.u64(5), timeout_ms=896)])
    assert message.body == bytes.fromhex(
        "03000000"  # family arp
        "13000100 68612d6d6f6e69746f722d776562 00 00"
        "0b000200 77696e646f77 00 00"
        "24000380 20000180"
        "10000180 0c000100 0000000000000005"
        "0c000400 0000000000000380"
    )


def test_element_comes_back_with_what_is_left_of_its_time():
    key, data = nft.u64(9), rules.held_value(3)
    listed = nft.element(key, data, 400).replace(b"\x0c\x00\x04\x00", b"\x0c\x00\x05\x00")  # expiration
    body = nft.header(nft.INET) + attribute_list(listed)
    assert nft.read_elements(body) == {key: (data, 400)}


def attribute_list(element):
    return nft.nested(3, element)


def test_element_without_timeout_says_so():
    listed = nft.header(nft.INET) + attribute_list(nft.element(b"\xc0\0\2d", rules.held_value(3)))
    assert nft.read_elements(listed) == {b"\xc0\0\2d": (rules.held_value(3), -1)}


def test_what_is_held_ends_with_the_bytes_of_the_window():
    assert rules.held_value(7)[4:] == nft.u64(7)


def lookups(rule):
    """Names of the sets that a rule looks up."""
    names = []
    for _, expression in iter_attributes(rule):
        parts = attributes(expression)
        if parts[1] == b"lookup\0":
            names.append(attributes(parts[2])[1].rstrip(b"\0").decode())
    return names


@pytest.mark.parametrize("family", rules.FAMILIES)
def test_every_chain_that_rules_go_to_ends_in_a_drop(family):
    chains = rules.chains_of(family, ["lan"])
    gates = [chain for chain in chains if chain.hook is None]
    assert gates
    for gate in gates:
        is_open, last = gate.rules
        assert lookups(is_open)[0].startswith("held")
        assert lookups(is_open)[1] == "window"
        assert last == nft.verdict(nft.DROP)


@pytest.mark.parametrize("family", rules.FAMILIES)
def test_layout_creates_before_it_clears_and_clears_before_it_fills(family):
    messages = rules.layout(nft.Table(family, "t"), rules.chains_of(family, ["lan"]))
    kinds = [message.kind for message in messages]
    order = [nft.NEWTABLE, nft.NEWSET, nft.NEWCHAIN, nft.DELRULE, nft.NEWRULE]
    assert kinds == sorted(kinds, key=order.index)
    assert set(kinds) == set(order)


def test_rules_go_only_to_chains_that_exist_already():
    """The kernel resolves a chain's name when the rule is made."""
    for family in rules.FAMILIES:
        seen = set()
        for chain in rules.chains_of(family, ["lan"]):
            seen.add(chain.name)
            for rule in chain.rules:
                for gate in ("to4", "to6", "from4", "from6", "asked6"):
                    assert gate.encode() + b"\0" not in rule or gate in seen


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("lan", "egress-lan"),
        ("eth0.12", "egress-eth0.12"),
        ("br:x", "egress-br_3a_x"),
        ("a_b", "egress-a_5f_b"),
    ],
)
def test_chain_is_named_after_its_device_so_that_nft_can_read_it(device, name):
    assert rules.egress_chain_name(device) == name


def test_addresses_of_both_versions_have_keys_of_their_length():
    for text, version in (("192.0.2.100", 4), ("2001:db8::1", 6)):
        assert len(ipaddress.ip_address(text).packed) == rules.HELD[version].key_length
