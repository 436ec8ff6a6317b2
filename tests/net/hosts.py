"""Two hosts in network namespaces for the tests of net/: a Node and a stranger who asks.

The Node has the devices `lan` and `direct`; both lead to the stranger. Nothing here trusts the code
under test: questions are raw frames, answers are raw frames.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ha_monitor.net import frames

LAB = os.environ.get("HA_MONITOR_LAB", "lab")[:6]
NODE, STRANGER = f"{LAB}-node", f"{LAB}-ask"
VIP4, VIP6 = ipaddress.ip_address("192.0.2.100"), ipaddress.ip_address("2001:db8::100")
LAN4, LAN6 = ipaddress.ip_interface("192.0.2.100/24"), ipaddress.ip_interface("2001:db8::100/64")
NETWORKS = {
    "lan": ("192.0.2.{}/24", "2001:db8::{}/64"),
    "direct": ("198.51.100.{}/24", "2001:db8:1::{}/64"),
    "later": ("203.0.113.{}/24", "2001:db8:2::{}/64"),
}
NODE_NUMBER, STRANGER_NUMBER = 12, 9
ETH_P_ALL = 3
_LIBC = ctypes.CDLL(None, use_errno=True)


def run(*words: str, host: str = "") -> str:
    command = ["ip", "netns", "exec", host, *words] if host else list(words)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout


@contextlib.contextmanager
def inside(host: str) -> Iterator[None]:
    """Open sockets here and they stay in that host."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{host}") as there:
        assert _LIBC.setns(there.fileno(), 0) == 0
        try:
            yield
        finally:
            assert _LIBC.setns(home.fileno(), 0) == 0


def join(device: str) -> None:
    """Give both hosts a device of that name, joined by a cable, with addresses.

    The two ends get different numbers: the kernel takes a veth with the number of its peer for a
    physical card, and holds its second carrier event back for up to a second.
    """
    number = 10 + list(NETWORKS).index(device)
    ends = ["name", device, "index", str(number)], ["name", device, "index", str(number + 10)]
    run("ip", "-n", NODE, "link", "add", *ends[0], "type", "veth", "peer", *ends[1], "netns", STRANGER)
    for host, number in ((NODE, NODE_NUMBER), (STRANGER, STRANGER_NUMBER)):
        run("sysctl", "-qw", f"net.ipv6.conf.{device}.accept_dad=0", host=host)
        run("ip", "-n", host, "link", "set", device, "up")
        for network in NETWORKS[device]:
            nodad = ["nodad"] if ":" in network else []
            run("ip", "-n", host, "addr", "add", network.format(number), "dev", device, *nodad)


def build() -> None:
    tear_down()
    for host in (NODE, STRANGER):
        run("ip", "netns", "add", host)
        run("ip", "-n", host, "link", "set", "lo", "up")
    for device in ("lan", "direct"):
        join(device)


def tear_down() -> None:
    for host in (NODE, STRANGER):
        subprocess.run(["ip", "netns", "del", host], check=False, capture_output=True)


def clear(host: str) -> None:
    """Remove service addresses and what the host believes of its neighbours."""
    left = ["192.0.2.100/32", "192.0.2.100/24", "2001:db8::100/128"]
    lines = [f"addr del {address} dev lan" for address in left] + ["neigh flush all"]
    batch = ["ip", "-n", host, "-force", "-batch", "-"]
    subprocess.run(batch, input="\n".join(lines), text=True, check=False, capture_output=True)


def mac_of(host: str, device: str) -> bytes:
    return bytes.fromhex(run("cat", f"/sys/class/net/{device}/address", host=host).strip().replace(":", ""))


