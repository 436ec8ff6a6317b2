"""``ha-monitor export systemd``: units for the daemon and the Witness, and their user.

They start at boot and when they died, with the rights and limits that keep the core on time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ha_monitor import paths
from ha_monitor.errors import PrerequisiteError
from ha_monitor.model import ClusterConfig, ResourceKind, Run
from ha_monitor.timebase import SECOND

NODE_UNIT = "etc/systemd/system/ha-monitor.service"
WITNESS_UNIT = "etc/systemd/system/ha-monitor-witness.service"
SYSUSERS = "etc/sysusers.d/ha-monitor.conf"
START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 120  # where no configuration says how long a hand-over may take

_SYSUSERS_TEXT = """\
# Written by `ha-monitor export systemd`.
# The publisher runs as this user. Members of the group may give orders: `ha-monitor switch`, `standby`...
u ha-monitor - "ha-monitor" /var/lib/ha-monitor
"""

_UNIT_TEXT = """\
# Written by `ha-monitor export systemd`; changes of yours belong into a drop-in (`systemctl edit {unit}`).
[Unit]
Description={description}
Wants=network-online.target
After={after}
# Never give up: a host without its daemon leaves the others without a partner.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} {verb}
# Takes over a changed configuration or a new version and touches no service.
# `systemctl restart` and `systemctl stop` hand over first.
ExecReload={program} restart
# Not "always": what `ha-monitor stop` ended stays ended until the next boot or `systemctl start`.
Restart=on-failure
RestartSec=1s
# What still runs of an exclusive group is ended first.
TimeoutStartSec={start_timeout_s}s
# A hand-over waits for the Resources' own stop timeouts.
TimeoutStopSec={stop_timeout_s}s
# The guard alone is told to end, and ends the others in order; what is left then is killed. Daemons that
# `command` Resources start have scopes of their own and are not touched.
KillMode=mixed

# Heartbeats on time. A kernel with CONFIG_RT_GROUP_SCHED (Debian's has none) refuses real-time priority
# to a control group without a budget: cgroup v1 takes one in cpu.rt_runtime_us, v2 refuses it wherever
# the cpu controller is on. `ha-monitor status` shows what was obtained; else the daemon runs at nice -20.
LimitRTPRIO=20
LimitNICE=-20
LimitMEMLOCK=infinity
# The last to be killed when memory ends, and some memory that nobody else may take.
OOMScoreAdjust=-900
MemoryMin=64M

# No RuntimeDirectory= or StateDirectory=: at each reload systemd would take the publisher's files from it.
{hardening}
[Install]
WantedBy=multi-user.target
"""

_WITNESS_HARDENING = """\
# The Witness starts no services, so nothing that it starts needs more than this.
NoNewPrivileges=yes
ProtectSystem=full
ProtectHome=yes
"""


def add_parser(programs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``systemd``."""
    parser = programs.add_parser("systemd", help="units that start the daemon and the Witness at boot")
    parser.add_argument(
        "--root", type=Path, default=Path("/"), help="write below this directory (default: this host itself)"
    )
    parser.add_argument("--program", type=Path, default=None, help="path of ha-monitor on the host")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the files stand there and a running systemd knows them."""
    program = args.program or this_program()
    files = systemd_files(program, _config())
    for name, text in files.items():
        _write(args.root / name, text)
        print(f"wrote {args.root / name}")
    if args.root == Path("/") and Path("/run/systemd/system").is_dir():
        _tell_systemd()
    print("Next: `systemctl enable --now ha-monitor` on a Node, `... ha-monitor-witness` on the Witness.")
    return 0


def systemd_files(program: Path, config: ClusterConfig | None) -> Mapping[str, str]:
    """Path below the root to content. ``config``: of this host, if there is one already."""
    return {
        NODE_UNIT: _unit(
            unit="ha-monitor",
            description="ha-monitor: service addresses and their Resources, on one Node at a time",
            program=program,
            verb="run",
            after=_after(config),
            start_timeout_s=START_TIMEOUT_S + _stop_within_s(config),
            stop_timeout_s=_stop_timeout_s(config),
            hardening="",
        ),
        WITNESS_UNIT: _unit(
            unit="ha-monitor-witness",
            description="ha-monitor: the Witness, a vote without Resources",
            program=program,
            verb="witness",
            after="network-online.target",
            start_timeout_s=START_TIMEOUT_S,
            stop_timeout_s=STOP_TIMEOUT_S,
            hardening=_WITNESS_HARDENING,
        ),
        SYSUSERS: _SYSUSERS_TEXT,
    }


def _unit(**values: object) -> str:
    return _UNIT_TEXT.format(**values)


def _after(config: ClusterConfig | None) -> str:
    return " ".join(("network-online.target", "dbus.service", *_units_everywhere(config)))


def _units_everywhere(config: ClusterConfig | None) -> Iterator[str]:
    # At shutdown systemd then stops us first: the address moves while what is behind it still answers.
    # A unit that only the Owner runs must not stand here: we wait for its stop, and it would for ours.
    for group in config.groups if config else ():
        for resource in group.resources:
            if resource.kind is ResourceKind.SYSTEMD and resource.run is Run.EVERYWHERE:
                yield resource.unit


def _stop_timeout_s(config: ClusterConfig | None) -> int:
    if config is None:
        return STOP_TIMEOUT_S
    stops = [sum(r.stop_timeout_ns for r in g.resources if r.run is Run.OWNER) for g in config.groups]
    # The guard gives up by itself before: two Leases and some slack after the longest group's stops. Then it
    # ends what is left of exclusive groups.
    return (max(stops, default=0) + 2 * config.timing.lease_ns) // SECOND + 30 + _stop_within_s(config)


def _stop_within_s(config: ClusterConfig | None) -> int:
    """For how long the guard may be busy with ending exclusive groups."""
    return max((g.stop_within_ns // SECOND for g in config.groups if g.exclusive), default=0) if config else 0


def _config() -> ClusterConfig | None:
    path = paths.etc_dir() / "cluster.toml"
    if not path.exists():
        return None
    # Imported late: the units can be written before there is a configuration to parse.
    from ha_monitor.config import load_config

    return load_config(path)


def this_program() -> Path:
    """The installed `ha-monitor` that runs now. Raises PrerequisiteError when it runs from elsewhere."""
    program = Path(sys.prefix) / "bin/ha-monitor"
    if not os.access(program, os.X_OK):
        raise PrerequisiteError(f"{program}: is no program; name the installed one with --program")
    return program


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o644)
        fresh.replace(path)
    except OSError as error:
        raise PrerequisiteError(f"{path}: cannot be written: {error.strerror}") from None


def _tell_systemd() -> None:
    for command in (["systemd-sysusers"], ["systemctl", "daemon-reload"]):
        if shutil.which(command[0]) is None:
            raise PrerequisiteError(f"{command[0]} is not installed; it belongs to the package systemd")
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            raise PrerequisiteError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
