"""A program in ha-monitor's place on the lab's pair: start, stop, orders, and who owns the address.

Nothing here judges a program: that is the observers' work. What it says of itself is used only to
know when it is at rest.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from ha_monitor.lab.cast import NODES, SERVICE_LINK, SERVICE_V4
from ha_monitor.lab.host import Host
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.observation import start_responders, who_answers
from ha_monitor.lab.peers.heartbeat import HEARTBEAT
from ha_monitor.lab.peers.keepalived import KEEPALIVED
from ha_monitor.lab.peers.pacemaker import PACEMAKER
from ha_monitor.lab.peers.program import LOG, VIP, Program, shown_name
from ha_monitor.lab.peers.ucarp import UCARP
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.processes import Process, kill_all_at_once
from ha_monitor.lab.roles import ALL, daemon_processes
from ha_monitor.lab.stack import web

PEERS: dict[str, Program] = {program.name: program for program in (KEEPALIVED, HEARTBEAT, PACEMAKER, UCARP)}
_WEB = "web"
_WEB_ARGV = (
    "/bin/sh",
    "-c",
    f"mkdir -p {web.TEMP_DIR}; exec nginx -e {web.TEMP_DIR}/error.log -c {web.NGINX_CFG} -g 'daemon off;'",
)
# What a program may have running on a Node besides its own processes: agents and their helpers.
_HELPERS = (
    "/etc/ha.d/",
    "/usr/lib/ocf/",
    "/usr/share/heartbeat/",
    "/usr/libexec/heartbeat/",
    "exec /usr/sbin/pacemakerd",
    "nginx",
)
_ENDS_WITHIN_S = 20.0
_POLL_S = 0.5


class Peer:
    """One program at one timing in one lab. As a context manager it is started and stopped."""

    def __init__(self, lab: Lab, name: str, timing: str) -> None:
        self.program = program_named(name, timing)
        self.timing = timing
        self._lab = lab

    def __enter__(self) -> Peer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> str:
        """Configure both Nodes, start them, wait until all is at rest; returns the Owner.

        Raises LabError when ha-monitor runs here or the program does not come to rest.
        """
        for node in NODES:
            host = self._lab.host(node)
            if daemon_processes(host):
                raise LabError(f"{node}: ha-monitor runs there: end it first, or use another lab")
            self._configure(host)
        with self._lab.state.change() as state:
            state.program = f"{self.program.name} {self.timing}"
        start_responders(self._lab)
        with ThreadPoolExecutor(len(NODES)) as pool:
            for future in [pool.submit(self.start_on, node) for node in NODES]:
                future.result()
        self.program.started(self._lab, self.timing)
        return self.wait_settled()

    def stop(self) -> None:
        """End it at once on both Nodes; no process, address or file of it is left."""
        for node in NODES:
            host = self._lab.host(node)
            for name in (*self.program.daemons(node, self.timing), _WEB):
                host.forget(name)
            if host.is_on():
                kill_all_at_once(self._everything(host))
                host.exec(["ip", "address", "del", VIP, "dev", SERVICE_LINK], check=False)
            for path in self.program.files(node, self.timing):
                if host.is_on():
                    host.path(path).unlink(missing_ok=True)
        with self._lab.state.change() as state:
            state.program = ""

    def owners(self) -> list[str]:
        """The Nodes whose kernels have the address."""
        return [node for node in NODES if self._has_address(self._lab.host(node))]

    def processes(self, name: str, role: str = ALL) -> list[Process]:
        """All processes of the program on a host; it has no roles to choose from."""
        if role != ALL:
            raise LabError(f"{self.program.title} has no process {role!r}: all of them are struck")
        return [process for process in self._lab.host(name).processes() if self.program.is_process(process)]

    def start_on(self, name: str) -> None:
        """Start what of it does not run on one Node; one that is ending is waited for, then killed."""
        host = self._lab.host(name)
        deadline = time.monotonic() + _ENDS_WITHIN_S
        while self.processes(name) and not self._is_up(name) and time.monotonic() < deadline:
            time.sleep(0.1)
        if not self._is_up(name):
            kill_all_at_once(self.processes(name))
        for daemon in self.program.daemons(name, self.timing):
            host.start(daemon)

    def stop_on(self, name: str) -> None:
        """A clean stop on one Node."""
        self.program.stop(self._lab.host(name))

    def switch(self, owner: str) -> None:
        """A planned Switchover away from the Owner."""
        self.program.switch(self._lab.host(owner), self.timing)

    def wait_settled(self, timeout_s: float | None = None) -> str:
        """Repair what a fault left (web server, orders), wait until all is at rest; returns the Owner.

        Raises LabError that says what is not at rest.
        """
        timeout_s = timeout_s or self.program.settle_s + 3 * self.program.dead_s[self.timing]
        deadline = time.monotonic() + timeout_s
        self._start_web_servers()
        self.program.undo_switch(self._lab, self.timing)
        steady_since = time.monotonic()
        while True:
            reasons = list(self.unrest())
            now = time.monotonic()
            if reasons:
                steady_since = now
            elif now - steady_since >= self._steady_s():
                return self.owners()[0]
            if now > deadline:
                raise LabError(
                    f"{self.program.title} not at rest after {timeout_s:g} s: {'; '.join(reasons)}"
                )
            time.sleep(_POLL_S)

    def unrest(self) -> Iterator[str]:
        """Why it is not at rest: looks from outside first, and asks the program only if all is well."""
        down = [node for node in NODES if not self._is_up(node)]
        yield from (f"{node} is not up ({self.last_words(node)})" for node in down)
        if down:
            return
        owners = self.owners()
        if len(owners) != 1:
            yield f"{SERVICE_V4} is on {' and '.join(owners) or 'no Node'}"
        elif (answers := who_answers(self._lab)) != owners[0]:
            yield f"{SERVICE_V4} is on {owners[0]}, but the client is answered by {answers or 'nobody'}"
        else:
            yield from self.program.unrest(self._lab)

    def last_words(self, name: str) -> str:
        """The last line of its log on one Node."""
        log = self._lab.host(name).path(LOG)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return lines[-1] if lines else "its log is empty"

    def _configure(self, host: Host) -> None:
        web.install(host)
        memory = self._lab.directory / "hosts" / host.name / "shm"
        memory.mkdir(mode=0o1777, exist_ok=True)
        memory.chmod(0o1777)
        # corosync names its shared memory by process ids, which two hosts may have in common.
        host.bind(memory, "/dev/shm")
        for path, file in self.program.files(host.name, self.timing).items():
            target = host.path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.text)
            target.chmod(file.mode)
        if not self.program.starts_service:
            host.register(_WEB, _WEB_ARGV)
        for name, argv in self.program.daemons(host.name, self.timing).items():
            host.register(name, argv, log=LOG)

    def _start_web_servers(self) -> None:
        for node in NODES:
            if not self.program.starts_service and self._lab.host(node).is_on():
                self._lab.host(node).start(_WEB)

    def _everything(self, host: Host) -> list[Process]:
        helpers = [p for p in host.processes() if any(part in word for word in p.argv for part in _HELPERS)]
        return [*self.processes(host.name), *helpers]

    def _is_up(self, name: str) -> bool:
        if not self._lab.host(name).is_on():
            return False
        shown = {shown_name(process.argv) for process in self.processes(name)}
        return self.program.needed_processes <= shown

    def _has_address(self, host: Host) -> bool:
        if not host.is_on():
            return False
        told = host.exec(["ip", "-4", "-brief", "address", "show", "dev", SERVICE_LINK], check=False)
        return f"{SERVICE_V4}/" in told.stdout

    def _steady_s(self) -> float:
        return max(1.0, min(5.0, 1.2 * self.program.dead_s[self.timing]))


def program_named(name: str, timing: str) -> Program:
    """The program of this name, if it can be set to this timing."""
    if name not in PEERS:
        raise LabError(f"{name!r} is not a program of the lab: {', '.join(PEERS)}")
    program = PEERS[name]
    if timing not in program.dead_s:
        raise LabError(f"{program.title} has no timing {timing!r}: {', '.join(program.dead_s)}")
    return program
