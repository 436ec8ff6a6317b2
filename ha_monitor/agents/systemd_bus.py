"""The way to systemd over the system bus: one connection, job results and signals, no polling.

`SystemdManager` is what the worker uses: the bus while it answers, `systemctl` otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from dbus_fast import BusType, DBusError, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, InvalidAddressError

from ha_monitor.agents.systemctl import SystemctlManager
from ha_monitor.agents.systemd import UnitStatus
from ha_monitor.errors import AgentError
from ha_monitor.timebase import SECOND

SYSTEMD = "org.freedesktop.systemd1"
MANAGER_PATH = "/org/freedesktop/systemd1"
MANAGER = "org.freedesktop.systemd1.Manager"
UNIT = "org.freedesktop.systemd1.Unit"
BUS = "org.freedesktop.DBus"
BUS_PATH = "/org/freedesktop/DBus"
PROPERTIES = "org.freedesktop.DBus.Properties"
CONNECT_TIMEOUT_NS = 2 * SECOND
RECONNECT_NS = SECOND
EARLY_MAX = 256  # results of other people's jobs that are remembered for one turn of the loop

T = TypeVar("T")


class BusUnavailable(AgentError):
    """No bus answers: ask systemd in another way."""


class Connection:
    """One life of the connection, and what may be asked over it."""

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus
        # One task for all who wait: cancelling the library's own future would end it for everybody.
        self.gone: asyncio.Task[None] = asyncio.ensure_future(_disconnect_of(bus))

    @property
    def is_alive(self) -> bool:
        """Whether it can still carry a question."""
        return not self.gone.done()

    async def manager(self, method: str, signature: str = "", *arguments: Any) -> Sequence[Any]:
        """Call a method of systemd's Manager; the reply's values."""
        message = Message(SYSTEMD, MANAGER_PATH, MANAGER, method, signature=signature, body=list(arguments))
        return await self._call(message)

    async def unit_property(self, path: str, interface: str, name: str) -> str:
        """One property of a unit, as text."""
        message = Message(SYSTEMD, path, PROPERTIES, "Get", signature="ss", body=[interface, name])
        (value,) = await self._call(message)
        return str(value.value)

    async def match(self, rule: str) -> None:
        """Receive the signals of systemd that fit ``rule``."""
        rule = f"type='signal',sender='{SYSTEMD}',{rule}"
        await self._call(Message(BUS, BUS_PATH, BUS, "AddMatch", signature="s", body=[rule]))

    async def _call(self, message: Message) -> Sequence[Any]:
        try:
            reply = await self.bus.call(message)
        except (OSError, EOFError) as error:
            raise BusUnavailable(f"the system bus went away: {error}") from error
        if reply.message_type is MessageType.ERROR:
            raise AgentError(str(reply.body[0]) if reply.body else f"{message.member} was refused")
        body: Sequence[Any] = reply.body
        return body


async def _disconnect_of(bus: MessageBus) -> None:
    with contextlib.suppress(OSError, EOFError):
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


class BusManager:
    """What `systemd.Manager` says, over one connection, made anew when it breaks."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._jobs: dict[str, asyncio.Future[str]] = {}
        self._early: dict[str, str] = {}
        self._listeners: dict[str, list[Callable[[], None]]] = {}

    async def job(self, method: str, unit: str) -> str:
        """Order the job, and wait for systemd to say how it ended."""
        connection = await self._connected()
        path = str((await connection.manager(method, "ss", unit, "replace"))[0])
        if path in self._early:
            return self._early.pop(path)
        result: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._jobs[path] = result
        try:
            await asyncio.wait((result, connection.gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._jobs[path]
        if not result.done():
            raise BusUnavailable("the system bus went away during the job")
        return result.result()

    async def status(self, unit: str) -> UnitStatus:
        """One question for a healthy unit; two more for one that failed."""
        connection = await self._connected()
        (rows,) = await connection.manager("ListUnitsByNames", "as", [unit])
        _, _, load, active, sub, _, path, *_ = rows[0]
        if active != "failed":
            return UnitStatus(load, active, sub)
        interface = f"{SYSTEMD}.{unit.rpartition('.')[2].capitalize()}"
        result = await connection.unit_property(path, interface, "Result")
        control_group = await connection.unit_property(path, interface, "ControlGroup")
        return UnitStatus(load, active, sub, result, control_group=control_group)

    async def reset_failed(self, unit: str) -> None:
        """Let a failed unit be inactive."""
        await (await self._connected()).manager("ResetFailedUnit", "s", unit)

    async def listen(self, unit: str, changed: Callable[[], None]) -> None:
        """Pass on each change of ActiveState, over broken connections too, until cancelled."""
        while True:
            with contextlib.suppress(AgentError):
                connection = await self._connected()
                (path,) = await connection.manager("LoadUnit", "s", unit)
                await connection.match(f"interface='{PROPERTIES}',member='PropertiesChanged',path='{path}'")
                await self._pass_on(path, changed, connection)
            await asyncio.sleep(RECONNECT_NS / SECOND)

    async def _pass_on(self, path: str, changed: Callable[[], None], connection: Connection) -> None:
        listeners = self._listeners.setdefault(path, [])
        listeners.append(changed)
        changed()  # for what happened before we listened
        try:
            await asyncio.wait((connection.gone,))
        finally:
            listeners.remove(changed)

    async def _connected(self) -> Connection:
        async with self._connecting:
            if self._connection is None or not self._connection.is_alive:
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_NS / SECOND):
                bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        except (OSError, EOFError, AuthError, InvalidAddressError, DBusError) as error:
            raise BusUnavailable(f"no system bus: {error}") from error
        connection = Connection(bus)
        bus.add_message_handler(self._take)
        try:
            await connection.match(f"interface='{MANAGER}',member='JobRemoved',path='{MANAGER_PATH}'")
            await connection.manager("Subscribe")
        except AgentError:
            bus.disconnect()
            raise
        return connection

    def _take(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member == "JobRemoved":
            _, path, _, result = message.body
            self._job_ended(path, result)
        elif message.member == "PropertiesChanged" and message.body[0] == UNIT:
            listeners = (
                self._listeners.get(message.path or "", ()) if "ActiveState" in message.body[1] else ()
            )
            for changed in tuple(listeners):
                changed()

    def _job_ended(self, path: str, result: str) -> None:
        waiting = self._jobs.get(path)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)
            return
        # The signal can be read in the same go as the reply that names the job.
        self._early[path] = result
        while len(self._early) > EARLY_MAX:
            del self._early[next(iter(self._early))]


class SystemdManager:
    """The bus while one answers, else `systemctl`, as for a job from inside a cgroup: a `systemd.Manager`."""

    def __init__(self) -> None:
        self._bus = BusManager()
        self._program = SystemctlManager()
        self.is_on_bus = True  # as of the last question

    async def job(self, method: str, unit: str, cgroup: str = "") -> str:
        """See `systemd.Manager`. A job whose bus broke is ordered again: both orders are idempotent."""
        if cgroup:
            return await self._program.job(method, unit, cgroup)
        return await self._first(lambda way: way.job(method, unit))

    async def status(self, unit: str) -> UnitStatus:
        """See `systemd.Manager`."""
        return await self._first(lambda way: way.status(unit))

    async def reset_failed(self, unit: str) -> None:
        """See `systemd.Manager`."""
        await self._first(lambda way: way.reset_failed(unit))

    async def listen(self, unit: str, changed: Callable[[], None]) -> None:
        """Only the bus has signals; it is tried again for as long as the worker lives."""
        await self._bus.listen(unit, changed)

    async def _first(self, ask: Callable[[BusManager | SystemctlManager], Awaitable[T]]) -> T:
        try:
            answer = await ask(self._bus)
        except BusUnavailable:
            self.is_on_bus = False
            return await ask(self._program)
        self.is_on_bus = True
        return answer
