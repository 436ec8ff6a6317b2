"""Faults as named verbs: how each strikes, how it is healed, and how long it is held.

What is struck is remembered in the lab's state, so that another process can heal it. Faults of
the network are filters and ports of the switch; the hosts' own nftables are never touched.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ha_monitor.lab import hardship, rolling
from ha_monitor.lab.cast import CAST, NODES, SERVICE_GROUP, WITNESS, other_node
from ha_monitor.lab.daemons import Daemons
from ha_monitor.lab.host import Host
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.processes import kill_all_at_once, signal_all
from ha_monitor.lab.roles import ALL, daemon_processes
from ha_monitor.lab.subject import subject_of
from ha_monitor.lab.switch import Drop

# As seen of ucarp 1.5.2 with virtual host 1.
VIRTUAL_MAC = "00:00:5e:00:00:01"
WITNESS_NEAR, WITNESS_FAR = "near", "far"
# Two that strike at the same time: the later reading of what is in force must be the later filter.
_one_filters_at_a_time = threading.Lock()

# A loose plug: how often, and for how long the carrier is gone and back each time.
_FLAPS = 8
_FLAP_DOWN_S = (0.05, 0.6)
_FLAP_UP_S = (0.1, 0.6)


@dataclass(frozen=True)
class Blow:
    """One fault with everything that it strikes."""

    fault: str
    host: str
    process: str = ALL
    link: str = ALL
    percent: int = 100
    witness: str = WITNESS_NEAR
    group: str = SERVICE_GROUP  # that a Switchover moves
    what: str = ""  # kill-each: the processes in their order
    amount: int = 0  # clock-step: seconds; flicker and kill-each: milliseconds between two blows

    @property
    def links(self) -> tuple[str, ...]:
        """The Links that are struck: one, or all that the host is on."""
        on = CAST[self.host].links
        if self.link == ALL:
            return on
        if self.link not in on:
            raise LabError(f"{self.host} is on no Link {self.link!r}: {', '.join(on)}")
        return (self.link,)

    @property
    def ports(self) -> tuple[str, ...]:
        """The switch's ports that lead to the host on these Links."""
        return tuple(CAST[self.host].port(link) for link in self.links)


@dataclass(frozen=True)
class Fault:
    """One verb. ``hold_s``: how long `measure` holds it, a random time between the two."""

    name: str
    what: str
    strike: Callable[[Lab, Blow], None]
    heal: Callable[[Lab, Blow], None]
    hold_s: tuple[float, float] = (2.0, 4.0)
    defaults: tuple[tuple[str, Any], ...] = ()

    def blow(self, host: str, **chosen: Any) -> Blow:
        """This fault with its defaults, striking a host; None means the default."""
        given = {key: value for key, value in chosen.items() if value is not None}
        return Blow(self.name, host, **{**dict(self.defaults), **given})


def strike(lab: Lab, blow: Blow) -> None:
    """Let the fault happen, and remember it until it is healed."""
    if not lab.host(blow.host).is_on():
        raise LabError(f"{blow.host}: has no power; heal it first: ha-monitor lab heal")
    assert blow.links, "looked at before anything is remembered: a wrong Link is refused here"
    with lab.state.change() as state:
        state.faults.append(asdict(blow))
    try:
        FAULTS[blow.fault].strike(lab, blow)
    except LabError:
        with lab.state.change() as state:
            state.faults.remove(asdict(blow))
        raise


def heal(lab: Lab) -> list[Blow]:
    """Heal everything that was struck, the last first; what was healed."""
    healed = []
    while blows := active(lab):
        heal_one(lab, blows[-1])
        healed.append(blows[-1])
    return healed


def heal_one(lab: Lab, blow: Blow) -> None:
    """Heal this one; what else was struck goes on. Nothing happens when another healed it already."""
    with lab.state.change() as state:
        if asdict(blow) not in state.faults:
            return
        state.faults.remove(asdict(blow))
    FAULTS[blow.fault].heal(lab, blow)


def active(lab: Lab) -> list[Blow]:
    """What was struck and not healed yet."""
    return [Blow(**fields) for fields in lab.state.read().faults]


# Power


def _power_off(lab: Lab, blow: Blow) -> None:
    lab.host(blow.host).power_off()


