"""ucarp: CARP on the Link of the address, started as Debian's ifupdown script does it.

Its intervals are whole seconds, so ``fast`` is beyond it. It looks at no service.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence

from ha_monitor.lab.cast import SERVICE_LINK, SERVICE_V4
from ha_monitor.lab.host import Host
from ha_monitor.lab.peers.program import DEFAULT, LAN, VIP, File, Program, address, is_preferred, shown_name
from ha_monitor.lab.processes import Process, signal_all

UP, DOWN = "/etc/ucarp/vip-up", "/etc/ucarp/vip-down"
# How many intervals of one second may pass in silence; the standby adds its skew.
_DEADRATIO = {DEFAULT: 3, LAN: 1}
_SKEW = 20  # in 1/256 s


def _files(_node: str, _timing: str) -> dict[str, File]:
    up = f'#!/bin/sh\nexec ip address add {VIP} dev "$1"\n'
    down = f'#!/bin/sh\nexec ip address del {VIP} dev "$1"\n'
    return {UP: File(up, 0o755), DOWN: File(down, 0o755)}


def _daemons(node: str, timing: str) -> dict[str, Sequence[str]]:
    rank = ["-P"] if is_preferred(node) else ["-k", str(_SKEW)]
    ratio = [] if timing == DEFAULT else ["-b", "1", "-r", str(_DEADRATIO[timing])]
    argv = ["/usr/sbin/ucarp", "-i", SERVICE_LINK, "-s", address(node), "-z", "-v", "1", "-p", "lab"]
    return {"ucarp": (*argv, "-a", SERVICE_V4, "-u", UP, "-d", DOWN, *rank, *ratio)}


def _running(host: Host) -> list[Process]:
    return [process for process in host.processes() if shown_name(process.argv) == "ucarp"]


def _stop(host: Host) -> None:
    signal_all(_running(host), signal.SIGTERM)


def _switch(host: Host, _timing: str) -> None:
    signal_all(_running(host), signal.SIGUSR2)


UCARP = Program(
    name="ucarp",
    title="ucarp",
    process_names=frozenset({"ucarp"}),
    needed_processes=frozenset({"ucarp"}),
    dead_s={timing: ratio + _SKEW / 256 for timing, ratio in _DEADRATIO.items()},
    files=_files,
    daemons=_daemons,
    stop=_stop,
    switch=_switch,
)
