"""One host of the lab: start, power-off, processes inside it, files seen from outside.

A host is a network namespace with a name, and a process 1 that owns new mount, pid, uts and ipc
namespaces. It runs on the machine's own root file system, but /etc and /var are overlays (what is
written there stays with the host), and /run, /tmp, /var/log and ha-monitor's directories its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ha_monitor.lab import kernel, layout
from ha_monitor.lab.cast import Member
from ha_monitor.lab.layout import PACKAGE_ROOT, Layout
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.processes import (
    Process,
    end_all_in_network,
    kill_and_reap,
    pid_inside,
    pids_in_namespace,
)
from ha_monitor.lab.state import Daemon, ProcessId, StateFile
from ha_monitor.lab.switch import Switch, ip_batch

_NAMESPACES = {
    "net": kernel.CLONE_NEWNET,
    "uts": kernel.CLONE_NEWUTS,
    "ipc": kernel.CLONE_NEWIPC,
    "mnt": kernel.CLONE_NEWNS,
}


class Host:
    """One host of a lab. Obtain it with ``Lab.host``."""

    def __init__(
        self, lab_name: str, directory: Path, state: StateFile, member: Member, switch: Switch
    ) -> None:
        self.member = member
        self.name = member.name
        self.namespace = f"{lab_name}-{member.name}"
        self._layout = Layout(directory / "hosts" / member.name)
        self._state = state
        self._switch = switch

    # Power

    def power_on(self) -> None:
        """Lay the cables and start the host; nothing happens when it runs already."""
        if self.is_on():
            return
        self._layout.make()
        ip_batch([f"netns add {self.namespace}"])
        self._switch.plug_in(self.member, self.namespace)
        ip_batch(self._network_commands(), self.namespace)
        init = self._start_init()
        with self._state.change() as state:
            state.inits[self.name] = init
            names = list(state.daemons.get(self.name, {}))
        for name in names:
            self.start(name)

    def power_off(self) -> None:
        """No carrier and no process from one moment to the next; the disk keeps what it holds."""
        init = self.init()
        ports = [self.member.port(link) for link in self.member.links]
        # Nothing leaves first: a daemon that saw its carrier go would still say goodbye on the other Link.
        self._switch.ports_blackhole(ports)
        if init is not None:
            kill_and_reap(init)
        self._switch.ports_down(ports)
        self._switch.remove_ports(self.member)
        ip_batch([f"netns del {self.namespace}"])
        with self._state.change() as state:
            state.inits.pop(self.name, None)

    def is_on(self) -> bool:
        """Whether the host has power."""
        return self.init() is not None

    def init(self) -> ProcessId | None:
        """Process 1 of the host, or None when it has no power."""
        known = self._state.read().inits.get(self.name)
        return known if known is not None and known.is_alive() else None

    def kill_leftovers(self) -> None:
        """End every process that lives in this host's network, known or not."""
        with contextlib.suppress(FileNotFoundError):
            end_all_in_network(self.network_path)

    # Processes inside

    def exec(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 30.0,
        check: bool = True,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end (seconds at most) and return what it wrote.

        Raises LabError when it cannot be run, takes too long, or fails while ``check`` is set.
        """
        pipe = subprocess.PIPE
        process = self.popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env)
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except BaseException as error:
            # Also when interrupted: a child that nobody reaps keeps the whole host from ending.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise LabError(f"{self.name}: {' '.join(argv)}: still running after {timeout:g} s") from None
            raise
        if check and process.returncode != 0:
            raise LabError(
                f"{self.name}: {' '.join(argv)}: exit {process.returncode}: {(err or out).strip()}"
            )
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a program inside the host; the Popen is an ordinary child with its outside pid.

        It gets a session of its own. When the caller ends it goes on, but nothing in the host
        reaps it: for daemons use ``spawn``.
        """
        return self._popen(argv, lambda: None, options)

    def _popen(
        self, argv: Sequence[str], then: Callable[[], None], options: dict[str, Any]
    ) -> subprocess.Popen[Any]:
        options.setdefault("start_new_session", True)
        with self._entrance() as (enter_pid, enter_rest), kernel.children_in(enter_pid):

            def enter() -> None:
                enter_rest()
                then()

            try:
                return subprocess.Popen(list(argv), preexec_fn=enter, **options)  # noqa: PLW1509
            except FileNotFoundError as error:
                raise LabError(f"{self.name}: {argv[0]}: {error.strerror}") from None
            except (OSError, subprocess.SubprocessError) as error:
                raise LabError(f"{self.name}: cannot start {argv[0]}: {error}") from None

    def spawn(
        self, argv: Sequence[str], *, log: str = "/dev/null", env: Mapping[str, str] | None = None
    ) -> ProcessId:
        """Start a daemon: a child of the host's process 1, its output appended to ``log`` inside."""
        script = 'log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 & echo $!'
        told = self.exec(["/bin/sh", "-c", script, "sh", log, *argv], env=env)
        inside = int(told.stdout)
        for process in self._outside_pids():
            if pid_inside(process) == inside and (found := ProcessId.of(process)):
                return found
        raise LabError(f"{self.name}: {argv[0]} ended at once; see {log} there")

    def register(self, name: str, argv: Sequence[str], *, log: str = "/dev/null") -> None:
        """Make a daemon known: ``start`` and every power-on start it with this command line."""
        with self._state.change() as state:
            known = state.daemons.setdefault(self.name, {})
            process = known[name].process if name in known else None
            known[name] = Daemon(list(argv), log, process)

    def forget(self, name: str) -> None:
        """A registered daemon is not started any more; one that runs goes on."""
        with self._state.change() as state:
            state.daemons.get(self.name, {}).pop(name, None)

    def start(self, name: str) -> ProcessId:
        """Start a registered daemon unless it runs."""
        daemon = self._state.read().daemons.get(self.name, {}).get(name)
        if daemon is None:
            raise LabError(f"{self.name}: no daemon {name!r} was registered")
        if daemon.process is not None and daemon.process.is_alive():
            return daemon.process
        process = self.spawn(daemon.argv, log=daemon.log)
        with self._state.change() as state:
            state.daemons[self.name][name].process = process
        return process

    def processes(self) -> list[Process]:
        """All processes of the host but its process 1 and those that wait to be reaped."""
        found = (Process.of(pid) for pid in self._outside_pids())
        return [process for process in found if process is not None]

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of this process that lives in the host's network."""
        with kernel.in_network(self.network_path):
            return socket.socket(family, kind, protocol)

    @property
    def network_path(self) -> str:
        """The name of the host's network namespace in the file system."""
        return f"/run/netns/{self.namespace}"

    # Files

    def path(self, inside: str) -> Path:
        """A file of the host as the machine outside can open it.

        What is the host's own can be opened without power as well.
        """
        # What was bound later covers what was there before.
        latest_first = list(reversed(self._mounts()))
        for source, target in sorted(latest_first, key=lambda pair: -len(pair[1])):
            if inside == target or inside.startswith(target + "/"):
                return Path(source + inside[len(target) :])
        init = self.init()
        if init is None:
            raise LabError(f"{self.name}: has no power, {inside} cannot be opened")
        return Path(f"/proc/{init.pid}/root{inside}")

    def bind(self, private: str | Path, target: str) -> None:
        """Show a directory or file of the machine at ``target`` inside, now and after power-on."""
        source = str(private)
        if not os.path.exists(source):
            raise LabError(f"{self.name}: {source}: does not exist, cannot be shown at {target}")
        if (source, target) in self._state.read().binds.get(self.name, []):
            return
        if self.is_on():
            self._bind_now(source, target)
        with self._state.change() as state:
            state.binds.setdefault(self.name, []).append((source, target))

    def _bind_now(self, source: str, target: str) -> None:
        inside = self.path(target)
        if not inside.exists():
            if os.path.isdir(source):
                inside.mkdir(parents=True)
            else:
                inside.parent.mkdir(parents=True, exist_ok=True)
                inside.touch()
        tree = kernel.pick_up(source)
        try:
            self._popen(["/bin/true"], lambda: kernel.put_down(tree, target), {}).wait()
        finally:
            os.close(tree)

    # How it is built

    def _network_commands(self) -> list[str]:
        commands = ["link set lo up"]
        for link in self.member.links:
            commands += [
                f"link set {link} up",
                f"address add {self.member.v4(link)}/24 broadcast + dev {link}",
                f"address add {self.member.v6(link)}/64 dev {link} nodad",
            ]
        return commands

    def _description(self) -> str:
        return json.dumps(
            {
                "name": self.name,
                "mounts": self._layout.mounts(),
                "binds": self._binds(),
                "overlays": self._layout.overlays(),
                "needed": [str(path) for path in layout.hidden()],
                "sysctls": _sysctls(self.member),
            }
        )

    def _mounts(self) -> list[tuple[str, str]]:
        return self._layout.mounts() + self._binds()

    def _binds(self) -> list[tuple[str, str]]:
        return self._state.read().binds.get(self.name, [])

    def _start_init(self) -> ProcessId:
        network = os.open(self.network_path, os.O_RDONLY | os.O_CLOEXEC)

        def enter() -> None:
            kernel.setns(network, kernel.CLONE_NEWNET)
            kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC)

        argv = [sys.executable, "-S", "-P", "-m", "ha_monitor.lab.init"]
        options: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        options |= {"text": True, "cwd": "/", "start_new_session": True}
        options["env"] = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(PACKAGE_ROOT)}
        try:
            with kernel.children_in(lambda: kernel.unshare(kernel.CLONE_NEWPID)):
                # Only a child with one thread may leave its mount namespace: hence between
                # fork and exec, where ``enter`` does nothing but system calls.
                process = subprocess.Popen(argv, preexec_fn=enter, **options)  # noqa: PLW1509
        finally:
            os.close(network)
        return self._wait_until_ready(process)

    def _wait_until_ready(self, process: subprocess.Popen[str]) -> ProcessId:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(self._description())
            process.stdin.close()
        said = process.stdout.readline()
        identity = ProcessId.of(process.pid)
        if said != "ready\n" or identity is None:
            complaint = process.stderr.read().strip().rpartition("\n")[2]
            process.kill()
            process.wait()
            raise LabError(f"{self.name}: the host did not start: {complaint or 'no reason given'}")
        process.stdout.close()
        process.stderr.close()
        # The process outlives this object on purpose: it is found again through the state file.
        process.returncode = 0
        return identity

    @contextlib.contextmanager
    def _entrance(self) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
        init = self.init()
        if init is None:
            raise LabError(f"{self.name}: has no power")
        kinds = {"pid": kernel.CLONE_NEWPID, **_NAMESPACES}
        with contextlib.ExitStack() as stack:
            fds = {}
            for name in kinds:
                fds[name] = os.open(f"/proc/{init.pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
                stack.callback(os.close, fds[name])
            root = os.open(f"/proc/{init.pid}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, root)

            def enter_rest() -> None:
                for name, kind in _NAMESPACES.items():
                    kernel.setns(fds[name], kind)
                # Joining a mount namespace leads to the machine's root, also out of a chroot.
                os.fchdir(root)
                os.chroot(".")

            yield lambda: kernel.setns(fds["pid"], kernel.CLONE_NEWPID), enter_rest

    def _outside_pids(self) -> list[int]:
        init = self.init()
        if init is None:
            return []
        namespace = os.stat(f"/proc/{init.pid}/ns/pid").st_ino
        return [pid for pid in pids_in_namespace("pid", namespace) if pid != init.pid]


def _sysctls(member: Member) -> dict[str, str]:
    # One waiting packet for an unanswered neighbour, not hundreds: else a client's probes that
    # were sent before a Takeover would be answered after it, and the outage would look short.
    if member.is_node:
        return {}
    return {
        f"net/{version}/neigh/{link}/unres_qlen_bytes": "0"
        for version in ("ipv4", "ipv6")
        for link in member.links
    }
