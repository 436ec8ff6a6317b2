"""Reads what the real Zabbix shows, through its API: values, whole histories, problems."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import requests
from pyzabbix.api import ZabbixAPI, ZabbixAPIException

from ha_monitor.lab.stack.hosts import StackError
from ha_monitor.lab.stack.zabbix import ADMIN

TIMEOUT_S = 30
HISTORY_MAX = 20_000
NS = 1_000_000_000
SEVERITIES = ("not classified", "information", "warning", "average", "high", "disaster")
Seen = TypeVar("Seen")


@dataclass(frozen=True)
class ItemShown:
    """An item's newest value as text, its time stamp, and why it is unsupported if it is."""

    key: str
    name: str
    value: str
    at_ns: int
    error: str


@dataclass(frozen=True)
class ValueShown:
    """One value of an item's history with its own time stamp."""

    at_ns: int
    value: str


@dataclass(frozen=True)
class ProblemShown:
    """An open problem; `at_ns` is the time stamp of the value that raised it."""

    host: str
    name: str
    severity: str
    at_ns: int
    acknowledged: bool
    suppressed: bool


class ZabbixReader:
    """Asks the API below `web_url` (http://address:port) as the web user Admin."""

    def __init__(self, web_url: str, password: str) -> None:
        self.web_url = web_url
        self._password = password
        self._api: Any = None

    @property
    def api(self) -> Any:
        """The pyzabbix client, logged in on first use."""
        if self._api is None:
            self._api = self.login()
        return self._api

    def login(self) -> Any:
        """Return a pyzabbix client that has just logged in. Raises StackError."""
        api = ZabbixAPI(f"{self.web_url}/zabbix", session=requests.Session(), timeout=TIMEOUT_S)
        self._guarded(lambda: api.login(ADMIN, self._password))
        return api

    def hosts(self) -> tuple[str, ...]:
        """Return the technical names of the enabled hosts, sorted."""
        found = self._guarded(lambda: self.api.host.get(output=["host"], filter={"status": 0}))
        return tuple(sorted(each["host"] for each in found))

    def host_id(self, host: str) -> str:
        """Return Zabbix's number for a host. Raises StackError if it has none."""
        found = self._guarded(lambda: self.api.host.get(output=["hostid"], filter={"host": host}))
        if not found:
            raise StackError(f"Zabbix has no host {host}; it has {', '.join(self.hosts()) or 'none'}")
        return str(found[0]["hostid"])

    def items(self, host: str) -> Mapping[str, ItemShown]:
        """Return every enabled item of a host by its key."""
        output = ["key_", "name", "lastvalue", "lastclock", "lastns", "error"]
        found = self._guarded(lambda: self.api.item.get(host=host, output=output, filter={"status": 0}))
        return {each["key_"]: _item(each) for each in found}

    def history(self, host: str, key: str) -> tuple[ValueShown, ...]:
        """Return all values of an item, oldest first. Raises StackError if there are too many."""
        found = self._guarded(
            lambda: self.api.item.get(host=host, output=["value_type"], filter={"key_": key})
        )
        if not found:
            raise StackError(f"Zabbix has no item {key} on host {host}")
        item = found[0]
        values = self._guarded(
            lambda: self.api.history.get(
                itemids=item["itemid"], history=int(item["value_type"]), limit=HISTORY_MAX + 1
            )
        )
        if len(values) > HISTORY_MAX:
            raise StackError(f"{key} on {host} has more than {HISTORY_MAX} values, expected fewer")
        shown = (ValueShown(_time_ns(each["clock"], each["ns"]), each["value"]) for each in values)
        return tuple(sorted(shown, key=lambda value: value.at_ns))

    def problems(self) -> tuple[ProblemShown, ...]:
        """Return all open problems, suppressed ones too, oldest first."""
        found = self._guarded(lambda: self.api.problem.get(output="extend", source=0, object=0))
        hosts = self._hosts_of_triggers({each["objectid"] for each in found})
        shown = (_problem(each, hosts.get(each["objectid"], "")) for each in found)
        return tuple(sorted(shown, key=lambda problem: problem.at_ns))

    def _hosts_of_triggers(self, triggers: set[str]) -> Mapping[str, str]:
        if not triggers:
            return {}
        found = self._guarded(
            lambda: self.api.trigger.get(
                triggerids=sorted(triggers), output=["triggerid"], selectHosts=["host"]
            )
        )
        return {each["triggerid"]: each["hosts"][0]["host"] for each in found if each["hosts"]}

    def _guarded(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (ZabbixAPIException, requests.RequestException, ValueError) as error:
            raise StackError(f"Zabbix at {self.web_url} refused or is down: {error}") from error


def wait_for(what: str, look: Callable[[], Seen | None], within_s: float, every_s: float = 0.1) -> Seen:
    """Look until something is there and return it. Raises StackError naming `what` at the end.

    What the reader cannot answer meanwhile (a server that restarts) counts as not there yet.
    """
    deadline = time.monotonic() + within_s
    last_error = ""
    while True:
        try:
            seen = look()
        except StackError as error:
            seen, last_error = None, f" ({error})"
        if seen:
            return seen
        if time.monotonic() >= deadline:
            raise StackError(f"{what} was not seen within {within_s:g} s{last_error}")
        time.sleep(every_s)


def _time_ns(clock: str, ns: str) -> int:
    return int(clock) * NS + int(ns)


def _item(each: Mapping[str, str]) -> ItemShown:
    at_ns = _time_ns(each["lastclock"], each["lastns"])
    return ItemShown(each["key_"], each["name"], each["lastvalue"], at_ns, each["error"])


def _problem(each: Mapping[str, str], host: str) -> ProblemShown:
    return ProblemShown(
        host=host,
        name=each["name"],
        severity=SEVERITIES[int(each["severity"])],
        at_ns=_time_ns(each["clock"], each["ns"]),
        acknowledged=each["acknowledged"] == "1",
        suppressed=each["suppressed"] == "1",
    )
