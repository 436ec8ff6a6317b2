"""Faults of a host's means: no memory, no disk, no files, a wall clock that jumps; Links that flap.

And orders to the daemon that a sysadmin gives while something else goes wrong. For ``lab.faults``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ha_monitor.lab import clock
from ha_monitor.lab.cast import WITNESS
from ha_monitor.lab.daemons import PROGRAM, Daemons
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.memory import MemoryLimit
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.processes import kill_all_at_once, signal_all
from ha_monitor.lab.roles import daemon_processes

if TYPE_CHECKING:
    from ha_monitor.lab.faults import Blow

STATE_DIR = "/var/lib/ha-monitor"
TRAPPER = "trapper"
_FILL = "fill"
_ORDER_TIMEOUT_S = 90.0


# Orders


def standby(lab: Lab, blow: Blow) -> None:
    """``ha-monitor standby`` on the host; its groups move."""
    order(lab, blow.host, "standby")


def online(lab: Lab, blow: Blow) -> None:
    """The end of standby, also when the order was refused; a daemon that does not run yet is waited for."""
    Daemons(lab).start_on(blow.host)
    deadline = time.monotonic() + _ORDER_TIMEOUT_S
    while True:
        try:
            return order(lab, blow.host, "online")
        except LabError:
            if time.monotonic() > deadline or not lab.host(blow.host).is_on():
                raise
            time.sleep(0.3)


def order(lab: Lab, host: str, verb: str) -> None:
    """One of ha-monitor's own verbs on the host. Raises LabError when it is refused."""
    lab.host(host).exec([PROGRAM, verb], timeout=_ORDER_TIMEOUT_S)


# Processes, in an order


def kill_each(lab: Lab, blow: Blow) -> None:
    """SIGKILL to the named processes one after the other, ``amount`` ms apart."""
    for role in blow.what.split():
        kill_all_at_once(daemon_processes(lab.host(blow.host), role))
        time.sleep(blow.amount / 1000)


def end_trapper(lab: Lab, _blow: Blow) -> None:
    """The chaos run's sink ends; what is told meanwhile has to wait on the hosts' disks."""
    host = lab.host(WITNESS)
    signal_all([p for p in host.processes() if "ha_monitor.lab.chaos.trapper" in p.argv], signal.SIGKILL)


def start_trapper(lab: Lab, _blow: Blow) -> None:
    """The sink is there again."""
    if lab.host(WITNESS).is_on():
        lab.host(WITNESS).start(TRAPPER)


# Links

_flickering: dict[tuple[str, tuple[str, ...]], threading.Event] = {}


def flicker(lab: Lab, blow: Blow) -> None:
    """Carrier lost and back again, about ``amount`` ms each, for as long as this process lives."""
    is_over = _flickering.setdefault((lab.name, blow.ports), threading.Event())
    is_over.clear()
    thread = threading.Thread(target=_flicker, args=(lab, blow, is_over), daemon=True)
    thread.start()


def _flicker(lab: Lab, blow: Blow, is_over: threading.Event) -> None:
    draw = random.Random(f"{blow.host} {blow.ports} {blow.amount}")
    is_up = True
    while not is_over.wait(blow.amount / 1000 * draw.uniform(0.5, 1.5)):
        is_up = not is_up
        with contextlib.suppress(LabError):  # no cable while the host has no power
            (lab.switch.ports_up if is_up else lab.switch.ports_down)(blow.ports)
    if lab.host(blow.host).is_on():
        with contextlib.suppress(LabError):
            lab.switch.ports_up(blow.ports)
    _flickering.pop((lab.name, blow.ports), None)


def shine(lab: Lab, blow: Blow) -> None:
    """The carrier is there to stay."""
    key = (lab.name, blow.ports)
    if (is_over := _flickering.get(key)) is not None:
        is_over.set()
        while key in _flickering:
            time.sleep(0.005)
    elif lab.host(blow.host).is_on():
        lab.switch.ports_up(blow.ports)


# Disk, memory, files


def fill_disk(lab: Lab, blow: Blow) -> None:
    """Write until not a byte is left where the daemon keeps its state. The host needs a small disk there."""
    directory = lab.host(blow.host).path(STATE_DIR)
    if not os.path.ismount(directory):
        raise LabError(f"{blow.host}: {STATE_DIR} is no small disk of its own: only a chaos run has them")
    file = os.open(directory / _FILL, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(_Full):
                while True:
                    _write_all(file, b"\0" * size)
    finally:
        os.close(file)


class _Full(Exception):
    pass


def _write_all(file: int, data: bytes) -> None:
    try:
        os.write(file, data)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _Full from None


def empty_disk(lab: Lab, blow: Blow) -> None:
    """There is room again."""
    (lab.host(blow.host).path(STATE_DIR) / _FILL).unlink(missing_ok=True)


def take_memory(lab: Lab, blow: Blow) -> None:
    """A control group with almost no memory left around the daemon's processes; the kernel kills."""
    processes = daemon_processes(lab.host(blow.host))
    MemoryLimit(lab.name, blow.host).tighten([process.pid for process in processes])


def give_memory(lab: Lab, blow: Blow) -> None:
    """Memory for all again, and a daemon that is gone is started."""
    MemoryLimit(lab.name, blow.host).lift()
    if lab.host(blow.host).is_on():
        Daemons(lab).start_on(blow.host)


def take_files(lab: Lab, blow: Blow) -> None:
    """No process of the daemon can open one more file or socket; what is open stays open."""
    for process in daemon_processes(lab.host(blow.host)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            is_used = {int(fd) for fd in os.listdir(f"/proc/{process.pid}/fd")}
            free = next(number for number in range(len(is_used) + 1) if number not in is_used)
            _limit_files(process.pid, str(free))


def give_files(lab: Lab, blow: Blow) -> None:
    """The limit is what it was; a daemon that ended of it is started."""
    if not lab.host(blow.host).is_on():
        return
    for process in daemon_processes(lab.host(blow.host)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            _limit_files(process.pid, _hard_limit(process.pid))
    Daemons(lab).start_on(blow.host)


def _limit_files(pid: int, soft: str) -> None:
    owner = os.stat(f"/proc/{pid}").st_uid  # without CAP_SYS_RESOURCE only the same user may do it
    argv = ["prlimit", f"--pid={pid}", f"--nofile={soft}:"]
    subprocess.run(argv, user=owner, group=_group(pid), extra_groups=[], check=False, timeout=10)


def _group(pid: int) -> int:
    return os.stat(f"/proc/{pid}").st_gid


def _hard_limit(pid: int) -> str:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line.split()[4] for line in lines if line.startswith("Max open files"))


# The wall clock


def step_clock(lab: Lab, blow: Blow) -> None:
    """The wall clock of the host jumps by ``amount`` seconds, as its daemon's processes see it."""
    clock.step(_clock_file(lab, blow), blow.amount * 1_000_000_000)


def step_back(lab: Lab, blow: Blow) -> None:
    """Somebody sets it right: a second jump."""
    clock.step(_clock_file(lab, blow), 0)


def _clock_file(lab: Lab, blow: Blow) -> Path:
    path = lab.host(blow.host).path(clock.FILE)
    if not path.exists():
        raise LabError(f"{blow.host}: its wall clock cannot be stepped: only a chaos run prepares that")
    return path
