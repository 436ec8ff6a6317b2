"""ARP and neighbour discovery in bytes: what announces, asks for and claims an address. Pure.

RFC 826, RFC 5227 (probes and announcements), RFC 4861 and 4862 (neighbour discovery).
"""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

from ha_monitor.model import Address

ETH_P_ARP, ETH_P_IPV6 = 0x0806, 0x86DD
ARP_REQUEST, ARP_REPLY = 1, 2
SOLICITATION, ADVERTISEMENT = 135, 136  # ICMPv6 types
TARGET_LINK_LAYER = 2  # ICMPv6 option
OVERRIDE = 0x20000000  # advertisement flag: replace what you have cached
ICMPV6, HOP_LIMIT = 58, 255
BROADCAST, NOBODY = b"\xff" * 6, bytes(6)
ALL_NODES = ipaddress.IPv6Address("ff02::1")

ARP = struct.Struct("!HHBBH6s4s6s4s")
ETHERNET = struct.Struct("!6s6sH")
IPV6 = struct.Struct("!IHBB16s16s")


class Claim(NamedTuple):
    """Somebody with that MAC says that it has the address."""

    address: Address
    mac: bytes


def arp_frame(operation: int, source: bytes, sender_ip: bytes, target_mac: bytes, target_ip: bytes) -> bytes:
    """A broadcast ARP frame for Ethernet and IPv4."""
    body = ARP.pack(1, 0x0800, 6, 4, operation, source, sender_ip, target_mac, target_ip)
    return ETHERNET.pack(BROADCAST, source, ETH_P_ARP) + body


def checksum(data: bytes) -> int:
    """The Internet checksum, RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def icmpv6_frame(source_mac: bytes, source: bytes, target: bytes, message: bytes) -> bytes:
    """An Ethernet frame to an IPv6 multicast address, with the ICMPv6 checksum put in."""
    pseudo = source + target + struct.pack("!II", len(message), ICMPV6)
    summed = message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]
    head = IPV6.pack(6 << 28, len(message), ICMPV6, HOP_LIMIT, source, target)
    to_mac = b"\x33\x33" + target[-4:]  # RFC 2464 section 7
    return ETHERNET.pack(to_mac, source_mac, ETH_P_IPV6) + head + summed


def announcements(address: Address, mac: bytes) -> tuple[bytes, ...]:
    """The frames that tell all neighbours who has the address.

    ARP in both forms, because some hosts heed only requests and some only replies.
    """
    ip = address.packed
    if address.version == 4:
        return (
            arp_frame(ARP_REQUEST, mac, ip, NOBODY, ip),
            arp_frame(ARP_REPLY, mac, ip, mac, ip),
        )
    message = struct.pack("!BBHI", ADVERTISEMENT, 0, 0, OVERRIDE) + ip
    message += struct.pack("!BB", TARGET_LINK_LAYER, 1) + mac
    return (icmpv6_frame(mac, ip, ALL_NODES.packed, message),)


def probe(address: Address, mac: bytes) -> bytes:
    """The frame that asks whether somebody has the address, without claiming it."""
    ip = address.packed
    if address.version == 4:
        return arp_frame(ARP_REQUEST, mac, bytes(4), NOBODY, ip)
    group = ipaddress.IPv6Address("ff02::1:ff00:0").packed[:13] + ip[13:]
    message = struct.pack("!BBHI", SOLICITATION, 0, 0, 0) + ip
    return icmpv6_frame(mac, bytes(16), group, message)


def read_arp_claim(packet: bytes) -> Claim | None:
    """Who claims an address in an ARP packet (without its Ethernet header)."""
    if len(packet) < ARP.size:
        return None
    hardware, protocol, hlen, plen, _, mac, ip, _, _ = ARP.unpack_from(packet)
    if (hardware, protocol, hlen, plen) != (1, 0x0800, 6, 4) or ip == bytes(4):
        return None
    return Claim(ipaddress.IPv4Address(ip), mac)


def read_advertisement(packet: bytes, source_mac: bytes) -> Claim | None:
    """Who claims an address in an IPv6 packet (without its Ethernet header)."""
    if len(packet) < 64 or packet[6] != ICMPV6 or packet[40] != ADVERTISEMENT:
        return None
    mac = source_mac
    if packet[64:66] == bytes((TARGET_LINK_LAYER, 1)) and len(packet) >= 72:
        mac = packet[66:72]
    return Claim(ipaddress.IPv6Address(packet[48:64]), mac)
