"""What `ha-monitor init` knows of a new cluster, and the texts that it makes of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from ha_monitor.model import Address, ClusterConfig, Voter

LINK_NAMES = ("lan", "direct", "link3", "link4")  # by position, where nobody named them


@dataclass(frozen=True)
class Draft:
    """Answers or options, not checked yet: `config.parse_config` does that on the text made of it."""

    name: str = "web"
    nodes: tuple[tuple[str, tuple[str, ...]], ...] = ()  # name, address per Link
    witness: tuple[str, str] | None = None
    group: str = "www"
    vips: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    timing: str = "lan"
    links: tuple[str, ...] = LINK_NAMES
    nsca_ng: str = ""
    nsca_ng_secret: str = ""
    zabbix: str = ""


def toml_text(draft: Draft) -> str:
    """cluster.toml, with a comment where a newcomer would ask."""
    sections = [
        "# ha-monitor: the same file on every Node and the Witness. `ha-monitor check` reads it.",
        _cluster(draft),
        _nodes(draft),
        _witness(draft),
        _group(draft),
        _publish(draft),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _quoted(text: str) -> str:
    # A TOML basic string takes JSON's escapes.
    return json.dumps(text, ensure_ascii=False)


def _cluster(draft: Draft) -> str:
    timing = f"timing = {_quoted(draft.timing)}"
    return f"[cluster]\nname = {_quoted(draft.name)}\n{timing:<31}# lan, fast, metal or gentle"


def _nodes(draft: Draft) -> str:
    lines = []
    for name, addresses in draft.nodes:
        links = ", ".join(
            f"{link} = {_quoted(where)}" for link, where in zip(draft.links, addresses, strict=False)
        )
        lines.append(f"{_quoted(name) if '.' in name else name} = {{ {links} }}")
    return "\n".join(["[nodes]", *lines])


def _witness(draft: Draft) -> str:
    if draft.witness is None:
        return ""
    name, where = draft.witness
    return f"[witness]\n{_quoted(name) if '.' in name else name} = {_quoted(where)}"


def _group(draft: Draft) -> str:
    prefer = ", ".join(_quoted(name) for name, _ in draft.nodes)
    failback = 'failback = "never"'
    resources = [f"  {{ vip = {_quoted(vip)} }}," for vip in draft.vips]
    resources += [f'  {{ systemd = {_quoted(unit)}, run = "everywhere" }},' for unit in draft.units]
    return "\n".join(
        [
            f"[groups.{draft.group}]",
            f"prefer = [{prefer}]",
            f'{failback:<31}# never, manual, "after 10m", "between 02:00 and 05:00"',
            "resources = [",
            *resources,
            "]",
        ]
    )


def _publish(draft: Draft) -> str:
    parts = []
    if draft.nsca_ng:
        secret = f"nsca_ng_secret = {_quoted(draft.nsca_ng_secret)}"
        parts.append(f"[publish.nagios]\nnsca_ng = {_quoted(draft.nsca_ng)}\n{secret}")
    if draft.zabbix:
        parts.append(f"[publish.zabbix]\nserver = {_quoted(draft.zabbix)}")
    return "\n\n".join(parts)


def next_steps(config: ClusterConfig, here: frozenset[Address], directory: str) -> tuple[str, ...]:
    """How the two files reach the other hosts, which ports to open, which command comes next."""
    others = [voter for voter in config.voters if not here & set(voter.addresses.values())]
    return (
        "Copy both files to the other hosts, as root (the key file must stay private):",
        *(line for voter in others for line in _copy_lines(voter, directory)),
        "",
        "Open in the firewalls:",
        *(f"  {line}" for line in ports_to_open(config)),
        *_secret_lines(config),
        "",
        "Next, on every host:",
        "  ha-monitor export systemd     units that start it at boot, and the user `ha-monitor`",
        "  ha-monitor check",
        *_start_lines(config),
    )


def _secret_lines(config: ClusterConfig) -> Iterable[str]:
    if config.nagios and config.nagios.nsca_ng_secret:
        path = config.nagios.nsca_ng_secret
        yield ""
        yield f"Give every Node its identity at the NSCA-ng server, in {path}:"
        yield '  identity = "..."'
        yield '  password = "..."'
        yield f"  chown root:ha-monitor {path} && chmod 0640 {path}"


def _copy_lines(voter: Voter, directory: str) -> tuple[str, str]:
    where = next(iter(voter.addresses.values()))
    bracketed = f"[{where}]" if where.version == 6 else str(where)
    return (
        f"  ssh root@{where} mkdir -p {directory}",
        f"  scp -p {directory}/cluster.toml {directory}/cluster.key root@{bracketed}:{directory}/",
    )


def _start_lines(config: ClusterConfig) -> Iterable[str]:
    nodes = ", ".join(node.name for node in config.nodes)
    yield f"  systemctl enable --now ha-monitor             on {nodes}"
    if config.witness:
        yield f"  systemctl enable --now ha-monitor-witness     on {config.witness.name}"


def ports_to_open(config: ClusterConfig) -> tuple[str, ...]:
    """One line per need: from where, to where, why."""
    links = dict.fromkeys(link for voter in config.voters for link in voter.addresses)
    lines = []
    for link in links:
        ends = [str(voter.addresses[link]) for voter in config.voters if link in voter.addresses]
        lines.append(f"UDP {config.port} both ways between {', '.join(ends)} (Link {link})")
    if config.nagios and config.nagios.nsca_ng:
        lines.append(f"TCP from every Node to {config.nagios.nsca_ng} (Nagios, NSCA-ng)")
    if config.zabbix:
        lines.append(f"TCP from every Node and the Witness to {config.zabbix.server} (Zabbix trapper)")
    return tuple(lines)
