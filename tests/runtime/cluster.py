"""A cluster of real daemons on this machine's loopback: two Nodes, a Witness, a group with a command.

No service address, so nothing of the machine's network is touched; the lab's tests have addresses.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from ha_monitor import client
from ha_monitor.errors import ControlError
from ha_monitor.view import View

NODES = ("left", "right")
WITNESS = "third"
HOSTS = {name: f"127.77.0.{number}" for number, name in enumerate((*NODES, WITNESS), 1)}
PROGRAM = [sys.executable, "-c", "import sys; from ha_monitor.cli.main import main; sys.exit(main())"]
AGENT = Path(__file__).with_name("job.sh")
SECRET = secrets.token_hex(32)
BOUND_S = 30.0


def is_reachable_by_all() -> bool:
    """Whether the publisher's user may run this checkout's Python: not below /root, for instance."""
    places = [Path(sys.executable), *Path(sys.executable).parents, *AGENT.parents]
    return all(place.stat().st_mode & 0o001 for place in places)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOSTS["left"], 0))
        return sock.getsockname()[1]


class LoopbackCluster:
    """Each host is a set of directories and a name."""

    def __init__(self, directory: Path, timing: str = "lan") -> None:
        self.directory = directory
        self.port = free_port()
        self.timing = timing
        self.daemons: dict[str, subprocess.Popen] = {}
        for name in HOSTS:
            for place in ("etc", "run", "state"):
                (directory / name / place).mkdir(parents=True)
            # As after a first life: it knows how long it may have granted, and abstains no longer than that.
            (directory / name / "state" / "memory.json").write_text(
                '{"counter":0,"hold_ns":1000000000,"is_standby":false,"maintenance_number":0,'
                '"maintenance_until_ns":0,"maintenance_why":"","maintenance_who":""}'
            )
            key = directory / name / "etc" / "cluster.key"
            key.write_text(f"1 {SECRET}\n")
            key.chmod(0o600)
            self.write_config(name)

    def config(self, more: str = "") -> str:
        nodes = "".join(f'{name} = {{ lan = "{HOSTS[name]}" }}\n' for name in NODES)
        verbs = ", ".join(f'{verb} = "{AGENT} {verb}"' for verb in ("start", "stop", "status"))
        return f"""
[cluster]
name = "loop"
timing = "{self.timing}"
port = {self.port}
[nodes]
{nodes}
[witness]
{WITNESS} = "{HOSTS[WITNESS]}"
[groups.job]
prefer = ["left", "right"]
resources = [
  {{ command = "job", run = "owner", {verbs} }},
]
{more}
"""

    def write_config(self, name: str, text: str | None = None) -> None:
        path = self.directory / name / "etc" / "cluster.toml"
        path.write_text(self.config() if text is None else text)

    def environment(self, name: str) -> dict[str, str]:
        places = {"ETC": "etc", "RUN": "run", "STATE": "state"}
        own = {f"HA_MONITOR_{key}": str(self.directory / name / place) for key, place in places.items()}
        user = {} if is_reachable_by_all() else {"HA_MONITOR_USER": "root"}
        return {**os.environ, **own, **user, "HA_MONITOR_SELF": name}

    def log(self, name: str) -> str:
        path = self.directory / name / "log"
        return path.read_text() if path.exists() else ""

    def start(self, *names: str) -> None:
        for name in names or tuple(HOSTS):
            verb = "witness" if name == WITNESS else "run"
            with (self.directory / name / "log").open("ab") as log:
                self.daemons[name] = subprocess.Popen(
                    [*PROGRAM, verb], env=self.environment(name), stderr=log, stdin=subprocess.DEVNULL
                )

    def run(self, name: str, *argv: str) -> subprocess.CompletedProcess:
        """One verb of the command line on that host."""
        command, environment = [*PROGRAM, *argv], self.environment(name)
        return subprocess.run(
            command, check=False, env=environment, capture_output=True, text=True, timeout=60
        )

    def view(self, name: str) -> View | None:
        try:
            return client.parse_view(client.ask(self.directory / name / "run" / "status.sock", b"", 2.0))
        except ControlError:
            return None

    def wait(self, name: str, is_so, bound_s: float = BOUND_S) -> View:
        until = time.monotonic() + bound_s
        while time.monotonic() < until:
            view = self.view(name)
            if view is not None and is_so(view):
                return view
            time.sleep(0.05)
        raise AssertionError(f"{name} did not come to it; it says {self.view(name)}; logs {self.logs()}")

    def logs(self) -> str:
        return "\n".join(f"-- {name}\n{self.log(name)}" for name in HOSTS)

    def settle(self) -> str:
        """Until everybody is online and the group runs; its Owner."""

        def is_settled(view: View) -> bool:
            online = all(node.state == "online" for node in view.nodes)
            return online and bool(view.processes) and all(group.state == "running" for group in view.groups)

        for name in self.daemons:
            view = self.wait(name, is_settled)
        if any(node.uptime_s < 2 for node in view.nodes):
            # A race of the first moment leaves grants with a minority; they end with the Lease.
            time.sleep(1.5)
            return self.settle()
        return view.groups[0].owner

    def pid(self, name: str, role: str) -> int:
        view = self.wait(name, lambda v: any(p.role == role for p in v.processes))
        return next(process.pid for process in view.processes if process.role == role)

    def close(self) -> None:
        """End every daemon by its own guard; what is left is killed by its pid."""
        for daemon in self.daemons.values():
            daemon.send_signal(signal.SIGTERM)
        for name, daemon in self.daemons.items():
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                view = self.view(name)
                daemon.kill()
                for process in view.processes if view else ():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process.pid, signal.SIGKILL)


def other(name: str) -> str:
    return NODES[1 - NODES.index(name)]


def owner_is(name: str):
    """For `wait`: the group runs there and nowhere else."""
    return lambda view: [(g.owner, g.state, g.owners) for g in view.groups] == [(name, "running", 1)]
