"""Failures planted on purpose: each must turn the run red, or its judge is blind."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence

from ha_monitor.lab.cast import SERVICE_GROUP, SERVICE_V4, WITNESS, other_node
from ha_monitor.lab.chaos import trapper
from ha_monitor.lab.chaos.plan import SINGLE, Round
from ha_monitor.lab.chaos.run import ChaosRun
from ha_monitor.lab.chaos.stage import APP, EVENTS, Stage
from ha_monitor.lab.daemons import Daemons
from ha_monitor.lab.host import Host
from ha_monitor.lab.observers import frames

_DOUBLE_FOR_S = 1.0


def play(chaos: ChaosRun, stage: Stage, names: Sequence[str]) -> None:
    """Plant each of these, one after the other, and let it be judged."""
    chaos.begin()
    for number, name in enumerate(names, 1):
        PLANTS[name](chaos, stage)
        chaos.play_one(Round(number, SINGLE, 0.0, ()))


def _double(chaos: ChaosRun, stage: Stage) -> None:
    """The service address on the other Node as well, whose daemon has ended and guards nothing any more."""
    other = stage.lab.host(other_node(chaos.owner_of(SERVICE_GROUP)))
    daemons, device = Daemons(stage.lab), ["dev", "lan"]
    daemons.stop_on(other.name)
    other.exec(["ip", "address", "add", f"{SERVICE_V4}/24", *device])
    _announce(other)
    time.sleep(_DOUBLE_FOR_S)
    other.exec(["ip", "address", "del", f"{SERVICE_V4}/24", *device])
    daemons.start_on(other.name)
    chaos.justify("stop", other.name)


def _announce(host: Host) -> None:
    mac, address = frames.mac_bytes(host.member.mac("lan")), frames.address_bytes(SERVICE_V4)
    arp = bytes.fromhex("0001080006040001") + mac + address + bytes(6) + address
    with host.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind(("lan", 0))
        sock.send(b"\xff" * 6 + mac + b"\x08\x06" + arp)


def _lost(chaos: ChaosRun, stage: Stage) -> None:
    """A Switchover of which the sink forgets what it was told."""
    swallow = stage.lab.host(WITNESS).path(EVENTS + trapper.SWALLOW)
    swallow.touch()
    owner = chaos.owner_of(APP)
    _move(chaos, stage)
    chaos.justify("switch", owner, APP)
    time.sleep(2.0)
    swallow.unlink()


def _move(chaos: ChaosRun, stage: Stage) -> None:
    """A Switchover that no strike ordered."""
    Daemons(stage.lab).switch(chaos.owner_of(APP), APP)


PLANTS: Mapping[str, Callable[[ChaosRun, Stage], None]] = {"double": _double, "lost": _lost, "move": _move}