def _power_on(lab: Lab, blow: Blow) -> None:
    lab.host(blow.host).power_on()
    for other in active(lab):  # the cables are new, and what was done to the old ones goes on
        if other.host == blow.host and other.fault in ("unplug", "blackhole"):
            FAULTS[other.fault].strike(lab, other)
    apply_filters(lab)


# Processes


def _struck(lab: Lab, blow: Blow) -> list[Any]:
    found = subject_of(lab).processes(blow.host, blow.process)
    if not found:
        program = lab.state.read().program or "ha-monitor"
        raise LabError(f"{blow.host}: no process of {program} runs there ({blow.process})")
    return found


def _kill(lab: Lab, blow: Blow) -> None:
    kill_all_at_once(_struck(lab, blow))


def _freeze(lab: Lab, blow: Blow) -> None:
    signal_all(_struck(lab, blow), signal.SIGSTOP)


def _thaw(lab: Lab, blow: Blow) -> None:
    signal_all(subject_of(lab).processes(blow.host), signal.SIGCONT)


def _start_daemon(lab: Lab, blow: Blow) -> None:
    subject_of(lab).start_on(blow.host)


def _kill_witness(lab: Lab, _blow: Blow) -> None:
    kill_all_at_once(daemon_processes(lab.host(WITNESS)))


def _start_witness(lab: Lab, _blow: Blow) -> None:
    Daemons(lab).start_on(WITNESS)


def _crash_service(lab: Lab, blow: Blow) -> None:
    servers = web_servers(lab.host(blow.host))
    if not servers:
        raise LabError(f"{blow.host}: no web server runs there")
    kill_all_at_once(servers)


def web_servers(host: Host) -> list[Any]:
    """The processes of the group's web server."""
    names = ("nginx", "apache2")
    return [p for p in host.processes() if p.argv[0].split(":")[0].rpartition("/")[2] in names]


# Network


def _unplug(lab: Lab, blow: Blow) -> None:
    lab.switch.ports_down(blow.ports)


def _flap(lab: Lab, blow: Blow) -> None:
    for _ in range(_FLAPS):
        lab.switch.ports_down(blow.ports)
        time.sleep(random.uniform(*_FLAP_DOWN_S))
        lab.switch.ports_up(blow.ports)
        time.sleep(random.uniform(*_FLAP_UP_S))


def _blackhole(lab: Lab, blow: Blow) -> None:
    lab.switch.ports_blackhole(blow.ports)


def _ports_up(lab: Lab, blow: Blow) -> None:
    if lab.host(blow.host).is_on():  # else the power brings new cables
        lab.switch.ports_up(blow.ports)


def _filter(lab: Lab, _blow: Blow) -> None:
    apply_filters(lab)


def apply_filters(lab: Lab) -> None:
    """Make the switch filter for all active faults, and for no other."""
    with _one_filters_at_a_time:
        on = {host.name for host in lab.hosts if host.is_on()}
        drops = [drop for blow in active(lab) if blow.fault in _DROPS for drop in _DROPS[blow.fault](blow)]
        lab.switch.set_filters(drop for drop in drops if drop.port.partition("-")[0] in on)


def _cut(sender: str, receiver: str, links: Iterable[str]) -> list[Drop]:
    """What one host sends does not reach the other: also broadcasts, on these Links."""
    both = [link for link in links if link in CAST[sender].links and link in CAST[receiver].links]
    macs = [(link, CAST[sender].mac(link)) for link in both]
    if sender in NODES and receiver in NODES:
        # ucarp sends its advertisements from a MAC that both Nodes share, and nobody else.
        macs += [(link, VIRTUAL_MAC) for link in both]
    return [Drop(CAST[receiver].port(link), "out", mac) for link, mac in macs]


def _partition_drops(blow: Blow) -> list[Drop]:
    far = [other_node(blow.host)] + ([WITNESS] if blow.witness == WITNESS_FAR else [])
    return [
        drop
        for name in far
        for pair in ((blow.host, name), (name, blow.host))
        for drop in _cut(*pair, blow.links)
    ]


def _one_way_drops(blow: Blow) -> list[Drop]:
    return _cut(blow.host, other_node(blow.host), blow.links)


def _lose_drops(blow: Blow) -> list[Drop]:
    return [Drop(port, way, percent=blow.percent) for port in blow.ports for way in ("in", "out")]


