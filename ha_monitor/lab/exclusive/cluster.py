"""An exclusive group in a lab: the shared disk, the writer on it, a service address, two watchdogs."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

from ha_monitor.client import ask, parse_view
from ha_monitor.errors import ControlError
from ha_monitor.lab.cast import NODES, SERVICE_GROUP, SERVICE_V4, WITNESS
from ha_monitor.lab.daemons import Daemons, config_text
from ha_monitor.lab.exclusive import watchdog
from ha_monitor.lab.exclusive.disk import MOUNT_POINT, SharedDisk, remove_disk
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.layout import PACKAGE_ROOT
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.processes import kill_all_at_once, signal_all
from ha_monitor.lab.roles import daemon_processes
from ha_monitor.view import View

TIMING = "fast"
STOP_WITHIN, WATCHDOG_TIMEOUT, STOP_TIMEOUT = "3s", "1s", "500ms"
CGROUP_INSIDE = "/run/cgroup"
_SCRIPTS = "/etc/ha-monitor"
_READY_TIMEOUT_S = 20.0
_STATUS_SOCKET, _ASK_TIMEOUT_S = "/run/ha-monitor/status.sock", 3.0

_DISK_SCRIPT = """#!/bin/sh
# The shared disk: mounted, not mounted.
case $1 in
start) mkdir -p {place}; mountpoint -q {place} || exec {mount};;
stop) mountpoint -q {place} || exit 0; exec umount {place};;
status) mountpoint -q {place} && exit 0; exit 3;;
esac
"""
_WRITER_SCRIPT = """#!/bin/sh
# The writer on the shared disk.
pid=$(cat /run/writer.pid 2>/dev/null)
case $1 in
start)
    export PYTHONPATH={root}
    module=ha_monitor.lab.exclusive.writer
    setsid {python} -S -P -m $module {place} {node} </dev/null >>/run/writer.log 2>&1 &
    echo $! >/run/writer.pid;;
stop) [ -n "$pid" ] && kill "$pid" 2>/dev/null
    while [ -d "/proc/$pid" ]; do sleep 0.01; done;;
status) [ -n "$pid" ] && [ -d "/proc/$pid" ] && exit 0; exit 3;;
esac
"""


def exclusive_config(timing: str = TIMING, is_exclusive: bool = True) -> str:
    """cluster.toml of the lab; not exclusive for the control run, which has neither guard nor watchdog."""
    commands = [
        f'{{ command = "{name}", start = "{_SCRIPTS}/{name} start", stop = "{_SCRIPTS}/{name} stop", '
        f'status = "{_SCRIPTS}/{name} status", stop_timeout = "{STOP_TIMEOUT}" }}'
        for name in ("san", "writer")
    ]
    text = config_text(timing, [*commands, f'{{ vip = "{SERVICE_V4}/24" }}'])
    if not is_exclusive:
        return text
    wanted = f'exclusive = true\nstop_within = "{STOP_WITHIN}"\n'
    text = text.replace(f"[groups.{SERVICE_GROUP}]\n", f"[groups.{SERVICE_GROUP}]\n{wanted}")
    device = f'[watchdog]\ndevice = "{watchdog.INSIDE}"\ntimeout = "{WATCHDOG_TIMEOUT}"\n'
    return f"{text}\n{device}"


class AskedDaemons(Daemons):
    """Asked at their sockets from outside: a program for each question would be the lab's main load."""

    def status(self, name: str) -> View | None:
        """What one daemon says, or None when it cannot be asked."""
        init = self._lab.host(name).init()
        if init is None:
            return None
        try:
            return parse_view(ask(Path(f"/proc/{init.pid}/root{_STATUS_SOCKET}"), b"", _ASK_TIMEOUT_S))
        except ControlError:
            return None


