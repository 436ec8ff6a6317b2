"""Heartbeat 3.0 with haresources: both Links, and ipfail with the monitoring server as ping node.

It looks at no service.
"""

from __future__ import annotations

from collections.abc import Sequence

from ha_monitor.lab.cast import CAST, LINKS, NODES, SERVICE_LINK, WITNESS
from ha_monitor.lab.host import Host
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.peers.program import DEFAULT, FAST, LAN, LOG, VIP, File, Program, address, peer_of

_PROGRAM = "/usr/libexec/heartbeat/heartbeat"
_IPFAIL = "/usr/libexec/heartbeat/ipfail"
_TIMES = {
    DEFAULT: "",
    LAN: "keepalive 100ms\nwarntime 500ms\ndeadtime 1\ndeadping 1\ninitdead 2\n",
    FAST: "keepalive 50ms\nwarntime 250ms\ndeadtime 500ms\ndeadping 500ms\ninitdead 2\n",
}
# What /usr/lib/tmpfiles.d/heartbeat.conf makes at boot.
_START = f"""\
install -d -m 750 -o hacluster -g haclient /run/heartbeat /run/heartbeat/ccm /run/heartbeat/dopd /run/crm
install -d -m 1755 /run/resource-agents
exec {_PROGRAM} -f
"""
# Which share of the resources a Node holds; "transition" is what it says in between.
_RESTING = {"all", "none", "local", "foreign"}


def ha_cf(timing: str) -> str:
    """ha.cf, the same on both Nodes."""
    paths = "".join(f"ucast {link} {CAST[node].v4(link)}\n" for link in reversed(LINKS) for node in NODES)
    return (
        f"logfile {LOG}\n{_TIMES[timing]}{paths}auto_failback off\nnode {' '.join(NODES)}\n"
        f"ping {address(WITNESS)}\nrespawn hacluster {_IPFAIL}\n"
    )


def _files(_node: str, timing: str) -> dict[str, File]:
    return {
        "/etc/ha.d/ha.cf": File(ha_cf(timing)),
        "/etc/ha.d/haresources": File(f"{NODES[0]} IPaddr2::{VIP}/{SERVICE_LINK}\n"),
        "/etc/ha.d/authkeys": File("auth 1\n1 sha1 lab\n", 0o600),
    }


def _daemons(_node: str, _timing: str) -> dict[str, Sequence[str]]:
    return {"heartbeat": ("/bin/sh", "-c", _START)}


def _stop(host: Host) -> None:
    host.exec([_PROGRAM, "-k"], timeout=120)


def _switch(host: Host, _timing: str) -> None:
    host.exec(["/usr/share/heartbeat/hb_standby", "all"])


def _unrest(lab: Lab) -> list[str]:
    found = []
    for node in NODES:
        state, holds = (
            _asked(lab.host(node), "nodestatus", peer_of(node)),
            _asked(lab.host(node), "rscstatus"),
        )
        found += [] if state == "active" else [f"{node} sees its peer {state}"]
        found += [] if holds in _RESTING else [f"{node} holds {holds}"]
    return found


def _asked(host: Host, *question: str) -> str:
    return host.exec(["cl_status", *question], check=False, timeout=10).stdout.strip() or "not running"


HEARTBEAT = Program(
    name="heartbeat",
    title="Heartbeat",
    process_names=frozenset({"heartbeat", "ipfail", "ccm", "dopd"}),
    needed_processes=frozenset({"heartbeat", "ipfail"}),
    dead_s={DEFAULT: 30.0, LAN: 1.0, FAST: 0.5},
    files=_files,
    daemons=_daemons,
    stop=_stop,
    switch=_switch,
    unrest=_unrest,
)
