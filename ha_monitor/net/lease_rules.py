"""The rules by which a kernel enforces the Lease on service addresses. Pure: says what, not when.

Sets of each table: `service4`, `service6`, all service addresses. Maps `held4`, `held6`: address to
the number of the sending that opened it; a closed address is absent. `window`: sendings, each
with a timeout. A packet for a service address goes to a chain with two rules: accept if what
`held` says of the address stands in `window`; drop. Other traffic leaves at the first lookup.

Where the rules stand, and why there:

- `inet` prerouting (before NAT, so that a container's published port is silent too), for addresses
  that are local to this host, and for neighbour solicitations by their target; `inet` input for
  the same without asking what is local (VRFs); `inet` output for what leaves with the address as
  source (advertisements, retransmissions of open connections); `inet` postrouting after NAT for
  what a container behind a published port sends on.
- `arp` input by target, `arp` output by sender.
- `netdev` egress of the devices where addresses are announced, for frames that bypass the above:
  our own announcements, so that a process that wakes up too late cannot make them.

Family `inet` and `arp` see every device, also one that appears later, without any per-device work,
and they see only what is for this host: a guest or container on a Node that is not the Owner
still reaches the service address through this Node's bridge or routes. (netdev ingress hooks on
every device cut those off, have a gap until a new device gets its hook, and lose it with a
rename on kernels from 6.16 on.) `lo` is left alone.

How `nft list` shows it: `nft` has no words for "look up what a map gave", and version 1.0.6 aborts
on such a rule, and with it every listing and every saving of the host's own rules. So the map's
answer lands beside the register that `nft` follows, and it shows the first rule as
`meta mark . meta mark @window accept`. Saved and loaded again that never matches: closed. In the
same way it shows the target of a solicitation, for which it has no name either, as `ip6 daddr`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ha_monitor.net.netlink import Message
from ha_monitor.net.nftables import (
    ACCEPT,
    ARP,
    ARP_INPUT,
    ARP_OUTPUT,
    DROP,
    FIB_DESTINATION,
    FIB_SOURCE,
    GOTO,
    INET,
    INPUT,
    LOOPBACK_INDEX,
    META_IIF,
    META_L4PROTO,
    META_MARK,
    META_NFPROTO,
    META_OIF,
    META_PROTOCOL,
    NETDEV,
    NETDEV_EGRESS,
    NETWORK_HEADER,
    OUTPUT,
    POSTROUTING,
    PREROUTING,
    REG_1,
    REG_1_LAST_4,
    REG_2,
    REG_2_AT_4,
    REG_2_AT_8,
    RTN_LOCAL,
    SET_TIMEOUT,
    TRANSPORT_HEADER,
    TYPE_IPV4,
    TYPE_IPV6,
    TYPE_MARK,
    Chain,
    Set,
    Table,
    compare,
    delete_rules,
    host_u32,
    load_address_type,
    load_meta,
    load_payload,
    look_up,
    new_chain,
    new_rule,
    new_set,
    new_table,
    u64,
    verdict,
)

AFTER_NAT = 500
_TWO_MARKS, _THREE_MARKS = TYPE_MARK << 6 | TYPE_MARK, TYPE_MARK << 12 | TYPE_MARK << 6 | TYPE_MARK
WINDOW = Set("window", _TWO_MARKS, 8, flags=SET_TIMEOUT)
SERVICE = {4: Set("service4", TYPE_IPV4, 4), 6: Set("service6", TYPE_IPV6, 16)}
HELD = {
    4: Set("held4", TYPE_IPV4, 4, _THREE_MARKS, 12),
    6: Set("held6", TYPE_IPV6, 16, _THREE_MARKS, 12),
}
VERSIONS_OF: Mapping[int, tuple[int, ...]] = {INET: (4, 6), ARP: (4,), NETDEV: (4, 6)}
FAMILIES = tuple(VERSIONS_OF)

_V4 = load_meta(META_NFPROTO) + compare(b"\x02")
_V6 = load_meta(META_NFPROTO) + compare(b"\x0a")
_FRAME_V6 = load_meta(META_PROTOCOL) + compare(b"\x86\xdd")
_FRAME_ARP = load_meta(META_PROTOCOL) + compare(b"\x08\x06")
# Hardware addresses of 6 bytes, protocol addresses of 4: sender at 14, target at 24.
_ETHERNET_ARP = load_payload(NETWORK_HEADER, 4, 2) + compare(b"\x06\x04")
_SOLICITATION = (load_meta(META_L4PROTO) + compare(b"\x3a") + load_payload(TRANSPORT_HEADER, 0, 1)) + compare(
    b"\x87"
)
_TO_US, _FROM_US = (
    load_address_type(of) + compare(host_u32(RTN_LOCAL)) for of in (FIB_DESTINATION, FIB_SOURCE)
)
_NOT_LO_IN, _NOT_LO_OUT = (
    load_meta(meta) + compare(host_u32(LOOPBACK_INDEX)) + verdict(ACCEPT) for meta in (META_IIF, META_OIF)
)


def held_value(sending: int) -> bytes:
    """What stands in `held`: four bytes of nothing, then the number as in `window`."""
    return bytes(4) + u64(sending)


def _gate(name: str, load_address: bytes, version: int) -> Chain:
    """The chain that lets a service address pass or drops it."""
    shown = load_meta(META_MARK, REG_2_AT_4) + load_meta(META_MARK, REG_2_AT_8)
    held = load_address + look_up(HELD[version].name, REG_1, REG_2)
    is_open = shown + held + look_up(WINDOW.name, REG_2_AT_4) + verdict(ACCEPT)
    return Chain(name, None, (is_open, verdict(DROP)))


def _to_gate(condition: bytes, gate: Chain, load_address: bytes, version: int) -> bytes:
    return condition + load_address + look_up(SERVICE[version].name) + verdict(GOTO, gate.name)


def _inet_chains() -> tuple[Chain, ...]:
    source = {4: load_payload(NETWORK_HEADER, 12, 4), 6: load_payload(NETWORK_HEADER, 8, 16)}
    target = {4: load_payload(NETWORK_HEADER, 16, 4), 6: load_payload(NETWORK_HEADER, 24, 16)}
    solicited = load_payload(TRANSPORT_HEADER, 8, 16)
    to = {v: _gate(f"to{v}", target[v], v) for v in (4, 6)}
    out = {v: _gate(f"from{v}", source[v], v) for v in (4, 6)}
    asked = _gate("asked6", solicited, 6)
    # Twenty bytes from before the target, so that the target ends up in REG_2.
    hidden = load_payload(TRANSPORT_HEADER, 4, 20, REG_1_LAST_4) + look_up(SERVICE[6].name, REG_2)
    shown = load_payload(NETWORK_HEADER, 24, 16, REG_2)
    ask = _V6 + _SOLICITATION + shown + hidden + verdict(GOTO, asked.name)
    arriving = [_to_gate(_V4 + _TO_US, to[4], target[4], 4), _to_gate(_V6 + _TO_US, to[6], target[6], 6)]
    delivered = [_to_gate(_V4, to[4], target[4], 4), _to_gate(_V6, to[6], target[6], 6)]
    leaving = [_to_gate(_V4, out[4], source[4], 4), _to_gate(_V6, out[6], source[6], 6)]
    translated = [
        _to_gate(_V4 + _FROM_US, out[4], source[4], 4),
        _to_gate(_V6 + _FROM_US, out[6], source[6], 6),
    ]
    return (
        *to.values(),
        *out.values(),
        asked,
        Chain("arriving", PREROUTING, (_NOT_LO_IN, ask, *arriving)),
        Chain("delivered", INPUT, (_NOT_LO_IN, ask, *delivered)),
        Chain("leaving", OUTPUT, (_NOT_LO_OUT, *leaving)),
        Chain("translated", POSTROUTING, (_NOT_LO_OUT, *translated), priority=AFTER_NAT),
    )


def _arp_chains() -> tuple[Chain, ...]:
    sender, target = load_payload(NETWORK_HEADER, 14, 4), load_payload(NETWORK_HEADER, 24, 4)
    to, out = _gate("to4", target, 4), _gate("from4", sender, 4)
    # Another host announces a service address: this one must learn it, and an answer, if there
    # were one, would be stopped on its way out.
    announced = _ETHERNET_ARP + sender + look_up(SERVICE[4].name) + verdict(ACCEPT)
    arriving = (announced, _to_gate(_ETHERNET_ARP, to, target, 4))
    return (
        to,
        out,
        Chain("arriving", ARP_INPUT, arriving),
        Chain("leaving", ARP_OUTPUT, (_to_gate(_ETHERNET_ARP, out, sender, 4),)),
    )


def _announcing_chains(devices: Iterable[str]) -> tuple[Chain, ...]:
    sender, source = load_payload(NETWORK_HEADER, 14, 4), load_payload(NETWORK_HEADER, 8, 16)
    arp, v6 = _gate("from4", sender, 4), _gate("from6", source, 6)
    rules = (
        _to_gate(_FRAME_ARP + _ETHERNET_ARP, arp, sender, 4),
        _to_gate(_FRAME_V6, v6, source, 6),
    )
    hooked = (Chain(egress_chain_name(d), NETDEV_EGRESS, rules, d) for d in devices)
    return (arp, v6, *hooked)


def egress_chain_name(device: str) -> str:
    """A chain's name for a device's name; what `nft` could not read back is spelled in hex."""
    safe = (c if c.isascii() and (c.isalnum() or c in "-.") else f"_{ord(c):x}_" for c in device)
    return "egress-" + "".join(safe)


def chains_of(family: int, announcing_devices: Iterable[str] = ()) -> tuple[Chain, ...]:
    """The chains of one family's table, those that others go to first."""
    if family == NETDEV:
        return _announcing_chains(announcing_devices)
    return _inet_chains() if family == INET else _arp_chains()


def sets_of(family: int) -> tuple[Set, ...]:
    """The sets and maps of one family's table."""
    versions = VERSIONS_OF[family]
    return (WINDOW, *(SERVICE[v] for v in versions), *(HELD[v] for v in versions))


def layout(table: Table, chains: Iterable[Chain]) -> list[Message]:
    """Put a family's table, sets, chains and rules in place; elements that stand there stay.

    To be sent as one transaction: at no instant do rules miss.
    """
    chains = tuple(chains)
    messages = [new_table(table)]
    messages += [new_set(table, one, i) for i, one in enumerate(sets_of(table.family), 1)]
    messages += [new_chain(table, chain) for chain in chains]
    messages.append(delete_rules(table))
    messages += [new_rule(table, chain.name, rule) for chain in chains for rule in chain.rules]
    return messages