_DROPS: dict[str, Callable[[Blow], list[Drop]]] = {
    "partition": _partition_drops,
    "one-way": _one_way_drops,
    "lose": _lose_drops,
}


# The monitoring server, and operations of ha-monitor itself


def _stop_monitoring(lab: Lab, _blow: Blow) -> None:
    from ha_monitor.lab.stack.monitoring import Monitoring

    monitoring = Monitoring(lab)
    if not monitoring.is_running():
        raise LabError("no Nagios and Zabbix run in this lab: `make demo KEEP=1` brings one up that has them")
    monitoring.stop()


def _start_monitoring(lab: Lab, _blow: Blow) -> None:
    from ha_monitor.lab.stack.monitoring import Monitoring

    Monitoring(lab).start()


def _switch(lab: Lab, blow: Blow) -> None:
    if blow.group == SERVICE_GROUP:
        subject_of(lab).switch(blow.host)
    else:
        Daemons(lab).switch(blow.host, blow.group)


def _stop(lab: Lab, blow: Blow) -> None:
    subject_of(lab).stop_on(blow.host)


def _nothing(_lab: Lab, _blow: Blow) -> None:
    pass


_ON_LAN = (("link", "lan"),)
_FLICKER = (*_ON_LAN, ("amount", 100))
_LOSE_20 = (("percent", 20),)

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("power-off", "no process and no carrier, from one moment to the next", _power_off, _power_on),
        Fault("kill", "SIGKILL to all of its processes, or to one", _kill, _start_daemon),
        Fault("freeze", "SIGSTOP for a time, then SIGCONT", _freeze, _thaw, (10.0, 10.0)),
        Fault("unplug", "carrier lost", _unplug, _ports_up, defaults=_ON_LAN),
        Fault("flap", "carrier comes and goes, eight times", _flap, _ports_up, (0.0, 0.5), _ON_LAN),
        Fault("blackhole", "carrier stays, nothing passes", _blackhole, _ports_up, defaults=_ON_LAN),
        Fault("partition", "the Nodes do not hear each other; the client reaches both", _filter, _filter),
        Fault("one-way", "the peer no longer hears the host, but the host the peer", _filter, _filter),
        Fault("lose", "a share of all packets of the host is lost", _filter, _filter, defaults=_LOSE_20),
        Fault("service-crash", "SIGKILL to the group's web server", _crash_service, _nothing),
        Fault(
            "monitoring-down", "Nagios and Zabbix end, not the Witness", _stop_monitoring, _start_monitoring
        ),
        Fault("witness-down", "SIGKILL to ha-monitor on the Witness", _kill_witness, _start_witness),
        Fault("switch", "a planned Switchover", _switch, _nothing),
        Fault("stop", "a clean stop of the daemon", _stop, _start_daemon),
        Fault("standby", "ordered into standby, then online", hardship.standby, hardship.online),
        Fault("restart", "new processes, the same configuration", rolling.restart, _nothing),
        Fault("reload", "a changed file on all hosts, restarted in turn", rolling.reload, rolling.make_whole),
        Fault(
            "upgrade", "another program version on one after the other", rolling.upgrade, rolling.make_whole
        ),
        Fault("kill-each", "SIGKILL to one process after the other", hardship.kill_each, _start_daemon),
        Fault("flicker", "the carrier comes and goes", hardship.flicker, hardship.shine, defaults=_FLICKER),
        Fault("disk-full", "no byte left for the daemon's state", hardship.fill_disk, hardship.empty_disk),
        Fault("no-memory", "its processes get no more", hardship.take_memory, hardship.give_memory),
        Fault("no-files", "its processes open no more", hardship.take_files, hardship.give_files),
        Fault("clock-step", "its wall clock jumps", hardship.step_clock, hardship.step_back),
        Fault("trapper-down", "chaos' light sink ends", hardship.end_trapper, hardship.start_trapper),
    )
}
assert set(_DROPS) <= set(FAULTS)


def fault_named(name: str) -> Fault:
    """The fault of this name, or an error that lists them."""
    if name not in FAULTS:
        raise LabError(f"{name!r} is not a fault: {', '.join(FAULTS)}")
    return FAULTS[name]
