"""Checks of the host itself: its addresses, its kernel, real-time rights, the heartbeat port."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterable

from ha_monitor.cli.findings import Finding, error, ok, warning
from ha_monitor.errors import NetlinkError
from ha_monitor.model import Address, ClusterConfig, Voter
from ha_monitor.net.lease import KernelLease

CHILD_TIMEOUT_S = 20
_TRY_REALTIME = (
    "from ha_monitor.runtime.realtime import become_realtime;"
    " rights = become_realtime(); print(rights.scheduling, rights.is_locked, sep=',')"
)


def check_addresses(
    config: ClusterConfig, voter: Voter | None, here: frozenset[Address]
) -> Iterable[Finding]:
    """Whether this host is one voter, whole, and no other."""
    if voter is None:
        wanted = ", ".join(str(where) for one in config.voters for where in one.addresses.values())
        usable = ", ".join(sorted(str(where) for where in here if not where.is_loopback)) or "none"
        what = f"this host is none of the voters: it has {usable}, the configuration names {wanted}"
        yield error(what, "set the address in the host's network or mend cluster.toml")
        return
    role = "the Witness" if voter.is_witness else "a Node"
    yield ok(f"this host is {voter.name}, {role}")
    yield from _check_name(voter)
    for link, where in voter.addresses.items():
        if where not in here:
            what = f"{voter.name}'s address {where} on Link {link} is on no device of this host"
            yield error(what, "set it in the host's network or mend cluster.toml")
    for other in config.voters:
        for link, where in other.addresses.items():
            if other != voter and where in here:
                what = f"this host has {where} too, which is {other.name}'s on Link {link}"
                yield error(what, "an address belongs to one host")


def _check_name(voter: Voter) -> Iterable[Finding]:
    # The daemon goes by the name: a host whose address was moved by mistake must not start as another one.
    name = os.environ.get("HA_MONITOR_SELF") or socket.gethostname()
    if voter.name not in (name, name.partition(".")[0]):
        what = f"this host calls itself {name}, its addresses are {voter.name}'s"
        remedy = f"call it so in cluster.toml, or run `hostnamectl set-hostname {voter.name}`"
        yield error(what, remedy)


def check_kernel(config: ClusterConfig) -> Iterable[Finding]:
    """Whether the kernel can keep the Lease; a rehearsal, nothing is changed."""
    try:
        lease = KernelLease(config.name, ())
        features = lease.features()
        lease.shutdown()
    except (NetlinkError, OSError) as failure:
        yield error(f"nftables cannot be asked: {failure}", "needs root and a kernel with nf_tables")
        return
    if features.has_kernel_lease:
        yield ok("the kernel keeps the Lease (nftables, sets with timeouts)")
        if not features.silences_late_announcements:
            remedy = "a kernel from 5.16 on (netdev egress)"
            yield warning(f"late announcements cannot be silenced: {features.missing}", remedy)
        return
    what = f"the kernel cannot keep the Lease: {features.missing}"
    yield warning(
        what, "protection drops to level 1, user-space Lease; load nf_tables, or use a kernel that has it"
    )


def check_realtime() -> Iterable[Finding]:
    """Whether a child of ours gets SCHED_FIFO and locked memory."""
    command = [sys.executable, "-c", _TRY_REALTIME]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=CHILD_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        yield warning(
            f"asking for real-time rights took over {CHILD_TIMEOUT_S} s", "is this host overloaded?"
        )
        return
    scheduling, _, locked = child.stdout.strip().partition(",")
    if not scheduling.startswith("fifo"):
        what = f"no real-time scheduling ({scheduling or 'the attempt failed'}): beats come late under load"
        yield warning(what, "run as root; in a container give CAP_SYS_NICE; in a unit LimitRTPRIO=infinity")
    if locked != "True":
        what = "memory cannot be locked: a host that swaps stalls the heartbeat"
        yield warning(what, "run as root; in a unit LimitMEMLOCK=infinity")
    if scheduling.startswith("fifo") and locked == "True":
        yield ok(f"real-time scheduling ({scheduling}) and locked memory")


def check_ports(config: ClusterConfig, voter: Voter | None, *, is_running: bool) -> Iterable[Finding]:
    """Whether the heartbeat port is free on each Link, or our own daemon has it."""
    if is_running:
        yield ok(f"a daemon runs here and has UDP {config.port}")
        return
    for link, where in (voter.addresses if voter else {}).items():
        family = socket.AF_INET6 if where.version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((str(where), config.port))
            except OSError as failure:
                yield from _port_trouble(failure, f"UDP {config.port} on {where} (Link {link})", config.port)
            else:
                yield ok(f"UDP {config.port} on {where} (Link {link}) is free")


def _port_trouble(failure: OSError, what: str, port: int) -> Iterable[Finding]:
    if failure.errno == errno.EADDRINUSE:
        yield error(f"{what} is in use by another program", f"see `ss -ulpn 'sport = :{port}'`")
    elif failure.errno == errno.EACCES:
        yield warning(f"{what} cannot be tried: {failure.strerror}", "run it as root")
    elif failure.errno != errno.EADDRNOTAVAIL:  # told by check_addresses
        yield error(f"{what}: {failure.strerror}")
