"""nftables in bytes: the few objects and expressions that the kernel's Lease is built of. Pure.

Layout: linux/netfilter/nf_tables.h. Attribute numbers are big endian, registers hold packet bytes
in network order and everything else (interface index, address type) in the host's order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ha_monitor.net.netlink import (
    NFNL_MSG_BATCH_BEGIN,
    NFNL_MSG_BATCH_END,
    NLM_F_ACK,
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_EXCL,
    Message,
    attribute,
    attributes,
    iter_attributes,
    nested,
    text,
)

NETLINK_NETFILTER = 12
NFNL_SUBSYS_NFTABLES = 10
(NEWTABLE, GETTABLE, DELTABLE, NEWCHAIN, GETCHAIN, DELCHAIN, NEWRULE, GETRULE, DELRULE,
 NEWSET, GETSET, DELSET, NEWSETELEM, GETSETELEM, DELSETELEM, NEWGEN) = (
    NFNL_SUBSYS_NFTABLES << 8 | number for number in range(16))  # fmt: skip

INET, ARP, NETDEV = 1, 3, 5  # NFPROTO_*
FAMILY_NAMES: Mapping[int, str] = {INET: "inet", ARP: "arp", NETDEV: "netdev"}
PREROUTING, INPUT, OUTPUT, POSTROUTING = 0, 1, 3, 4  # hooks of inet
ARP_INPUT, ARP_OUTPUT = 0, 1
NETDEV_EGRESS = 1
FIRST = -500  # priority before conntrack's defragmentation (-400), NAT and the host's own rules

SET_MAP, SET_TIMEOUT = 0x8, 0x10
# Types serve `nft list` alone: numbers are shown as marks, of 4 bytes each.
TYPE_IPV4, TYPE_IPV6, TYPE_MARK = 7, 8, 19

REG_VERDICT, REG_1, REG_2 = 0, 1, 2  # REG_1 and REG_2 are 16 bytes wide
REG_2_AT_4, REG_2_AT_8 = 13, 14  # the same bytes as REG_2, from its fifth and ninth on
REG_1_LAST_4 = 11  # the four bytes before REG_2
DROP, ACCEPT, GOTO = 0, 1, -4
META_PROTOCOL, META_MARK, META_IIF, META_OIF, META_NFPROTO, META_L4PROTO = 1, 3, 4, 5, 15, 16
NETWORK_HEADER, TRANSPORT_HEADER = 1, 2
RTN_LOCAL = 2
FIB_SOURCE, FIB_DESTINATION = 1, 2
LOOPBACK_INDEX = 1  # in every network namespace


@dataclass(frozen=True)
class Table:
    """A table: its family and its name."""

    family: int
    name: str


@dataclass(frozen=True)
class Set:
    """A set, or a map if ``data_length`` is given. Lengths in bytes; types as `nft` shows them."""

    name: str
    key_type: int
    key_length: int
    data_type: int = 0
    data_length: int = 0
    flags: int = 0


@dataclass(frozen=True)
class Chain:
    """A chain with its rules; without ``hook`` one that rules go to. ``device``: family netdev."""

    name: str
    hook: int | None
    rules: tuple[bytes, ...]
    device: str = ""
    priority: int = FIRST


def u32(value: int) -> bytes:
    """A 32-bit attribute value."""
    return struct.pack("!I", value)


def host_u32(value: int) -> bytes:
    """A 32-bit register value in the host's order."""
    return struct.pack("=I", value)


def u64(value: int) -> bytes:
    """A 64-bit value."""
    return struct.pack("!Q", value)


def header(family: int, resource: int = 0) -> bytes:
    """The nfgenmsg that opens each message."""
    return struct.pack("!BBH", family, 0, resource)


def batch(messages: Iterable[Message], is_rehearsal: bool = False) -> list[Message]:
    """One transaction. A rehearsal lacks the end, so the kernel checks everything, keeps nothing."""
    bracket = header(0, NFNL_SUBSYS_NFTABLES)
    *body, last = messages
    last = last._replace(flags=last.flags | NLM_F_ACK)
    whole = [Message(NFNL_MSG_BATCH_BEGIN, 0, bracket), *body, last]
    return whole if is_rehearsal else [*whole, Message(NFNL_MSG_BATCH_END, 0, bracket)]


# Expressions


def _expression(name: str, *data: bytes) -> bytes:
    return nested(1, text(1, name), nested(2, *data))


def load_meta(key: int, register: int = REG_1) -> bytes:
    """Interface index, protocol and the like into a register."""
    return _expression("meta", attribute(1, u32(register)), attribute(2, u32(key)))


def load_payload(base: int, offset: int, length: int, register: int = REG_1) -> bytes:
    """Bytes of the packet into a register."""
    values = (register, base, offset, length)
    return _expression("payload", *(attribute(i, u32(v)) for i, v in enumerate(values, 1)))


