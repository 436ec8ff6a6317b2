"""The questions of `ha-monitor init`, with defaults found on this machine."""

from __future__ import annotations

import readline  # noqa: F401 (input() edits lines with it)
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ha_monitor.cli.init_draft import Draft
from ha_monitor.cli.this_host import Bearer, bearers, host_name
from ha_monitor.config_groups import GROUP, RESOURCE
from ha_monitor.config_table import Unfit, address, host_port, name_like, service_address

TRIES_MAX = 10
_NAME = name_like(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a host's name: letters, digits and . _ -")


def ask(question: str, default: str, read: Callable[[Any], object], *, may_be_empty: bool = False) -> str:
    """One answer that ``read`` takes; an empty line is the default. Raises ValueError after ten others."""
    shown = f" [{default}]" if default else " [none]" if may_be_empty else ""
    for _ in range(TRIES_MAX):
        answer = input(f"{question}{shown}: ").strip() or default
        if answer in ("", "none") and may_be_empty:
            return ""
        try:
            read(answer)
        except Unfit as unfit:
            print(f"  {answer!r} is not {unfit.expected}" + (f"; {unfit.hint}" if unfit.hint else ""))
        else:
            return answer
    raise ValueError(f"{question}: no usable answer in {TRIES_MAX} tries; nothing was written")


def ask_draft(draft: Draft) -> Draft:
    """The draft with everything asked that options left open."""
    found = tuple(bearer for bearer in bearers() if bearer.is_usable)
    print("ha-monitor: a new cluster. An empty line takes what stands in brackets.\n")
    draft = replace(draft, name=ask("Name of the cluster", draft.name, GROUP))
    if not draft.nodes:
        draft = replace(draft, nodes=_ask_nodes(found))
    if draft.witness is None:
        name = ask("Name of the Witness (the monitoring server)", "mon", _NAME)
        draft = replace(
            draft, witness=(name, ask(f"  its address, reachable from {_first(draft)}", "", address))
        )
    if not draft.vips:
        length = next((bearer.interface.network.prefixlen for bearer in found), 24)
        vip = ask(f"Service address, such as 192.0.2.100/{length}", "", service_address)
        draft = replace(draft, vips=(vip,))
    draft = replace(draft, group=ask("Name of the group that owns it", draft.group, GROUP))
    if not draft.units:
        unit = ask("systemd unit behind it, running on every Node", "", RESOURCE, may_be_empty=True)
        draft = replace(draft, units=(unit,) if unit else ())
    return _ask_sinks(draft)


def _first(draft: Draft) -> str:
    return draft.nodes[0][1][0]


def _ask_nodes(found: tuple[Bearer, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    own = [str(bearer.interface.ip) for bearer in found]
    name = ask("Name of this Node", host_name(), _NAME)
    first = ask("  its address on the Link that all hosts share", own[0] if own else "", address)
    rest = [where for where in own if where != first and (":" in where) == (":" in first)]
    second = ask(
        "  its address on a second Link between the Nodes",
        rest[0] if rest else "",
        address,
        may_be_empty=True,
    )
    other = ask("Name of the other Node", "", _NAME)
    theirs = [ask("  its address on the shared Link", "", address)]
    if second:
        theirs.append(ask("  its address on the second Link", "", address))
    return (name, (first, second) if second else (first,)), (other, tuple(theirs))


def _ask_sinks(draft: Draft) -> Draft:
    if not draft.nsca_ng:
        server = ask("Nagios: NSCA-ng server", "", host_port(5668), may_be_empty=True)
        draft = replace(draft, nsca_ng=server)
    if not draft.zabbix:
        server = ask("Zabbix server or proxy", "", host_port(10051), may_be_empty=True)
        draft = replace(draft, zabbix=server)
    return draft
