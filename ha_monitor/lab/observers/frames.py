"""The asker's Ethernet frames, and how an answer to them is recognised. Pure.

All are addressed to one Node's MAC, so each Node's kernel is asked by itself, whoever the rest
of the network believes to be the owner; and answers go to the asker's MAC alone, so no client's
neighbour table is repaired by them.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

_ETHERTYPE_V4, _ETHERTYPE_ARP, _ETHERTYPE_V6 = b"\x08\x00", b"\x08\x06", b"\x86\xdd"
_ARP_ETHERNET_V4 = b"\x00\x01\x08\x00\x06\x04"
_ICMP, _ICMP_V6 = 1, 58
_ECHO_REPLY_V4, _ECHO_REPLY_V6, _ADVERTISEMENT = 0, 129, 136


@dataclass(frozen=True)
class Asker:
    """Who asks, on one Link."""

    mac: bytes
    v4: bytes
    v6: bytes


def mac_bytes(text: str) -> bytes:
    """``02:00:...`` as six bytes."""
    return bytes.fromhex(text.replace(":", ""))


def address_bytes(text: str) -> bytes:
    """An IPv4 or IPv6 address as 4 or 16 bytes."""
    return ipaddress.ip_address(text).packed


def questions(asker: Asker, node_mac: bytes, address: bytes) -> tuple[bytes, ...]:
    """ARP and ICMP, or ND and ICMPv6 questions for a service address to one Node on one Link."""
    if len(address) == 4:
        return _arp_request(asker, node_mac, address), _echo_v4(asker, node_mac, address)
    solicited_node = address_bytes("ff02::1:ff00:0")[:13] + address[13:]
    return (
        _solicitation(asker, node_mac, address, solicited_node),
        _echoipv6_message(asker, node_mac, address),
    )


def answered(frame: bytes) -> bytes | None:
    """Which address a frame, already known to go from a Node to the asker, says to have."""
    ethertype = frame[12:14]
    if ethertype == _ETHERTYPE_ARP and frame[20:22] == b"\x00\x02":
        return frame[28:32]
    if ethertype == _ETHERTYPE_V4 and frame[23] == _ICMP and frame[34] == _ECHO_REPLY_V4:
        return frame[26:30]
    if ethertype == _ETHERTYPE_V6 and frame[20] == _ICMP_V6:
        if frame[54] == _ADVERTISEMENT:
            return frame[62:78]
        if frame[54] == _ECHO_REPLY_V6:
            return frame[22:38]
    return None


def _arp_request(asker: Asker, node_mac: bytes, v4: bytes) -> bytes:
    body = _ARP_ETHERNET_V4 + b"\x00\x01" + asker.mac + asker.v4 + bytes(6) + v4
    return node_mac + asker.mac + _ETHERTYPE_ARP + body


def _echo_v4(asker: Asker, node_mac: bytes, v4: bytes) -> bytes:
    message = struct.pack("!BBHHH", 8, 0, 0, 0x4861, 1) + b"ha-monitor"
    message = message[:2] + _checksum(message) + message[4:]
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(message), 0, 0x4000, 64, _ICMP, 0)
    header += asker.v4 + v4
    header = header[:10] + _checksum(header) + header[12:]
    return node_mac + asker.mac + _ETHERTYPE_V4 + header + message


def _solicitation(asker: Asker, node_mac: bytes, v6: bytes, to: bytes) -> bytes:
    message = struct.pack("!BBHI", 135, 0, 0, 0) + v6 + b"\x01\x01" + asker.mac
    return node_mac + asker.mac + _ETHERTYPE_V6 + ipv6_message(asker.v6, to, message)


def _echoipv6_message(asker: Asker, node_mac: bytes, v6: bytes) -> bytes:
    message = struct.pack("!BBHHH", 128, 0, 0, 0x4861, 1) + b"ha-monitor"
    return node_mac + asker.mac + _ETHERTYPE_V6 + ipv6_message(asker.v6, v6, message)


def ipv6_message(source: bytes, to: bytes, message: bytes) -> bytes:
    """An IPv6 packet around an ICMPv6 message whose checksum field is still zero."""
    pseudo = source + to + struct.pack("!II", len(message), _ICMP_V6)
    message = message[:2] + _checksum(pseudo + message) + message[4:]
    return struct.pack("!IHBB", 0x60000000, len(message), _ICMP_V6, 255) + source + to + message


def _checksum(data: bytes) -> bytes:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)
