"""What the kernel's side of a service address costs the core, per call, in a network namespace of its own.

Run as root: python -m bench.net_cost
The last rows are the same step while another program loads a large ruleset: nftables takes one
transaction at a time per host, and ours waits inside the kernel for the other's end.
"""

from __future__ import annotations

import ipaddress
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from ha_monitor.net.netlink import NetlinkSocket
from ha_monitor.net.placement import ServiceAddress
from ha_monitor.net.service_address import ServiceAddresses
from ha_monitor.timebase import SECOND, lease_clock_ns

ROUNDS = 1000
FOREIGN_ELEMENTS = 50_000
LAN = ("192.0.2.100/24", "2001:db8::100/64")


def _shell(line: str) -> None:
    subprocess.run(line, shell=True, check=True)


def _host() -> None:
    _shell(
        "ip link set lo up && ip link add lan type veth peer name far && ip link set far up"
        " && ip link set lan up && ip addr add 192.0.2.12/24 dev lan"
        " && ip addr add 2001:db8::12/64 dev lan nodad"
    )


def _show(name: str, call: Callable[[], object], rounds: int = ROUNDS, pause_s: float = 0.0) -> None:
    lengths = []
    for _ in range(rounds):
        time.sleep(pause_s)
        began = time.perf_counter_ns()
        call()
        lengths.append((time.perf_counter_ns() - began) / 1000)
    high = statistics.quantiles(lengths, n=100)[-1]
    print(f"{name:42} {statistics.median(lengths):9.1f} {high:9.1f} {max(lengths):9.1f}")


def _foreign_load() -> subprocess.Popen[bytes]:
    """Another program that loads a large set again and again."""
    with tempfile.NamedTemporaryFile("w", suffix=".nft", delete=False) as file:
        elements = ", ".join(str(ipaddress.ip_address(0x0A000000 + i)) for i in range(FOREIGN_ELEMENTS))
        file.write("add table inet big\ndelete table inet big\ntable inet big { set s { type ipv4_addr;\n")
        file.write(f"elements = {{ {elements} }}\n}}\n}}\n")
    return subprocess.Popen(["sh", "-c", f"while :; do nft -f {file.name}; done"], process_group=0)


def _measure() -> None:
    addresses = [ipaddress.ip_interface(text) for text in LAN]
    service = ServiceAddresses("bench", [ServiceAddress(a) for a in addresses], 10 * SECOND)
    v4, v6 = (a.ip for a in addresses)
    number = lease_clock_ns()

    def step(*opened: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
        nonlocal number
        service.step(dict.fromkeys(opened, number), (number + 1, SECOND))
        number += 1

    def takeover_and_back() -> None:
        service.add_closed([v4])
        service.close([v4])

    print(f"{'microseconds per call':42} {'median':>9} {'p99':>9} {'max':>9}")
    _show("prepare (rules installed or adopted)", service.prepare, 50)
    service.arm(number, SECOND)
    _show("step: activate IPv4 and arm", lambda: step(v4))
    _show("step: activate IPv4 and IPv6 and arm", lambda: step(v4, v6))
    _show("step: arm alone", step)
    _show("add closed, then close and remove, IPv4", takeover_and_back, 200)
    service.add_closed([v4, v6])
    _show("announce IPv4 (two frames)", lambda: service.announce([v4], lease_clock_ns()))
    _show("announce IPv6 (one frame)", lambda: service.announce([v6], lease_clock_ns()))
    _show("read, nothing happened", lambda: service.read(lease_clock_ns()))
    _show("tick, nothing due", lambda: service.tick(lease_clock_ns()))
    _show("present (dump of addresses)", service.present, 200)
    load = _foreign_load()
    try:
        _show("step under a foreign load of rules", lambda: step(v4), 200, 0.02)
    finally:
        os.killpg(load.pid, 9)
        load.wait()


def main() -> None:
    """Measure in a namespace of its own."""
    if "--here" in sys.argv:
        _host()
        _measure()
        return
    NetlinkSocket(12).close()  # says early and clearly if there are no nftables
    command = ["unshare", "--net", sys.executable, "-m", "bench.net_cost", "--here"]
    raise SystemExit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
