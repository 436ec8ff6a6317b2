"""The lab's power switch: fence agents on the hosts ask it over a socket to power other hosts off.

It stands outside every host, as a real one does, so a cut of the Links does not reach it. Each of its devices
may be given a fault, so that levels, timeouts and lies can be tried.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType

from ha_monitor.lab import faults
from ha_monitor.lab.cast import NODES
from ha_monitor.lab.lab import Lab

INSIDE = "/run/power"
AGENT = f"{INSIDE}/fence_lab"
SOCKET = f"{INSIDE}/switch"
WORKS, FAILS, HANGS, LIES = "works", "fails", "hangs", "lies"
SLOW_S = 3.0
_STEP_S = 0.1


class PowerSwitch:
    """A context manager around a lab that is up. ``orders``: every `off`: when, which device, which host."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._directory = lab.directory / "power"
        self._behaviour: dict[str, str] = {}
        self._slow: set[str] = set()
        self._is_over = threading.Event()
        self._power = threading.Lock()
        self.orders: list[tuple[float, str, str]] = []

    def __enter__(self) -> PowerSwitch:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / "switch"
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(16)
        agent = self._directory / "fence_lab"
        agent.write_text(f"#!/bin/sh\nexec {sys.executable} -P -m ha_monitor.lab.fence_agent\n")
        agent.chmod(0o755)
        for name in NODES:
            self._lab.host(name).bind(self._directory, INSIDE)
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._power:
            shutil.rmtree(self._directory, ignore_errors=True)

    def behave(self, device: str, how: str = WORKS, *, slow: bool = False) -> None:
        """From now on that device works, fails, hangs, or says that a host is off which is not."""
        self._behaviour[device] = how
        (self._slow.add if slow else self._slow.discard)(device)

    def forget(self) -> None:
        """All devices work again, and no order was given."""
        self._behaviour.clear()
        self._slow.clear()
        self.orders.clear()

    def power_on(self, name: str) -> None:
        """What a person does after a fence: nobody else powers a host on."""
        with self._power:
            self._lab.host(name).power_on()
        faults.apply_filters(self._lab)

    def _serve(self) -> None:
        while not self._is_over.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, ValueError):
            device, action, plug = client.makefile().readline().rstrip("\n").split(" ")
            how = self._behaviour.get(device, WORKS)
            if how == HANGS:
                self._wait(3600)
                return
            if device in self._slow:
                self._wait(SLOW_S)
            code, text = self._obey(how, device, action, plug)
            client.sendall(f"{code} {text}\n".encode())

    def _obey(self, how: str, device: str, action: str, plug: str) -> tuple[int, str]:
        if how == FAILS:
            return 1, "Failed: the switch is out of order"
        if action == "off":
            self.orders.append((time.monotonic(), device, plug))
            if how != LIES:
                self._off(plug)
            return 0, "Success: Powered OFF"
        if action == "on":
            self.power_on(plug)
            return 0, "Success: Powered ON"
        if action == "status" and plug:
            is_off = how == LIES or not self._lab.host(plug).is_on()
            return (2, "Status: OFF") if is_off else (0, "Status: ON")
        return 0, "N/A"

    def _off(self, plug: str) -> None:
        with self._power:
            if self._lab.host(plug).is_on():
                self._lab.host(plug).power_off()
        faults.apply_filters(self._lab)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._is_over.is_set():
            time.sleep(_STEP_S)


def fencing_toml(
    levels: Mapping[str, str], delay: str = "4s", more: str = "", timeout: str = "20s", test_every: str = "5s"
) -> str:
    """``[fencing]`` for a pair of the lab. ``levels``: of each Node, as TOML."""
    devices = sorted({name for text in levels.values() for name in _devices_in(text)})
    tables = "".join(
        f'[fencing.devices.{name}]\nagent = "{AGENT}"\ntimeout = "{timeout}"\n'
        f'options = {{ ip = "{SOCKET}", device = "{name}" }}\n'
        for name in devices
    )
    lines = "".join(f"{node} = {text}\n" for node, text in levels.items())
    head = f'[fencing]\ndelay = "{delay}"\ntest_every = "{test_every}"\n{more}'
    return f"{head}{tables}[fencing.levels]\n{lines}"


def _devices_in(levels: str) -> list[str]:
    return [part.partition(":")[0] for part in levels.split('"')[1::2]]
