"""Quorum mode, ping targets and the ``[fencing]`` table of cluster.toml. For config.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ha_monitor.config_table import Table, Unfit, address, duration, file_path, name_like, one_of
from ha_monitor.errors import MISSING
from ha_monitor.model import Address, FenceDevice, FenceStep, Fencing, Quorum, Voter
from ha_monitor.timebase import SECOND

TARGETS_MAX = 8
DEVICES_MAX = 32
LEVELS_MAX = 9
STEPS_MAX = 8
OPTIONS_MAX = 32
AGENT_DIR = "/usr/sbin"
MAJORITY_LEAST, MAJORITY_MOST = 3, 7

PAIR_HINT = (
    'two Nodes cannot tell which of them is cut off. Name the monitoring server: [witness] mon = "192.0.2.9";'
    ' or [cluster] quorum = "fencing": who takes over has powered the other off, which needs power switches;'
    ' or quorum = "ping": who reaches an address in `ping` may take over, which is best effort:'
    " both serve when both reach it and not each other"
)
_WANTS: dict[Quorum, tuple[Callable[[int, bool], bool], str]] = {
    Quorum.WITNESS: (lambda nodes, witness: witness and nodes >= 2, "a [witness] and at least two Nodes"),
    Quorum.MAJORITY: (
        lambda nodes, witness: not witness and MAJORITY_LEAST <= nodes <= MAJORITY_MOST,
        f"{MAJORITY_LEAST} to {MAJORITY_MOST} Nodes and no [witness]",
    ),
    Quorum.FENCING: (lambda nodes, witness: not witness and nodes == 2, "two Nodes and no [witness]"),
    Quorum.PING: (lambda nodes, witness: not witness and nodes == 2, "two Nodes and no [witness]"),
    Quorum.SINGLE: (lambda nodes, witness: not witness and nodes == 1, "one Node and no [witness]"),
}
_DEVICE_NAME = name_like(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", "a device's name: up to 32 of A-Z a-z 0-9 _ . -")
_AGENT_NAME = name_like(r"fence_[a-z0-9_]{1,40}", "a fence agent such as fence_ipmilan, or its whole path")
_OPTION_NAME = name_like(r"[A-Za-z][A-Za-z0-9_-]{0,63}", "the name of an option of the agent, such as ip")


def read_quorum(cluster: Table) -> tuple[Quorum | None, tuple[Address, ...]]:
    """``quorum`` and ``ping`` as they stand; None where the mode is to be derived."""
    word = cluster.take("quorum", one_of(*(mode.value for mode in Quorum)), "")
    return (Quorum(word) if word else None), cluster.take("ping", _targets, ())


def decide_quorum(
    top: Table, named: Quorum | None, ping: Sequence[Address], nodes: int, has_witness: bool
) -> Quorum:
    """The mode of this cluster; what does not fit it is noted."""
    mode = named or _derived(top, nodes, has_witness)
    if mode is None:
        return Quorum.WITNESS
    fits, wanted = _WANTS[mode]
    if not fits(nodes, has_witness):
        word = "Node" if nodes == 1 else "Nodes"
        found = f"{mode.value} with {nodes} {word} and {'a' if has_witness else 'no'} Witness"
        top.report("[cluster] quorum", found, wanted)
    if mode is Quorum.PING and not ping and "ping" not in (top.peek("cluster") or {}):
        top.report("[cluster] ping", MISSING, 'a list of addresses to reach, such as ["192.0.2.1"]')
    if ping and mode is not Quorum.PING:
        top.report("[cluster] ping", f"targets in mode {mode.value}", 'used with quorum = "ping" only')
    return mode


def _derived(top: Table, nodes: int, has_witness: bool) -> Quorum | None:
    if has_witness or nodes == 0:
        return Quorum.WITNESS if nodes else None
    if nodes == 1:
        return Quorum.SINGLE
    if nodes >= MAJORITY_LEAST:
        return Quorum.MAJORITY
    top.report("[witness]", MISSING, "a Witness, a third Node, or a quorum mode for a pair", PAIR_HINT)
    return None


def _targets(value: Any) -> tuple[Address, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= TARGETS_MAX:
        raise Unfit(f'a list of 1 to {TARGETS_MAX} addresses such as ["192.0.2.1"]')
    found = tuple(address(item) for item in value)
    if len(set(found)) != len(found):
        raise Unfit("a list that names each address once")
    return found


def read_fencing(table: Table | None, nodes: Sequence[Voter], mode: Quorum, top: Table) -> Fencing:
    """``[fencing]``, and whether the mode has what it needs."""
    fencing = _read(table, [node.name for node in nodes]) if table is not None else Fencing()
    if mode is Quorum.FENCING:
        for node in nodes:
            if not fencing.levels.get(node.name) and not (table and "levels" in table and table.errors):
                expected = 'the levels that power it off, such as [["ipmi-1"], ["pdu-a:3", "pdu-b:3"]]'
                top.report(f"[fencing.levels] {node.name}", MISSING, expected)
    return fencing


def _read(table: Table, nodes: Sequence[str]) -> Fencing:
    default = Fencing()
    delay_ns = table.take("delay", duration(0, 600 * SECOND), default.delay_ns)
    favour = table.take("favour", one_of(*nodes), "")
    every_ns = table.take("test_every", duration(5 * SECOND, 86_400 * SECOND), default.test_every_ns)
    devices = _devices(table.table("devices"))
    levels = _levels(table.table("levels"), nodes, [device.name for device in devices])
    table.finish()
    used = {step.device for of_node in levels.values() for level in of_node for step in level}
    for device in devices:
        if device.name not in used and not table.errors:
            table.report(f"devices.{device.name}", "no level uses it", "used in [fencing.levels]")
    return Fencing(devices, levels, delay_ns, favour, every_ns)


def _devices(table: Table | None) -> tuple[FenceDevice, ...]:
    if table is None:
        return ()
    found = []
    for name in table.keys():  # noqa: SIM118 (a Table is no mapping)
        device = table.table(name)
        table.check(name, name, _DEVICE_NAME)
        if device is not None:
            found.append(_device(name, device))
    if len(found) > DEVICES_MAX:
        table.report("", len(found), f"at most {DEVICES_MAX} devices")
    return tuple(found)


def _device(name: str, table: Table) -> FenceDevice:
    agent = table.need("agent", _agent, "", "a fence agent such as fence_ipmilan, or its whole path")
    options = _options(table.table("options"), _option_value)
    secrets = _options(table.table("secrets"), file_path)
    timeout_ns = table.take("timeout", duration(SECOND, 600 * SECOND), 60 * SECOND)
    table.finish()
    for option in dict(options):
        if option == "action":
            table.report("options.action", "an action", "left to ha-monitor")
        if "passw" in option and not option.endswith("_script"):
            hint = f'put it alone into a file of root with mode 0600: secrets = {{ {option} = "/etc/..." }}'
            table.report(f"options.{option}", "a secret", "in no file that others may read", hint)
        if option in dict(secrets):
            table.report(f"options.{option}", option, "given once", "it stands in secrets too")
    return FenceDevice(name, agent, options, secrets, timeout_ns)


def _options(table: Table | None, read: Callable[[Any], str]) -> tuple[tuple[str, str], ...]:
    if table is None:
        return ()
    found = []
    for name in table.keys():  # noqa: SIM118 (a Table is no mapping)
        table.check(name, name, _OPTION_NAME)
        found.append((name, table.take(name, read, "")))
    if len(found) > OPTIONS_MAX:
        table.report("", len(found), f"at most {OPTIONS_MAX} options")
    return tuple(found)


def _agent(value: Any) -> str:
    if isinstance(value, str) and value.startswith("/"):
        return file_path(value)
    named = name_like(r"fence_[a-z0-9_]{1,40}", "a fence agent such as fence_ipmilan, or its whole path")(
        value
    )
    return f"{AGENT_DIR}/{named}"


def _option_value(value: Any) -> str:
    """What stands on one line of the agent's standard input."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or not value.isprintable() or len(value) > 1000:
        raise Unfit("a text on one line, a whole number, true or false")
    return value


