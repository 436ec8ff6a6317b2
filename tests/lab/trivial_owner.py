"""An owner without a daemon: puts the service addresses on a host and announces them.

It lets observers and faults be tried against a known truth.
"""

import socket

from ha_monitor.lab.cast import SERVICE_V4, SERVICE_V6, SERVICE_VIPS
from ha_monitor.lab.host import Host
from ha_monitor.lab.observers import frames

BROADCAST, ALL_NODES_MAC = b"\xff" * 6, bytes.fromhex("333300000001")


def own(host: Host) -> None:
    """Give the addresses to a host, whoever else has them, and tell the network."""
    for vip in SERVICE_VIPS:
        host.exec(["ip", "address", "replace", vip, "dev", "lan", "nodad"])
    announce(host)


def disown(host: Host) -> None:
    """Take the addresses away from a host."""
    for vip in SERVICE_VIPS:
        host.exec(["ip", "address", "del", vip, "dev", "lan"], check=False)


def announce(host: Host) -> None:
    """One gratuitous ARP request and one unsolicited advertisement."""
    mac = frames.mac_bytes(host.member.mac("lan"))
    v4, v6 = frames.address_bytes(SERVICE_V4), frames.address_bytes(SERVICE_V6)
    arp = bytes.fromhex("0001080006040001") + mac + v4 + bytes(6) + v4
    advertisement = bytes.fromhex("8800000020000000") + v6 + b"\x02\x01" + mac
    all_nodes = frames.address_bytes("ff02::1")
    with host.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind(("lan", 0))
        sock.send(BROADCAST + mac + b"\x08\x06" + arp)
        sock.send(ALL_NODES_MAC + mac + b"\x86\xdd" + frames.ipv6_message(v6, all_nodes, advertisement))