@dataclass
class Asker:
    """The stranger on one device: sends questions to the Node, sees who answers."""

    device: str

    def __post_init__(self) -> None:
        self.node_mac, self.mac = mac_of(NODE, self.device), mac_of(STRANGER, self.device)
        v4, v6 = (text.format(STRANGER_NUMBER).split("/")[0] for text in NETWORKS[self.device])
        self.ip4, self.ip6 = socket.inet_aton(v4), socket.inet_pton(socket.AF_INET6, v6)
        with inside(STRANGER):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((self.device, ETH_P_ALL))

    def questions(self, address: frames.Address) -> dict[str, bytes]:
        return self._questions4(address) if address.version == 4 else self._questions6(address)

    def _questions4(self, address: frames.Address) -> dict[str, bytes]:
        ip = address.packed
        arp = frames.arp_frame(frames.ARP_REQUEST, self.mac, self.ip4, frames.NOBODY, ip)
        probe = frames.arp_frame(frames.ARP_REQUEST, self.mac, bytes(4), frames.NOBODY, ip)
        return {
            "arp broadcast": arp,
            "arp unicast": self.node_mac + arp[6:],
            "arp probe": probe,
            "icmp echo": self.echo4(ip, 1),
            "tcp": self._ipv4(ip, 6, self._tcp(self.ip4, ip, socket.IPPROTO_TCP)),
        }

    def _questions6(self, address: frames.Address) -> dict[str, bytes]:
        ip = address.packed
        group = ipaddress.ip_address("ff02::1:ff00:0").packed[:13] + ip[13:]
        solicitation = struct.pack("!BBHI", 135, 0, 0, 0) + ip + b"\x01\x01" + self.mac
        multicast = frames.icmpv6_frame(self.mac, self.ip6, group, solicitation)
        straight = frames.icmpv6_frame(self.mac, self.ip6, ip, solicitation)
        own = socket.inet_pton(socket.AF_INET6, NETWORKS[self.device][1].format(NODE_NUMBER).split("/")[0])
        hidden = frames.icmpv6_frame(self.mac, self.ip6, own, solicitation)
        return {
            "nd multicast": multicast,
            "nd unicast": self.node_mac + straight[6:],
            "nd to the Node's own address": self.node_mac + hidden[6:],
            "nd probe": frames.probe(address, self.mac),
            "icmpv6 echo": self.echo6(ip, 1),
        }

    def echo4(self, target: bytes, sequence: int) -> bytes:
        message = struct.pack("!BBHHH", 8, 0, 0, 77, sequence) + b"12345678"
        message = message[:2] + struct.pack("!H", frames.checksum(message)) + message[4:]
        return self._ipv4(target, 1, message)

    def echo6(self, target: bytes, sequence: int) -> bytes:
        message = struct.pack("!BBHHH", 128, 0, 0, 77, sequence) + b"12345678"
        return self.node_mac + frames.icmpv6_frame(self.mac, self.ip6, target, message)[6:]

    def _ipv4(self, target: bytes, protocol: int, data: bytes) -> bytes:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), 1, 0, 64, protocol, 0, self.ip4, target)
        head = head[:10] + struct.pack("!H", frames.checksum(head)) + head[12:]
        return frames.ETHERNET.pack(self.node_mac, self.mac, 0x0800) + head + data

    @staticmethod
    def _tcp(source: bytes, target: bytes, protocol: int) -> bytes:
        segment = struct.pack("!HHIIBBHHH", 40000, 9, 1, 0, 0x50, 2, 1024, 0, 0)
        pseudo = source + target + struct.pack("!HH", protocol, len(segment))
        return segment[:16] + struct.pack("!H", frames.checksum(pseudo + segment)) + segment[18:]

    def send(self, frame: bytes) -> None:
        self.socket.send(frame)

    def hear(self, wait_s: float, last: int = 0) -> list[bytes]:
        """Frames from the Node within that time; ``last``: enough once there are that many."""
        until, heard = time.monotonic() + wait_s, []
        while (left := until - time.monotonic()) > 0 and not (last and len(heard) >= last):
            if select.select([self.socket], [], [], left)[0]:
                frame = self.socket.recv(2048)
                if frame[6:12] == self.node_mac:
                    heard.append(frame)
        return heard

    def answered(self, address: frames.Address, wait_s: float = 0.06) -> set[str]:
        """Which questions about the address the Node answers."""
        self.hear(0.0)
        found = set()
        for name, question in self.questions(address).items():
            self.send(question)
            until = time.monotonic() + wait_s
            while time.monotonic() < until:
                heard = self.hear(until - time.monotonic(), last=1)
                if any(speaks_for(frame, address) for frame in heard):
                    found.add(name)
                    break
        return found

    def comes_to_answer(self, address: frames.Address, least: int) -> set[str]:
        """Which questions are answered, asked again until there are ``least`` or ten seconds are over.

        A busy machine answers late, and a kernel joins the multicast group of a new IPv6 address when it
        has time.
        """
        until, found = time.monotonic() + 10, set()
        while len(found) < least and time.monotonic() < until:
            found |= self.answered(address, 0.1)
        return found

    def answers_all(self, address: frames.Address) -> bool:
        """Whether every question comes to be answered."""
        everything = set(self.questions(address))
        return self.comes_to_answer(address, len(everything)) == everything

    def close(self) -> None:
        self.socket.close()


def speaks_for(frame: bytes, address: frames.Address) -> bool:
    """Whether the frame's sender uses the address as its own."""
    kind, body = frame[12:14], frame[14:]
    if kind == b"\x08\x06":
        return body[14:18] == address.packed
    if kind == b"\x08\x00":
        return body[12:16] == address.packed
    if kind != b"\x86\xdd":
        return False
    is_advertised = body[6] == 58 and body[40] == 136 and body[48:64] == address.packed
    return body[8:24] == address.packed or is_advertised