def _levels(
    table: Table | None, nodes: Sequence[str], devices: Sequence[str]
) -> dict[str, tuple[tuple[FenceStep, ...], ...]]:
    if table is None:
        return {}
    for name in table.keys():  # noqa: SIM118 (a Table is no mapping)
        if name not in nodes:
            table.report(name, name, f"a configured Node ({', '.join(nodes)})")
            table.take(name, lambda _: (), ())
    read = _levels_with(devices)
    none: tuple[tuple[FenceStep, ...], ...] = ()
    found = {name: table.take(name, read, none) for name in nodes if name in table}
    return {name: levels for name, levels in found.items() if levels}


def _levels_with(devices: Sequence[str]) -> Callable[[Any], tuple[tuple[FenceStep, ...], ...]]:
    form = 'levels in the order of trying, each a list of devices: [["ipmi-1"], ["pdu-a:3", "pdu-b:3"]]'

    def step(value: Any) -> FenceStep:
        if not isinstance(value, str) or not value.isprintable():
            raise Unfit(form)
        device, _, plug = value.partition(":")
        if device not in devices:
            raise Unfit(form, f"{device!r} is none of the devices ({', '.join(devices) or 'there are none'})")
        return FenceStep(device, plug)

    def level(value: Any) -> tuple[FenceStep, ...]:
        if not isinstance(value, list) or not 0 < len(value) <= STEPS_MAX:
            raise Unfit(form)
        steps = tuple(step(item) for item in value)
        if len(set(steps)) != len(steps):
            raise Unfit(form, "a level that names each device and plug once")
        return steps

    def read(value: Any) -> tuple[tuple[FenceStep, ...], ...]:
        if not isinstance(value, list) or not 0 < len(value) <= LEVELS_MAX:
            raise Unfit(form)
        return tuple(level(item) for item in value)

    return read
