"""``ha-monitor status``: what this host's daemon knows, for people or as JSON."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence

from ha_monitor import client
from ha_monitor.timebase import SECOND, format_duration
from ha_monitor.view import GroupView, LinkView, NodeView, View

HEARD = ("online", "standby")
UNREADABLE = ("version", "layout")  # reasons of refused packets
EXIT_BY_STATE = {"ok": 0}  # anything else than ok is 1, so that scripts can ask


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``status``."""
    parser = subparsers.add_parser(
        "status",
        help="show what this host's daemon knows",
        description="Exit code 0 when all is well, 1 when something is degraded, 2 when no daemon answers.",
    )
    parser.add_argument("--json", action="store_true", help="the whole view as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when the cluster's state is ok, 1 when not."""
    view = client.fetch_view()
    if args.json:
        print(json.dumps(view, default=vars, indent=1))
    else:
        print("\n".join(lines_of(view, time.time_ns())))
    return EXIT_BY_STATE.get(view.state, 1)


def lines_of(view: View, wall_ns: int) -> list[str]:
    """The picture as text, one line each."""
    return [
        *_head(view),
        "",
        *_table(("NODE", "STATE", "ELIGIBLE", "GROUPS", "LAST HEARD"), map(_node_row, view.nodes)),
        "",
        *_table(("LINK", "PEER", "STATE", "LOSS", "ROUND TRIP"), map(_link_row, view.links)),
        "",
        *_table(("GROUP", "STATE", "OWNER", "CANDIDATES", "LEASE LEFT"), map(_group_row, view.groups)),
        *_resources(view),
        *_fences(view),
        *_sinks(view),
        *_last(view, wall_ns),
    ]


def _head(view: View) -> list[str]:
    reason = f": {view.state_reason}" if view.state_reason else ""
    lines = [f"cluster {view.cluster}, seen from {view.self_name}: {view.state.upper()}{reason}"]
    votes = f"votes {view.votes} (needed {view.votes_needed})"
    mode = f", quorum {view.quorum}" if view.quorum else ""
    witness = (
        f", witness {view.witness} {view.witness_state}" if view.witness else f"{mode or ', no witness'}"
    )
    if view.ping_targets:
        witness += f", {max(0, view.ping_reached)} of {view.ping_targets} targets answer"
    lines.append(f"{votes}{witness}; reporter {view.reporter or 'none'}")
    lines.append(f"protection level {view.protection}: {view.protection_detail}")
    if view.is_abstaining:
        lines.append("this voter has lost its state and abstains for a while")
    if view.maintenance.is_on:
        left = format_duration(view.maintenance.left_s * SECOND)
        lines.append(f"MAINTENANCE for another {left}: {view.maintenance.why} ({view.maintenance.who})")
    if not view.config_match:
        lines.append("the configuration differs between Nodes")
    return lines + _versions(view)


def _versions(view: View) -> list[str]:
    """Which host runs which program, where they differ; and whether one of them cannot be read at all."""
    lines = []
    if not view.version_match:
        told = ", ".join(f"{node.name} {node.version}" for node in view.nodes if node.version)
        lines.append(f"program versions differ: {told}")
    unreadable = sum(view.rejected.get(reason, 0) for reason in UNREADABLE)
    silent = [node.name for node in view.nodes if node.state not in HEARD]
    if unreadable and silent:
        lines.append(
            f"{unreadable} packets had a format that version {view.version} does not know: a silent host"
            f" ({', '.join(silent)}) may run another version; bring all hosts to the same one"
        )
    return lines


def _node_row(node: NodeView) -> tuple[str, ...]:
    name = f"{node.name} (here)" if node.is_self else node.name
    heard = "" if node.is_self else f"{node.age_ms} ms" if node.age_ms >= 0 else "never"
    if node.is_witness:
        return (name, node.state, "witness", "", heard)
    return (name, node.state, _yes(node.eligible, node.eligible_reason), str(node.groups_active), heard)


def _link_row(link: LinkView) -> tuple[str, ...]:
    round_trip = f"{link.rtt_ms:.2f} ms" if link.rtt_ms >= 0 else ""
    return (link.link, link.peer, link.state, f"{link.loss_pct:.0f} %", round_trip)


def _group_row(group: GroupView) -> tuple[str, ...]:
    left = f"{group.lease_left_ms} ms" if group.lease_left_ms >= 0 else ""
    owner = group.owner or "nobody"
    if group.owners > 1:
        owner = f"{group.owners} OWNERS"
    state = group.state if group.hold == "none" else f"{group.state}, HELD on {group.hold_node}"
    return (group.name, state, owner, ", ".join(group.candidates) or "none", left)


def _resources(view: View) -> list[str]:
    rows = [
        (resource.name, group.name, resource.state, resource.detail)
        for group in view.groups
        for resource in group.resources
    ]
    return ["", *_table(("RESOURCE HERE", "GROUP", "STATE", "DETAIL"), rows)] if rows else []


def _fences(view: View) -> list[str]:
    fences = [
        (
            fence.node,
            fence.state,
            f"{fence.since_s} s",
            fence.who,
            "; ".join(filter(None, (fence.why, fence.detail))),
        )
        for fence in view.fences
    ]
    devices = [
        (
            device.name,
            "works" if device.is_working else "not tested yet" if device.age_s < 0 else "FAILS",
            f"{device.age_s} s" if device.age_s >= 0 else "",
            ", ".join(device.nodes),
            device.detail,
        )
        for device in view.fence_devices
    ]
    lines = ["", *_table(("FENCE OF", "STATE", "FOR", "BY", "WHY"), fences)] if fences else []
    head = ("FENCE DEVICE", "STATE", "TESTED", "POWERS", "DETAIL")
    return lines + (["", *_table(head, devices)] if devices else [])


def _sinks(view: View) -> list[str]:
    rows = [(sink.name, sink.state, str(sink.queue), str(sink.dropped), sink.detail) for sink in view.sinks]
    return ["", *_table(("TOLD TO", "STATE", "WAITING", "DROPPED", "DETAIL"), rows)] if rows else []


def _last(view: View, wall_ns: int) -> list[str]:
    told = [group.last for group in view.groups if group.last.ident]
    lines = []
    for last in sorted(told, key=lambda one: one.at_ns):
        ago = format_duration(max(0, wall_ns - last.at_ns))
        lines.append(f"{ago} ago: {last.sentence} [{last.cause}]")
    return ["", *lines] if lines else []


def _yes(is_so: bool, reason: str) -> str:
    return "yes" if is_so else f"no: {reason}" if reason else "no"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    table = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
