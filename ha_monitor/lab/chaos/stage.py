"""What a chaos run plays on: a lab with three groups on both Nodes, small disks, clocks, a light sink."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ha_monitor import client, paths
from ha_monitor.errors import ControlError
from ha_monitor.lab import clock, disks, program
from ha_monitor.lab.cast import CAST, NODES, SERVICE_GROUP, SERVICE_V4, SERVICE_V6, WITNESS
from ha_monitor.lab.chaos import trapper
from ha_monitor.lab.chaos.ledger import Journaled, Told, journal_line
from ha_monitor.lab.chaos.watch import Watched
from ha_monitor.lab.daemons import LOG, PROGRAM, VIP_LINES, VOTERS, Daemons, config_text
from ha_monitor.lab.hardship import STATE_DIR, TRAPPER
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.stack import web
from ha_monitor.lab.stack.hosts import write_file
from ha_monitor.view import View

APP, SIX = "app", "six"
APP_V4, SIX_V6 = "192.0.2.101", "2001:db8:0:1::102"
WATCHED = (
    Watched(SERVICE_GROUP, (SERVICE_V4, SERVICE_V6)),
    Watched(APP, (APP_V4,)),
    Watched(SIX, (SIX_V6,)),
)
FAILBACK = {SIX: NODES[1]}  # the group that goes back by itself, and where to
FAILBACK_AFTER_S = 3
DISK_MIB = 24
EVENTS = "/var/log/chaos-events.jsonl"
_APP_CONTROL = "/etc/lab-app/control"
_RUN_DIR = "/run/ha-monitor"
_STATUS_TIMEOUT_S = 2.0

_APP_SCRIPT = """\
#!/bin/sh
# A service of the Owner alone: a process that sleeps. Exit codes as in the LSB.
pidfile=/run/lab-app.pid
running() { [ -s $pidfile ] && pid=$(cat $pidfile) && kill -0 $pid 2>/dev/null; }
case "$1" in
start) running || { setsid sleep infinity </dev/null >/dev/null 2>&1 & echo $! >$pidfile; } ;;
stop) running && kill -KILL $pid; rm -f $pidfile; exit 0 ;;
status) running && exit 0; [ -e $pidfile ] && exit 1; exit 3 ;;
esac
"""

Say = Callable[[str], None]


def chaos_config(timing: str) -> str:
    """cluster.toml: one group on each Node and one that goes back, over IPv4 and IPv6."""
    lines = (*VIP_LINES, web.resource_toml())
    app = ", ".join(f'{verb} = "{_APP_CONTROL} {verb}"' for verb in ("start", "stop", "status"))
    back = json.dumps(NODES[::-1])
    more = (
        f'\n[groups.{APP}]\nprefer = {back}\nmax_moves = "unlimited"\n'
        f'resources = [\n  {{ vip = "{APP_V4}/24" }},\n  {{ command = "{APP}", {app} }},\n]\n'
        f'\n[groups.{SIX}]\nprefer = {back}\nfailback = "after {FAILBACK_AFTER_S}s"\n'
        f'max_moves = "unlimited"\nresources = [ {{ vip = "{SIX_V6}/64" }} ]\n'
        f'\n[publish.zabbix]\nserver = "{CAST[WITNESS].v4()}:{trapper.PORT}"\n'
    )
    return config_text(timing, lines, more).replace("\n[nodes]", 'start_grace = "3s"\n\n[nodes]', 1)


class Stage:
    """The lab of a chaos run with everything on it."""

    def __init__(self, lab: Lab, timing: str, say: Say) -> None:
        self.lab, self.timing = lab, timing
        self._say = say
        self._daemons = Daemons(lab)
        self._journals = {name: _Tail(name, lab) for name in VOTERS}

    @contextlib.contextmanager
    def standing(self) -> Iterator[Stage]:
        """Brought up for the time of the block; the lab must not be up before."""
        with self.lab.session():
            self._say(f"lab {self.lab.name}: bringing up three groups at timing {self.timing}")
            self._prepare_hosts()
            self._daemons.configure(chaos_config(self.timing))
            for name in VOTERS:
                verb = "witness" if name == WITNESS else "run"
                argv = ["/usr/bin/env", *clock.environment(), PROGRAM, verb]
                self.lab.host(name).register("ha-monitor", argv, log=LOG)
            self._daemons.start()
            yield self

    def _prepare_hosts(self) -> None:
        library = self.lab.directory / "clock.so"
        clock.build(library)
        for name in VOTERS:
            host = self.lab.host(name)
            program.install(self.lab, name)
            disks.give(self.lab, name, STATE_DIR, DISK_MIB)
            clock.prepare(host.path(clock.FILE))
            shutil.copyfile(library, host.path(clock.LIBRARY))
        for name in NODES:
            web.install(self.lab.host(name))
            write_file(self.lab.host(name), _APP_CONTROL, _APP_SCRIPT, mode=0o755)
        mon = self.lab.host(WITNESS)
        argv = [sys.executable, "-P", "-m", "ha_monitor.lab.chaos.trapper", mon.member.v4(), EVENTS]
        mon.register(TRAPPER, argv, log="/var/log/chaos-trapper.log")
        mon.start(TRAPPER)

    # What is known of the cluster from inside

    def view(self, name: str) -> View | None:
        """What one daemon says, or None."""
        path = self.lab.host(name).path(_RUN_DIR) / paths.status_socket().name
        try:
            return client.parse_view(client.ask(path, b"", _STATUS_TIMEOUT_S))
        except ControlError:
            return None

    def views(self) -> dict[str, View | None]:
        """What all daemons say, asked at once."""
        with ThreadPoolExecutor(len(VOTERS)) as pool:
            return dict(zip(VOTERS, pool.map(self.view, VOTERS), strict=True))

    def answer(self, name: str, group: str) -> None:
        """``ha-monitor clear``: an operator has looked at a group that asks, or a Node that stands back."""
        path = self.lab.host(name).path(_RUN_DIR) / paths.control_socket().name
        with contextlib.suppress(ControlError):
            line = json.dumps({"order": "clear-block", "group": group}).encode() + b"\n"
            client.ask(path, line, _STATUS_TIMEOUT_S)

    # What was told, and what should have been

    def told(self) -> list[Told]:
        """Every transition that reached the sink, each once, in the order of arrival."""
        path = self.lab.host(WITNESS).path(EVENTS)
        lines = path.read_text().splitlines() if path.exists() else []
        found: dict[str, Told] = {}
        for line in lines:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                found.setdefault(event["ident"], self._told(event))
        return list(found.values())

    def _told(self, event: Mapping[str, Any]) -> Told:
        host = event["ident"].partition("-")[0]
        steps = clock.history(self.lab.host(host).path(clock.FILE))
        return Told(
            ident=event["ident"],
            group=event["group"],
            old=event["node_from"],
            new=event["node_to"],
            cause=event["cause"],
            sentence=event["sentence"],
            at_ns=clock.monotonic_ns(event["at_ns"], steps, event["arrived_ns"]),
            arrived_ns=event["arrived_ns"],
            start_ns=round(event["phases_ms"].get("start", 0) * 1_000_000),
        )

    def journaled(self) -> list[Journaled]:
        """Every transition that a daemon wrote to its journal since the last call."""
        return [entry for tail in self._journals.values() for entry in tail.read_on()]

    def keep_journals(self, beside: Path) -> None:
        """Copy what the daemons wrote, and what the sink got, before the lab is taken down."""
        for name in VOTERS:
            shutil.copyfile(self.lab.host(name).path(LOG), beside.with_suffix(f".{name}.log"))
        events = self.lab.host(WITNESS).path(EVENTS)
        if events.exists():
            shutil.copyfile(events, beside.with_suffix(".events.jsonl"))


class _Tail:
    """Reads on in a daemon's journal."""

    def __init__(self, name: str, lab: Lab) -> None:
        self._name, self._lab = name, lab
        self._offset = 0

    def read_on(self) -> list[Journaled]:
        """The transitions among the whole lines that were added."""
        path = self._lab.host(self._name).path(LOG)
        if not path.exists():
            return []
        with open(path, "rb") as file:
            file.seek(self._offset)
            raw = file.read()
        whole = raw[: raw.rfind(b"\n") + 1]
        self._offset += len(whole)
        lines = whole.decode(errors="replace").splitlines()
        found = (journal_line(self._name, line, time.monotonic_ns()) for line in lines)
        return [entry for entry in found if entry is not None]
