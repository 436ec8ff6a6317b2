"""Pacemaker on corosync: both Links, no STONITH, resources that stay where they are.

The web server is a clone that Pacemaker starts and probes, the address stands with it, and a ping of
the monitoring server tells a Node whether it reaches the LAN. Without STONITH it is not how its
makers advise to run it: no power switch exists in the lab, and none of the others here has one.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence

from ha_monitor.lab.cast import CAST, LINKS, NODES, SERVICE_LINK, SERVICE_V4, WITNESS
from ha_monitor.lab.host import Host
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.peers.program import DEFAULT, FAST, LAN, LOG, File, Program, address, peer_of, shown_name
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.processes import signal_all
from ha_monitor.lab.stack.web import CONTROL

# A Node is given up after token + consensus; consensus must be 1.2 tokens at least (corosync.conf(5)).
TOKEN_CONSENSUS_MS = {DEFAULT: (3000, 3600), LAN: (455, 546), FAST: (228, 274)}
INIT_SCRIPT = "/etc/init.d/lab-web"
_TAKES_ORDERS_WITHIN_S = 60.0
_CIB = "/etc/pacemaker/lab-cib.xml"
_LOOK = {DEFAULT: "1s", LAN: "1s", FAST: "500ms"}

_COROSYNC = """\
totem {{
    version: 2
    cluster_name: lab
    transport: knet
    crypto_cipher: none
    crypto_hash: none
{times}}}
quorum {{
    provider: corosync_votequorum
    two_node: 1
    wait_for_all: 0
}}
nodelist {{
{nodes}}}
logging {{
    to_logfile: yes
    logfile: {log}
    to_syslog: no
    timestamp: hires
}}
"""
_NODE = """\
    node {{
        nodeid: {number}
        name: {name}
{rings}    }}
"""
_CIB_XML = """\
<configuration>
  <crm_config><cluster_property_set id="options">
    <nvpair id="o1" name="stonith-enabled" value="false"/>
    <nvpair id="o2" name="no-quorum-policy" value="ignore"/>
  </cluster_property_set></crm_config>
  <nodes/>
  <resources>
    <primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2">
      <instance_attributes id="vip-a"><nvpair id="vip-ip" name="ip" value="{vip}"/>
        <nvpair id="vip-mask" name="cidr_netmask" value="24"/><nvpair id="vip-nic" name="nic" value="{link}"/>
      </instance_attributes>
      <operations><op id="vip-monitor" name="monitor" interval="{look}"/></operations>
    </primitive>
    <clone id="web-clone"><primitive id="web" class="lsb" type="lab-web">
      <operations><op id="web-monitor" name="monitor" interval="{look}"/></operations>
    </primitive></clone>
    <clone id="ping-clone"><primitive id="ping" class="ocf" provider="pacemaker" type="ping">
      <instance_attributes id="ping-a"><nvpair id="ping-host" name="host_list" value="{ping}"/>
        <nvpair id="ping-attempts" name="attempts" value="1"/>
        <nvpair id="ping-timeout" name="timeout" value="1"/>
        <nvpair id="ping-dampen" name="dampen" value="0"/>
      </instance_attributes>
      <operations><op id="ping-monitor" name="monitor" interval="1s" timeout="10s"/></operations>
    </primitive></clone>
  </resources>
  <constraints>
    <rsc_location id="preferred" rsc="vip" node="{preferred}" score="50"/>
    <rsc_colocation id="with-web" rsc="vip" with-rsc="web-clone" score="INFINITY"/>
    <rsc_location id="reaches-lan" rsc="vip"><rule id="r" score="-INFINITY" boolean-op="or">
      <expression id="r1" attribute="pingd" operation="not_defined"/>
      <expression id="r2" attribute="pingd" operation="lt" value="1" type="number"/>
    </rule></rsc_location>
  </constraints>
  <rsc_defaults><meta_attributes id="defaults">
    <nvpair id="d1" name="resource-stickiness" value="100"/>
  </meta_attributes></rsc_defaults>
