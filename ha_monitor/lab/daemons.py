"""ha-monitor itself on the lab's hosts: its two files, its processes, its orders.

The daemons' word is used to know when the lab is settled, never for a figure.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ha_monitor.lab.cast import (
    CAST,
    NODES,
    SERVICE_GROUP,
    SERVICE_V4,
    SERVICE_VIPS,
    WITNESS,
    other_node,
)
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.observation import start_responders, who_answers
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.processes import Process, kill_all_at_once
from ha_monitor.lab.roles import ALL, daemon_processes
from ha_monitor.model import GroupState, NodeState
from ha_monitor.view import View, read_view

PROGRAM = str(Path(sys.executable).parent / "ha-monitor")
LOG = "/var/log/ha-monitor.log"
CONFIG, KEY = "/etc/ha-monitor/cluster.toml", "/etc/ha-monitor/cluster.key"
DEFAULT_TIMING = "lan"
VIP_LINES = tuple(f'{{ vip = "{vip}" }}' for vip in SERVICE_VIPS)
VOTERS = (*NODES, WITNESS)
SETTLE_TIMEOUT_S = 60.0
_NAME = "ha-monitor"
_STATUS_TIMEOUT_S = 10.0
_ORDER_TIMEOUT_S = 60.0
_START_TIMEOUT_S = 20.0
_STAYS_UP_S = 0.5


def config_text(
    timing: str = DEFAULT_TIMING,
    resources: Sequence[str] = VIP_LINES,
    publish: str = "",
    failback: str = "never",
    quorum: str = "",
    max_moves: str = "unlimited",
) -> str:
    """cluster.toml for the cast; ``publish`` is appended as it stands.

    ``quorum``: lines of ``[cluster]`` for a pair that does without the Witness. Faults are struck here on
    purpose and often: without a limit of moves each is met like the first.
    """
    nodes = "".join(f"{name} = {{ {_addresses(name)} }}\n" for name in NODES)
    lines = "".join(f"  {line},\n" for line in resources)
    witness = f'[witness]\n{WITNESS} = "{CAST[WITNESS].v4()}"\n\n'
    return (
        f'[cluster]\nname = "web"\ntiming = "{timing}"\n{quorum}\n'
        f"[nodes]\n{nodes}\n{'' if quorum else witness}"
        f"[groups.{SERVICE_GROUP}]\nprefer = {json.dumps(NODES)}\n"
        f'failback = "{failback}"\nmax_moves = "{max_moves}"\nresources = [\n{lines}]\n{publish}'
    )


def _addresses(name: str) -> str:
    member = CAST[name]
    return ", ".join(f'{link} = "{member.v4(link)}"' for link in member.links)


class Daemons:
    """The daemons of one lab: Nodes and Witness, or the Nodes of a pair without one."""

    def __init__(self, lab: Lab, voters: Sequence[str] = VOTERS) -> None:
        self._lab = lab
        self._voters = tuple(voters)

    def configure(self, text: str) -> None:
        """Write the same two files to all voters; nothing is started."""
        key = f"1 {secrets.token_hex(32)}\n"
        for name in self._voters:
            host = self._lab.host(name)
            config, secret = host.path(CONFIG), host.path(KEY)
            config.write_text(text)
            secret.touch(mode=0o600)
            secret.write_text(key)
            verb = "witness" if name == WITNESS else "run"
            host.register(_NAME, [PROGRAM, verb], log=LOG)

    def is_configured(self) -> bool:
        """Whether the voters have their files."""
        return all(self._lab.host(name).path(CONFIG).exists() for name in self._voters)

    def configured_text(self) -> str:
        """cluster.toml as it stands on the first Node."""
        return self._lab.host(NODES[0]).path(CONFIG).read_text()

    def start(self) -> None:
        """Start all that do not run, at once, and what answers the probes."""
        start_responders(self._lab)
        with ThreadPoolExecutor(len(self._voters)) as pool:
            for future in [pool.submit(self.start_on, name) for name in self._voters]:
                future.result()

    def processes(self, name: str, role: str = ALL) -> list[Process]:
        """ha-monitor's processes on one host, all or those of one role."""
        return daemon_processes(self._lab.host(name), role)

    def start_on(self, name: str) -> None:
        """Start the daemon of one host unless it runs, also after a kill that left children.

        A daemon whose parent was killed may take a moment to end; until then a new one refuses.
        """
        host = self._lab.host(name)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not daemon_processes(host, "guard"):
            process = host.start(_NAME)
            time.sleep(_STAYS_UP_S)
            if process.is_alive():
                return
            if time.monotonic() > deadline:
                raise LabError(f"{name}: ha-monitor does not stay up: {self.last_words(name)}")

    def stop_on(self, name: str) -> None:
        """A clean stop, by ha-monitor's own verb."""
        self._lab.host(name).exec([PROGRAM, "stop"], timeout=_ORDER_TIMEOUT_S)

    def switch(self, owner: str, group: str = SERVICE_GROUP) -> None:
        """A planned Switchover to the other Node, ordered on the Owner."""
        order = [PROGRAM, "switch", group, "--to", other_node(owner)]
        self._lab.host(owner).exec(order, timeout=_ORDER_TIMEOUT_S)

    def stop_all(self) -> None:
        """End all daemons at once, without hand-over: for tests that begin anew."""
        for name in self._voters:
            kill_all_at_once(daemon_processes(self._lab.host(name)))

    def status(self, name: str) -> View | None:
        """What one daemon says, or None when it cannot be asked."""
        argv = [PROGRAM, "status", "--json"]
        try:
            done = self._lab.host(name).exec(argv, timeout=_STATUS_TIMEOUT_S, check=False)
            return read_view(json.loads(done.stdout))
        except (LabError, ValueError):
            return None

    def wait_settled(self, timeout_s: float = SETTLE_TIMEOUT_S) -> str:
        """Wait until all agree that all is well; returns the Owner.

        Raises LabError that says what is not well.
        """
        deadline = time.monotonic() + timeout_s
        while reasons := self.unsettled():
            if time.monotonic() > deadline:
                raise LabError(f"not settled after {timeout_s:g} s: {'; '.join(reasons)}")
            time.sleep(0.2)
        owner = who_answers(self._lab)
        if owner is None:
            raise LabError(f"the daemons say all is well, but nobody answers at {SERVICE_V4}")
        return owner

    def unsettled(self) -> list[str]:
        """Why the cluster is not in its healthy, resting state; empty when it is."""
        found = []
        for name in self._voters:
            if not self._lab.host(name).is_on():
                found.append(f"{name} has no power")
            elif (view := self.status(name)) is None:
                found.append(f"{name} gives no status ({self.last_words(name)})")
            else:
                found += [f"{name}: {reason}" for reason in _unrest(view)]
        return found

    def last_words(self, name: str) -> str:
        """The last line of a daemon's log."""
        log = self._lab.host(name).path(LOG)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return lines[-1] if lines else "its log is empty"


def _unrest(view: View) -> Iterator[str]:
    if view.is_abstaining:
        yield "abstains from votes"
    for node in view.nodes:
        if node.state != NodeState.ONLINE.value:
            yield f"{node.name} is {node.state}"
    for group in view.groups:
        if group.state != GroupState.RUNNING.value or not group.owner:
            yield f"group {group.name} is {group.state}"
        elif len(group.candidates) + 1 < len(NODES):
            yield f"group {group.name} has no candidate"
