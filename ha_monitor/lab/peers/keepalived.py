"""keepalived: VRRP on the Link of the address, as its manual shows for a pair with one address.

The preferred Node takes the address back (``preempt`` is keepalived's default). The web server is
looked at by a script each second, the shortest interval there is; ``track_process`` would see its
death at once on a real host, but the kernel tells of processes in its first network namespace only.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence

from ha_monitor.lab.cast import NODES, SERVICE_LINK
from ha_monitor.lab.host import Host
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.peers.program import DEFAULT, FAST, LAN, VIP, File, Program, is_preferred, shown_name
from ha_monitor.lab.processes import signal_all
from ha_monitor.lab.stack.web import PIDFILE

CONFIG, CHECK = "/etc/keepalived/keepalived.conf", "/etc/keepalived/check-web"
# The standby takes over after three adverts and a part of one that depends on its priority:
# 3 + (256 - 100) / 256 = 3.61 intervals.
INTERVAL_S = {DEFAULT: 1.0, LAN: 0.28, FAST: 0.14}
_INTERVALS_DEAD = 3 + (256 - 100) / 256
_PREFERRED, _STANDBY, _SWITCHED_AWAY = 150, 100, 50

_CONFIG = """\
global_defs {{
    router_id {node}{version}
    enable_script_security
    script_user root
}}
vrrp_script web {{
    script "{check}"
    interval 1
    fall 1
    rise 1
}}
vrrp_instance VI_1 {{
    state {state}
    interface {link}
    virtual_router_id 51
    priority {priority}
    advert_int {interval:g}
    virtual_ipaddress {{
        {vip} dev {link}
    }}
    track_script {{
        web
    }}
}}
"""


def config(node: str, timing: str, priority: int) -> str:
    """keepalived.conf of one Node."""
    interval_s = INTERVAL_S[timing]
    return _CONFIG.format(
        node=node,
        # Only VRRP version 3 has intervals that are not whole seconds.
        version="" if interval_s >= 1 else "\n    vrrp_version 3",
        check=CHECK,
        state="MASTER" if is_preferred(node) else "BACKUP",
        link=SERVICE_LINK,
        priority=priority,
        interval=interval_s,
        vip=VIP,
    )


def _files(node: str, timing: str) -> dict[str, File]:
    priority = _PREFERRED if is_preferred(node) else _STANDBY
    check = f"#!/bin/sh\nkill -0 $(cat {PIDFILE})\n"
    return {CONFIG: File(config(node, timing, priority)), CHECK: File(check, 0o755)}


def _daemons(_node: str, _timing: str) -> dict[str, Sequence[str]]:
    return {"keepalived": ("/usr/sbin/keepalived", "--dont-fork", "--log-console")}


def _stop(host: Host) -> None:
    _signal(host, signal.SIGTERM)


def _switch(host: Host, timing: str) -> None:
    host.path(CONFIG).write_text(config(host.name, timing, _SWITCHED_AWAY))
    _signal(host, signal.SIGHUP)


def _undo_switch(lab: Lab, timing: str) -> None:
    for node in NODES:
        host = lab.host(node)
        wanted = _files(node, timing)[CONFIG].text
        if host.path(CONFIG).read_text() != wanted:
            host.path(CONFIG).write_text(wanted)
            _signal(host, signal.SIGHUP)


def _signal(host: Host, number: int) -> None:
    """To the parent, as its unit does: the process of the lowest number."""
    found = sorted((p for p in host.processes() if shown_name(p.argv) == "keepalived"), key=lambda p: p.pid)
    signal_all(found[:1], number)


KEEPALIVED = Program(
    name="keepalived",
    title="keepalived",
    process_names=frozenset({"keepalived"}),
    needed_processes=frozenset({"keepalived"}),
    dead_s={timing: _INTERVALS_DEAD * interval for timing, interval in INTERVAL_S.items()},
    files=_files,
    daemons=_daemons,
    stop=_stop,
    switch=_switch,
    undo_switch=_undo_switch,
    monitors_service=True,
)