</configuration>
"""
# Pacemaker's unit starts after corosync is ready; here a loop waits for it.
_START_PACEMAKER = """\
tries=300
until corosync-quorumtool -s >/dev/null 2>&1 || [ $tries = 0 ]; do sleep 0.1; tries=$((tries - 1)); done
install -d -m 750 -o hacluster -g haclient /run/crm
install -d -m 1755 /run/resource-agents
exec /usr/sbin/pacemakerd
"""


_UNTIL_PACEMAKER_ENDED = """\
tries=600
while pidof pacemakerd >/dev/null && [ $tries -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
"""
_PARTS = ("d", "-based", "-fenced", "-execd", "-attrd", "-schedulerd", "-controld")
_PROCESSES = frozenset({"corosync", *(f"pacemaker{part}" for part in _PARTS)})


def corosync_conf(timing: str) -> str:
    """corosync.conf, the same on both Nodes."""
    token, consensus = TOKEN_CONSENSUS_MS[timing]
    times = "" if timing == DEFAULT else f"    token: {token}\n    consensus: {consensus}\n"
    nodes = "".join(
        _NODE.format(
            number=number,
            name=node,
            rings="".join(
                f"        ring{ring}_addr: {CAST[node].v4(link)}\n"
                for ring, link in enumerate(reversed(LINKS))
            ),
        )
        for number, node in enumerate(NODES, 1)
    )
    return _COROSYNC.format(times=times, nodes=nodes, log=LOG)


def cib_xml(timing: str) -> str:
    """The cluster's configuration as cibadmin takes it."""
    return _CIB_XML.format(
        vip=SERVICE_V4, link=SERVICE_LINK, ping=address(WITNESS), preferred=NODES[0], look=_LOOK[timing]
    )


def _files(_node: str, timing: str) -> dict[str, File]:
    return {
        "/etc/corosync/corosync.conf": File(corosync_conf(timing)),
        _CIB: File(cib_xml(timing)),
        INIT_SCRIPT: File(f'#!/bin/sh\nexec {CONTROL} "$@"\n', 0o755),
    }


def _daemons(_node: str, _timing: str) -> dict[str, Sequence[str]]:
    return {
        "corosync": ("/usr/sbin/corosync", "-f"),
        "pacemaker": ("/bin/sh", "-c", _START_PACEMAKER),
    }


def _started(lab: Lab, _timing: str) -> None:
    """Configure it as soon as it takes orders."""
    replace = ["cibadmin", "--replace", "--scope", "configuration", "--xml-file", _CIB]
    deadline = time.monotonic() + _TAKES_ORDERS_WITHIN_S
    while (told := lab.host(NODES[0]).exec(replace, check=False, timeout=60)).returncode:
        if time.monotonic() > deadline:
            raise LabError(f"{NODES[0]}: Pacemaker takes no orders: {told.stderr.strip()}")
        time.sleep(1)


def _stop(host: Host) -> None:
    # As the units do: Pacemaker first, which moves what it runs, then corosync.
    signal_all((p for p in host.processes() if shown_name(p.argv) == "pacemakerd"), signal.SIGTERM)
    host.exec(["/bin/sh", "-c", _UNTIL_PACEMAKER_ENDED], timeout=90)
    host.exec(["corosync-cfgtool", "-H", "--force"], timeout=30, check=False)


def _switch(host: Host, _timing: str) -> None:
    host.exec(["crm_resource", "--resource", "vip", "--move", "--node", peer_of(host.name)])


def _undo_switch(lab: Lab, _timing: str) -> None:
    for order in (["--resource", "vip", "--clear"], ["--cleanup"]):
        lab.host(NODES[0]).exec(["crm_resource", *order], check=False, timeout=60)


def _unrest(lab: Lab) -> list[str]:
    found = []
    for node in NODES:
        try:
            told = lab.host(node).exec(["crm_mon", "--one-shot", "--as-xml"], check=False, timeout=15)
        except LabError as error:
            found.append(str(error))
        else:
            found += [f"{node}: {reason}" for reason in _unrest_told(told.stdout)]
    return found


def _unrest_told(xml: str) -> list[str]:
    """What crm_mon shows that is not at rest."""
    missing = [node for node in NODES if f'<node name="{node}" ' not in xml]
    if missing or not xml:
        return [f"{', '.join(missing) or 'nothing'} not known yet"]
    offline = [
        node for node in NODES if f'<node name="{node}" id="{NODES.index(node) + 1}" online="true"' not in xml
    ]
    started = xml.count('role="Started"')
    found = [f"{node} is not online" for node in offline]
    if started < 5:
        found.append(f"{started} of 5 resources started")
    return found


PACEMAKER = Program(
    name="pacemaker",
    title="Pacemaker",
    process_names=_PROCESSES,
    needed_processes=_PROCESSES,
    dead_s={timing: sum(both) / 1000 for timing, both in TOKEN_CONSENSUS_MS.items()},
    files=_files,
    daemons=_daemons,
    stop=_stop,
    switch=_switch,
    undo_switch=_undo_switch,
    started=_started,
    unrest=_unrest,
    monitors_service=True,
    starts_service=True,
    settle_s=90.0,
)