def load_address_type(of: int, register: int = REG_1) -> bytes:
    """What the packet's source or destination (FIB_*) is to this host into a register."""
    values = (register, 3, of)  # 3: result is the type of the address
    return _expression("fib", *(attribute(i, u32(v)) for i, v in enumerate(values, 1)))


def compare(value: bytes, register: int = REG_1) -> bytes:
    """Go on only if the register holds the value."""
    parts = attribute(1, u32(register)), attribute(2, u32(0)), nested(3, attribute(1, value))
    return _expression("cmp", *parts)


def look_up(name: str, source: int = REG_1, target: int | None = None) -> bytes:
    """Go on only if the register's value stands in the set.

    ``target``: of a map, the register for what stands there.
    """
    parts = [text(1, name), attribute(2, u32(source))]
    if target is not None:
        parts.append(attribute(3, u32(target)))
    return _expression("lookup", *parts)


def verdict(code: int, chain: str = "") -> bytes:
    """ACCEPT (for this chain), DROP, or GOTO a chain."""
    parts = [attribute(1, struct.pack("!i", code))]
    if chain:
        parts.append(text(2, chain))
    return _expression("immediate", attribute(1, u32(REG_VERDICT)), nested(2, nested(2, *parts)))


# Objects


def new_table(table: Table) -> Message:
    """Create it, or leave it as it is."""
    return Message(NEWTABLE, NLM_F_CREATE, header(table.family) + text(1, table.name))


def delete_table(table: Table) -> Message:
    """Remove it with all that it holds."""
    return Message(DELTABLE, 0, header(table.family) + text(1, table.name))


def new_set(table: Table, one: Set, number: int) -> Message:
    """Create it, or leave it and its elements as they are."""
    flags = one.flags | (SET_MAP if one.data_length else 0)
    body = text(1, table.name) + text(2, one.name)
    for kind, value in ((3, flags), (4, one.key_type), (5, one.key_length)):
        body += attribute(kind, u32(value))
    if one.data_length:
        body += attribute(6, u32(one.data_type)) + attribute(7, u32(one.data_length))
    body += attribute(10, u32(number))
    return Message(NEWSET, NLM_F_CREATE, header(table.family) + body)


def new_chain(table: Table, chain: Chain) -> Message:
    """Create a chain, or leave it as it is. At a hook it accepts what no rule drops."""
    body = text(1, table.name) + text(3, chain.name)
    if chain.hook is not None:
        hook = attribute(1, u32(chain.hook)) + attribute(2, struct.pack("!i", chain.priority))
        if chain.device:
            hook += text(3, chain.device)
        body += nested(4, hook) + attribute(5, u32(ACCEPT)) + text(7, "filter")
    return Message(NEWCHAIN, NLM_F_CREATE, header(table.family) + body)


def new_rule(table: Table, chain: str, expressions: bytes) -> Message:
    """Append a rule."""
    body = text(1, table.name) + text(2, chain) + nested(4, expressions)
    return Message(NEWRULE, NLM_F_CREATE | NLM_F_APPEND, header(table.family) + body)


def table_of(table: Table) -> bytes:
    """The attribute that restricts a dump of rules to one table."""
    return text(1, table.name)


def delete_rules(table: Table) -> Message:
    """Remove all rules of the table, leave chains and sets."""
    return Message(DELRULE, 0, header(table.family) + text(1, table.name))


def element(key: bytes, data: bytes | None = None, timeout_ms: int | None = None) -> bytes:
    """One element of a set or map."""
    parts = [nested(1, attribute(1, key))]
    if data is not None:
        parts.append(nested(2, attribute(1, data)))
    if timeout_ms is not None:
        parts.append(attribute(4, u64(timeout_ms)))
    return nested(1, *parts)


def _elements(kind: int, flags: int, table: Table, name: str, elements: Iterable[bytes]) -> Message:
    body = text(1, table.name) + text(2, name) + nested(3, *elements)
    return Message(kind, flags, header(table.family) + body)


def add_elements(table: Table, name: str, elements: Iterable[bytes]) -> Message:
    """Add elements; refused as a whole if one of them exists."""
    return _elements(NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, table, name, elements)


def delete_elements(table: Table, name: str, elements: Iterable[bytes]) -> Message:
    """Delete elements; refused as a whole if one of them does not exist."""
    return _elements(DELSETELEM, 0, table, name, elements)


def list_elements(table: Table, name: str) -> tuple[int, bytes]:
    """Kind and body of a dump of a set's elements."""
    return GETSETELEM, header(table.family) + text(1, table.name) + text(2, name)


def read_elements(body: bytes) -> dict[bytes, tuple[bytes, int]]:
    """Key to (data, ms left; -1 without timeout) of one message of such a dump."""
    found = {}
    for _, one in iter_attributes(attributes(body[4:]).get(3, b"")):
        parts = attributes(one)
        key = attributes(parts.get(1, b"")).get(1, b"")
        data = attributes(parts.get(2, b"")).get(1, b"")
        left = parts.get(5)
        found[key] = data, -1 if left is None else struct.unpack("!Q", left)[0]
    return found
