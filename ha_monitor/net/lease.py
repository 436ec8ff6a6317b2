"""KernelLease: the kernel keeps service addresses silent unless a live Lease opened them.

For the core, and for the guard after the core's death. The rules themselves are in lease_rules.py.
Every change is one transaction over all tables with the kernel's acknowledgement.

Cost on a quiet machine of two cores, median (99th percentile): one step that activates an IPv4
address and arms the next sending 44 us (85), installing 1.5 ms, checking 0.4 ms; `python -m
bench.net_cost` repeats it. nftables takes one transaction at a time per network namespace, so a
step waits inside the kernel while another program loads rules: 0.3 to 0.9 s for a set of 50,000
elements on that machine under load. The address then closes on time, as it must.
"""

from __future__ import annotations

import errno
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ha_monitor.errors import NetlinkError, PrerequisiteError
from ha_monitor.model import Address
from ha_monitor.net import nftables as nft
from ha_monitor.net.lease_rules import (
    FAMILIES,
    HELD,
    SERVICE,
    VERSIONS_OF,
    WINDOW,
    chains_of,
    held_value,
    layout,
)
from ha_monitor.net.netlink import KernelRefused, Message, NetlinkSocket, Received, attributes

SHORTEST_TIMEOUT_NS = 20_000_000  # one below a jiffy means "none" to some kernels
_Change = Mapping[Address, int | None]  # None closes
_STALE = (errno.ENOENT, errno.EEXIST, errno.EBUSY)  # what we remember is not what stands there


@dataclass(frozen=True)
class LeaseFeatures:
    """What this kernel can do for the Lease. ``missing``: why not, for a person; empty if all."""

    has_kernel_lease: bool
    silences_late_announcements: bool
    missing: str = ""


@dataclass(frozen=True)
class LeaseState:
    """What the kernel holds. ``held``: address to sending (absent: closed). ``window``: to ms left."""

    held: Mapping[Address, int]
    window: Mapping[int, int]

    def is_open(self, address: Address) -> bool:
        """Whether packets for the address pass now."""
        return self.held.get(address) in self.window