class ExclusiveCluster:
    """Brought up and taken down with its lab; a context manager."""

    def __init__(self, lab: Lab, kind: str, timing: str = TIMING, is_exclusive: bool = True) -> None:
        self.lab = lab
        self.disk = SharedDisk(lab, kind)
        self.daemons = AskedDaemons(lab)
        self.is_exclusive = is_exclusive
        self._timing = timing
        self._doubles: list[subprocess.Popen[str]] = []

    def __enter__(self) -> ExclusiveCluster:
        try:
            self._build()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()

    def _build(self) -> None:
        self.disk.make()
        self.daemons.configure(exclusive_config(self._timing, self.is_exclusive))
        for node in NODES:
            host = self.lab.host(node)
            self._write(node, "san", _DISK_SCRIPT.format(place=MOUNT_POINT, mount=self.disk.mount_line(node)))
            values = {"root": PACKAGE_ROOT, "python": sys.executable, "place": MOUNT_POINT, "node": node}
            self._write(node, "writer", _WRITER_SCRIPT.format(**values))
            host.bind(self._cgroup(node), CGROUP_INSIDE)
            if self.is_exclusive:
                self._start_double(node)
                host.bind(watchdog.place_of(self.lab, node), watchdog.INSIDE)
        for name in (*NODES, WITNESS):
            self.daemons.start_on(name)

    def _write(self, node: str, name: str, text: str) -> None:
        path = self.lab.host(node).path(f"{_SCRIPTS}/{name}")
        path.write_text(text)
        path.chmod(0o755)

    def _start_double(self, node: str) -> None:
        command = [sys.executable, "-P", "-m", "ha_monitor.lab.exclusive.watchdog"]
        double = subprocess.Popen(
            [*command, self.lab.name, node, self.disk.kind],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._doubles.append(double)
        assert double.stdout is not None
        if double.stdout.readline() != "ready\n":
            raise LabError(f"{node}: the double of its watchdog did not start")

    def _cgroup(self, node: str) -> Path:
        path = cgroup_root() / _cgroup_name(self.lab) / node
        path.mkdir(parents=True, exist_ok=True)
        return path

    def heal(self) -> None:
        """Whatever was done to the Nodes: power, life, daemons."""
        for node in NODES:
            self._boot(node)
            signal_all(daemon_processes(self.lab.host(node)), signal.SIGCONT)
        for name in (*NODES, WITNESS):
            self.daemons.start_on(name)

    def wait_settled(self, timeout_s: float = 60.0) -> None:
        """Until all three are well. Raises LabError that says what is not.

        A Node that its watchdog resets meanwhile boots again, as a machine does.
        """
        deadline = time.monotonic() + timeout_s
        while reasons := self.daemons.unsettled():
            if time.monotonic() > deadline:
                raise LabError(f"not settled after {timeout_s:g} s: {'; '.join(reasons)}")
            for node in NODES:
                self._boot(node)
            time.sleep(0.1)

    def _boot(self, node: str) -> None:
        if not self.lab.host(node).is_on():
            with watchdog.plug_of(self.lab, node):
                self.lab.host(node).power_on()

    def state_text(self) -> str:
        """What stands where, for a run that could not be played to its end."""
        words = [f"{name}: {self.daemons.last_words(name)}" for name in NODES if self.lab.host(name).is_on()]
        mounted = [name for name in NODES if self.disk.is_mounted(name)]
        return "; ".join([*self.daemons.unsettled(), *words, f"mounted on {mounted or 'no Node'}"])

    def remove(self) -> None:
        """End the daemons and what they ran; leave no mount, no loop device, no cgroup."""
        remove_exclusive(self.lab)
        for double in self._doubles:
            with contextlib.suppress(subprocess.TimeoutExpired):
                double.wait(_READY_TIMEOUT_S)
            if double.stdout is not None:
                double.stdout.close()


def remove_exclusive(lab: Lab) -> None:
    """What a lab with an exclusive group leaves on the machine besides the lab itself."""
    for node in NODES:
        host = lab.host(node)
        if host.is_on():
            kill_all_at_once(host.processes())
            with watchdog.plug_of(lab, node), contextlib.suppress(LabError):
                host.power_off()
    watchdog.remove_doubles(lab)
    with contextlib.suppress(LabError):
        remove_disk(lab)
    remove_cgroups(lab)


def remove_cgroups(lab: Lab) -> None:
    """Of both Nodes: empty as soon as the last process there is reaped."""
    top = cgroup_root() / _cgroup_name(lab)
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while top.exists() and time.monotonic() < deadline:
        for path in sorted(top.glob("**/"), reverse=True):
            with contextlib.suppress(OSError):
                path.rmdir()
        time.sleep(0.02 if top.exists() else 0)


def _cgroup_name(lab: Lab) -> str:
    return f"ha-monitor-lab-{lab.name}"


def cgroup_root() -> Path:
    """Where this machine has cgroups of version 2. Raises LabError."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split(" ")[4])
    raise LabError(
        "no cgroups of version 2 are mounted on this machine: mount -t cgroup2 none /sys/fs/cgroup"
    )