def table_name(cluster_name: str) -> str:
    """The tables' name for a cluster; two clusters share a host under different names."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", cluster_name):
        raise NetlinkError(
            f"cluster name {cluster_name!r} is not 1 to 64 letters, digits, '.', '-' or '_'"
            " and cannot name a table of rules"
        )
    return f"ha-monitor-{cluster_name}"


class KernelLease:
    """The tables of one cluster on this host. Raises KernelRefused where the kernel refuses."""

    def __init__(self, cluster_name: str, addresses: Iterable[Address]) -> None:
        """Open the socket and read what stands there. Changes nothing."""
        self._name = table_name(cluster_name)
        self._addresses = tuple(addresses)
        self._devices: tuple[str, ...] = ()
        self._netlink = NetlinkSocket(nft.NETLINK_NETFILTER)
        self._features: LeaseFeatures | None = None
        self._expected: tuple[bytes, ...] | None = None
        self._held: dict[int, dict[bytes, int]] = {}
        self._families: tuple[int, ...] = ()  # whose tables stand there
        self._installed: tuple[int, ...] = ()  # whose tables must stand there
        self._last_sending = 0
        self._read_back()
        self._read_sendings()

    @property
    def port(self) -> int:
        """Our netlink port: what it changes is no news (monitor.py)."""
        return self._netlink.port

    def shutdown(self) -> None:
        """Close the socket; the rules stay and the windows run out by themselves."""
        self._netlink.close()

    def features(self) -> LeaseFeatures:
        """Ask the kernel by rehearsals that change nothing; asked once, about a millisecond."""
        if self._features is None:
            self._features = self._ask_features()
        return self._features

    def _ask_features(self) -> LeaseFeatures:
        refusals = {family: self._rehearse(family) for family in FAMILIES}
        base = "; ".join(refusals[f] for f in (nft.INET, nft.ARP) if refusals[f])
        return LeaseFeatures(
            has_kernel_lease=not base,
            silences_late_announcements=not base and not refusals[nft.NETDEV],
            missing="; ".join(filter(None, refusals.values())),
        )

    def _rehearse(self, family: int) -> str:
        table = nft.Table(family, f"{self._name}-rehearsal")
        messages = nft.batch(layout(table, chains_of(family, ("lo",))), is_rehearsal=True)
        what = f"rules of family {nft.FAMILY_NAMES[family]}"
        try:
            self._netlink.transact(what, messages)
        except NetlinkError as error:
            return str(error)
        return ""

    def install(self, announcing_devices: Iterable[str] = ()) -> None:
        """Put the rules in place in one transaction, without disturbing what is open.

        Idempotent; addresses that were not there yet are closed. ``announcing_devices``: where
        announcements go out; one that does not exist (any more) is left out.
        Raises PrerequisiteError where this kernel cannot keep the Lease.
        """
        features = self.features()
        if not features.has_kernel_lease:
            raise PrerequisiteError(f"the kernel cannot keep the Lease: {features.missing}")
        self._devices = tuple(announcing_devices) if features.silences_late_announcements else ()
        try:
            self._install_all()
        except KernelRefused:
            self._devices = tuple(d for d in self._devices if not self._refuses_device(d))
            self._install_again()
        self._installed = self._families
        self._expected = self._fingerprint()

    def _install_again(self) -> None:
        try:
            self._install_all()
        except KernelRefused:
            # Something stands there in a form that cannot be changed: replace it, closed.
            self.uninstall()
            self._install_all()

    def _install_all(self) -> None:
        self._read_back()
        families = tuple(f for f in FAMILIES if f != nft.NETDEV or self._devices)
        messages: list[Message] = []
        for family in families:
            messages += layout(self._table(family), chains_of(family, self._devices))
            messages += self._align_elements(family)
        self._netlink.transact("install the Lease's rules", nft.batch(messages))
        self._read_back()
        self._read_sendings()

    def _refuses_device(self, device: str) -> bool:
        table = nft.Table(nft.NETDEV, f"{self._name}-rehearsal")
        messages = nft.batch(layout(table, chains_of(nft.NETDEV, (device,))), is_rehearsal=True)
        try:
            self._netlink.transact(f"rules on {device}", messages)
        except KernelRefused:
            return True
        return False

    def _align_elements(self, family: int) -> list[Message]:
        """Make `service` say what is configured, and forget what is held beyond it."""
        table, messages = self._table(family), []
        for version in VERSIONS_OF[family]:
            wanted = {a.packed for a in self._addresses if a.version == version}
            present = self._read_set(family, SERVICE[version].name).keys()
            held = self._held.get(family, {}).keys()
            surplus_held = {k for k in held - wanted if len(k) == SERVICE[version].key_length}
            messages += _change(table, SERVICE[version].name, present - wanted, wanted - present)
            messages += _change(table, HELD[version].name, surplus_held, ())
        return messages

    def uninstall(self) -> None:
        """Remove all tables of this cluster. Idempotent."""
        self._read_back()
        messages = [nft.delete_table(self._table(family)) for family in self._families]
        if messages:
            self._netlink.transact("remove the Lease's rules", nft.batch(messages))
        self._expected, self._installed = None, ()
        self._read_back()

    def is_intact(self) -> bool:
        """Whether rules, chains and held addresses are exactly what ``install`` left."""
        if self._expected is None or self._fingerprint() != self._expected:
            return False
        remembered = self._held
        self._read_back()
        return self._held == remembered and all(map(self._guards_all, self._families))

    def _guards_all(self, family: int) -> bool:
        return all(
            self._read_set(family, SERVICE[version].name).keys()
            == {a.packed for a in self._addresses if a.version == version}
            for version in VERSIONS_OF[family]
        )

    def arm(self, sending: int, timeout_ns: int) -> None:
        """Put ``sending`` in the window for ``timeout_ns``. Each sending is higher than the last."""
        self.step({}, (sending, timeout_ns))

    def activate(self, address: Address, sending: int) -> None:
        """Let the address pass as long as ``sending`` stands in the window."""
        self.step({address: sending})

    def close(self, *addresses: Address) -> None:
        """Silence these addresses at once, whatever the window holds. Idempotent.

        Reads back first: closing must not rest on what this process remembers.
        """
        change = dict.fromkeys(addresses)
        self._read_back()
        try:
            self._transact_step(change, None)
        except KernelRefused:  # somebody changed it in between
            self._read_back()
            self._transact_step(change, None)

    def step(self, activate: Mapping[Address, int], arm: tuple[int, int] | None = None) -> None:
        """Activate and arm ``(sending, timeout_ns)`` in one transaction, acknowledged.

        If what stands in the kernel is not what this process remembers (the guard after the
        core's death, a flush in between) it is read back and the step made once more.
        """
        if arm is not None:
            self._check_window(*arm)
        if not activate and arm is None:
            return
        try:
            self._transact_step(activate, arm)
        except KernelRefused as refused:
            if refused.errno not in _STALE:
                raise
            self._read_back()
            if not set(self._installed) <= set(self._families):
                raise
            self._transact_step(activate, arm)

    def _check_window(self, sending: int, timeout_ns: int) -> None:
        if timeout_ns < SHORTEST_TIMEOUT_NS:
            raise NetlinkError(f"a window of {timeout_ns} ns is below {SHORTEST_TIMEOUT_NS} ns")
        if sending <= self._last_sending:
            raise NetlinkError(f"sending {sending} is not above {self._last_sending}: used already")

    def _transact_step(self, change: _Change, arm: tuple[int, int] | None) -> None:
        if not self._families:
            raise KernelRefused("change the Lease", errno.ENOENT, "no rules of ours stand there")
        messages = [m for f in self._families for m in self._step_messages(f, change, arm)]
        if messages:
            self._netlink.transact("change the Lease", nft.batch(messages))
        for family in self._families:
            self._remember(self._held[family], change, VERSIONS_OF[family])
        if arm is not None:
            self._last_sending = arm[0]

    @staticmethod
    def _remember(held: dict[bytes, int], change: _Change, versions: tuple[int, ...]) -> None:
        for address, sending in change.items():
            if sending is None:
                held.pop(address.packed, None)
            elif address.version in versions:
                held[address.packed] = sending

    def _step_messages(self, family: int, change: _Change, arm: tuple[int, int] | None) -> list[Message]:
        table, held, messages = self._table(family), self._held[family], []
        for version in VERSIONS_OF[family]:
            own = {a.packed: s for a, s in change.items() if a.version == version}
            old = own.keys() & held.keys()
            new = {key: held_value(s) for key, s in own.items() if s is not None}
            messages += _change(table, HELD[version].name, old, new)
        if arm is not None:
            sending, timeout_ns = arm
            armed = nft.element(nft.u64(sending), timeout_ms=timeout_ns // 1_000_000)
            messages.append(nft.add_elements(table, WINDOW.name, [armed]))
        return messages

    def state(self) -> LeaseState:
        """What the kernel holds now, read back from the family that delivers packets."""
        self._read_back()
        held = self._held.get(nft.INET, {})
        return LeaseState(
            {ipaddress.ip_address(key): sending for key, sending in held.items()},
            self._read_window(nft.INET) if nft.INET in self._families else {},
        )

    def _table(self, family: int) -> nft.Table:
        return nft.Table(family, self._name)

    def _read_back(self) -> None:
        """Which tables stand there, and what they hold."""
        self._families = tuple(f for f in FAMILIES if self._has_table(f))
        self._held = {f: self._read_held(f) for f in self._families}

    def _read_sendings(self) -> None:
        """The highest sending that was armed, also by a former life of this daemon."""
        windows = [self._read_window(family) for family in self._families]
        self._last_sending = max([self._last_sending, *(s for w in windows for s in w)])

    def _has_table(self, family: int) -> bool:
        return bool(self._ours(nft.GETTABLE, family))

    def _read_held(self, family: int) -> dict[bytes, int]:
        return {
            key: int.from_bytes(data[4:], "big")
            for version in VERSIONS_OF[family]
            for key, (data, _) in self._read_set(family, HELD[version].name).items()
        }

    def _read_window(self, family: int) -> dict[int, int]:
        elements = self._read_set(family, WINDOW.name)
        return {int.from_bytes(key, "big"): left for key, (_, left) in elements.items()}

    def _read_set(self, family: int, name: str) -> dict[bytes, tuple[bytes, int]]:
        found: dict[bytes, tuple[bytes, int]] = {}
        for body in self._dump(*nft.list_elements(self._table(family), name)):
            found |= nft.read_elements(body)
        return found

    def _fingerprint(self) -> tuple[bytes, ...]:
        """Tables, chains and rules byte for byte, handles included."""
        return tuple(
            body[4:]
            for family in FAMILIES
            for kind in (nft.GETTABLE, nft.GETCHAIN, nft.GETRULE)
            for body in self._ours(kind, family)
        )

    def _ours(self, kind: int, family: int) -> list[bytes]:
        """What belongs to our table; the kernel itself leaves out only the rules of others."""
        mark = self._name.encode() + b"\0"
        asked = nft.header(family) + nft.table_of(self._table(family))
        found = self._dump(kind, asked if kind == nft.GETRULE else nft.header(family))
        # Looked for in the raw bytes first: hosts with thousands of chains exist.
        return [body for body in found if mark in body and attributes(body[4:]).get(1) == mark]

    def _dump(self, kind: int, body: bytes) -> list[bytes]:
        """Bodies of a dump; none where the table or the whole family does not exist."""
        return _unless_absent(lambda: self._netlink.dump("read the Lease's rules", kind, body))


def _change(
    table: nft.Table, name: str, old: Iterable[bytes], new: Iterable[bytes] | Mapping[bytes, bytes]
) -> list[Message]:
    """Delete and add elements of one set; of a map, ``new`` says what stands there."""
    gone = [nft.element(key) for key in old]
    data = new if isinstance(new, Mapping) else dict.fromkeys(new)
    come = [nft.element(key, value) for key, value in data.items()]
    deleted = [nft.delete_elements(table, name, gone)] if gone else []
    added = [nft.add_elements(table, name, come)] if come else []
    return deleted + added


def _unless_absent(dump: Callable[[], list[Received]]) -> list[bytes]:
    try:
        return [message.body for message in dump()]
    except KernelRefused as refused:
        if refused.errno in (errno.ENOENT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP):
            return []
        raise
